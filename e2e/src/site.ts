// A chain and storage nodes as processes, for tests and soak rows that kill, spoil and impair them: files are known segment by
// segment, so that what a node acknowledged can be told from what it did not.
import { join } from 'node:path';
import { seededRandom } from '@cairn/base';
import { createFlowWriter, type FlowWriter } from '@cairn/chain';
import { type Kernels, loadKernels } from '@cairn/kernels';
import type { SegmentFrame } from '@cairn/protocol';
import { createNodeClient, type NodeClient, rpcCall } from '@cairn/rpc';
import {
  frameOf,
  framesOf,
  makeTestFile,
  type ProcessOptions,
  startStorageNode,
  startTestChain,
  type TestChain,
  type TestFile,
  type TestProcess,
  temporaryFolder,
  waitFor,
} from '@cairn/testkit';

export type SiteNode = {
  name: string;
  process: TestProcess;
  client: NodeClient;
  url: string;
  adminUrl: string;
  /** Where peers find it; empty without p2p. */
  address: string;
  dir: string;
  /** From the start of the process to its ready line. */
  readyMs: number;
};

export type SiteFile = TestFile & { seq: number };

/** `rpcUrl`: where the node reads the chain, the chain's own by default. */
export type SiteNodeOptions = ProcessOptions & { rpcUrl?: string | undefined };

/**
 * For nodes whose memory is measured: garbage is collected late where memory is plenty, which looks like growth, and a leak of
 * what tens of thousands of messages leave does not fit in this.
 */
export const LIMITED_HEAP: SiteNodeOptions = { env: { NODE_OPTIONS: '--max-old-space-size=128' } };

export type Site = AsyncDisposable & {
  kernels: Kernels;
  chain: TestChain;
  dir: string;
  writer: FlowWriter;
  /** Starts a node on the folder of this name; a name that was used before continues. */
  start(name: string, flags?: readonly string[], options?: SiteNodeOptions): Promise<SiteNode>;
  /** Random bytes of a seed, on the chain and on no node. */
  submit(size: number, seed: number): Promise<SiteFile>;
  /** The same, stored whole on a node. */
  put(node: SiteNode, size: number, seed: number): Promise<SiteFile>;
};

/** How long anything that must happen may take here: the machine may be busy. */
const PATIENCE_MS = 120_000;

export async function startSite(): Promise<Site> {
  await using stack = new AsyncDisposableStack();
  const kernels = await loadKernels();
  const dir = stack.use(await temporaryFolder('cairn-site-')).path;
  const chain = stack.use(await startTestChain());
  const writer = createFlowWriter({
    rpcUrl: chain.rpcUrl,
    flow: chain.deployment.contracts.flow,
    privateKey: chain.accounts[1]!.privateKey,
    pollMs: 20,
  });
  const processes = new Set<TestProcess>();
  stack.defer(async () => {
    await Promise.all([...processes].map((process) => process.stop('SIGKILL')));
  });
  const submit = async (size: number, seed: number): Promise<SiteFile> => {
    const file = makeTestFile(kernels, seededRandom(seed).bytes(size));
    const { seqs } = await writer.submit([{ size, nodes: file.tree.submissionNodes }]);
    return { ...file, seq: seqs[0]! };
  };
  const owned = stack.move();
  return {
    kernels,
    chain,
    dir,
    writer,
    async start(name, flags = [], { rpcUrl = chain.rpcUrl, env } = {}) {
      const started = performance.now();
      const folder = join(dir, name);
      const usual = ['--kernels', 'wasm', '--hash-threads', '1', '--scrub-bytes-per-second', '0'];
      const process = await startStorageNode({ ...chain, rpcUrl }, folder, [...usual, ...flags], {
        env,
      });
      const readyMs = performance.now() - started;
      processes.add(process);
      const { url, adminUrl, p2pAddresses } = process.ready;
      return {
        name,
        process,
        client: createNodeClient(String(url)),
        url: String(url),
        adminUrl: String(adminUrl),
        address: (p2pAddresses as string[])[0] ?? '',
        dir: folder,
        readyMs,
      };
    },
    submit,
    async put(node, size, seed) {
      const file = await submit(size, seed);
      await seen(node, file.seq);
      await uploadAll(node, file);
      await finalized(node, file.seq);
      return file;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Waits until the node has read the submission from the chain. */
export const seen = ({ client, name }: SiteNode, seq: number): Promise<unknown> =>
  waitFor(async () => (await client.getFileInfoByTxSeq(seq)) ?? undefined, {
    timeoutMs: PATIENCE_MS,
    what: `submission ${seq} on ${name}`,
  });

export const finalized = ({ client, name }: SiteNode, seq: number): Promise<unknown> =>
  waitFor(async () => (await client.getFileInfoByTxSeq(seq))?.finalized, {
    timeoutMs: PATIENCE_MS,
    what: `submission ${seq} finalized on ${name}`,
  });

/** Sends one segment; resolves when the node acknowledged it. */
export async function uploadSegment(node: SiteNode, file: SiteFile, index: number): Promise<void> {
  await node.client.uploadFrames(file.tree.root, { fileSize: file.bytes.length, txSeq: file.seq }, [
    frameOf(file, index),
  ]);
}

/** Sends the whole file, a few segments a request, unless it is finalized; segments that are there are skipped by the node. */
export async function uploadAll(node: SiteNode, file: SiteFile): Promise<void> {
  if ((await node.client.getFileInfoByTxSeq(file.seq))?.finalized) return;
  const frames = framesOf(file);
  for (let at = 0; at < frames.length; at += 8)
    await node.client.uploadFrames(
      file.tree.root,
      { fileSize: file.bytes.length, txSeq: file.seq },
      frames.slice(at, at + 8),
    );
}

/** What a node says of a segment: the true bytes, none, or something else. */
export type Served = 'true' | 'none' | 'other';

/** Asks for one segment by the route that carries no proof the asker would check. */
export async function served(node: SiteNode, file: SiteFile, index: number): Promise<Served> {
  let frames: SegmentFrame[];
  try {
    frames = await node.client.downloadFrames(file.seq, { index, count: 1 });
  } catch {
    return 'none';
  }
  const expected = frameOf(file, index);
  const isTrue =
    Buffer.compare(frames[0]!.data, expected.data) === 0 &&
    Buffer.compare(frames[0]!.siblings, expected.siblings) === 0;
  return isTrue ? 'true' : 'other';
}

/** Indexes of the file's segments. */
export const segmentIndexes = (file: SiteFile): number[] => [
  ...Array(Math.ceil(file.bytes.length / 262_144)).keys(),
];

/** How often the node serves each kind of answer for the given segments. */
export async function servedCounts(
  node: SiteNode,
  file: SiteFile,
  indexes: readonly number[] = segmentIndexes(file),
): Promise<Record<Served, number>> {
  const counts = { true: 0, none: 0, other: 0 };
  for (const index of indexes) counts[await served(node, file, index)]++;
  return counts;
}

/** The number in a metric; 0 while it is not there. */
export async function metric({ adminUrl }: SiteNode, name: string): Promise<number> {
  const values = await rpcCall<Record<string, string>>(adminUrl, 'admin_getMetrics', [name]);
  return Object.values(values).reduce((sum, value) => sum + Number(value.split(' ').at(-1)), 0);
}
