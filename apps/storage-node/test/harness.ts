import { silentLogger } from '@cairn/base';
import { createFlowWriter, type FlowWriter } from '@cairn/chain';
import { loadKernels } from '@cairn/kernels';
import { type FileTree, fileTreeOfBytes, segmentCounts, segmentDataBytes } from '@cairn/merkle';
import type { SegmentFrame, SegmentWithProof } from '@cairn/protocol';
import { createNodeClient, type NodeClient } from '@cairn/rpc';
import { startTestChain, type TestChain, temporaryFolder, waitFor } from '@cairn/testkit';
import { nodeConfigSchema } from '../src/config.ts';
import { type StorageNode, startStorageNode } from '../src/node.ts';

export const kernels = await loadKernels();

export type TestFile = { bytes: Uint8Array; tree: FileTree };
export const makeFile = (bytes: Uint8Array): TestFile => ({
  bytes,
  tree: fileTreeOfBytes(kernels, bytes),
});

/** Segment `index` as clients send it: whole sectors, the last one zero-filled. */
export function segmentBytes(file: TestFile, index: number): Uint8Array {
  const out = new Uint8Array(segmentDataBytes(file.bytes.length, index));
  out.set(file.bytes.subarray(index * 262_144, index * 262_144 + out.length));
  return out;
}
export const frameOf = (file: TestFile, index: number): SegmentFrame => ({
  index,
  siblings: file.tree.siblings(index),
  data: segmentBytes(file, index),
});
export const framesOf = (file: TestFile): SegmentFrame[] =>
  Array.from({ length: segmentCounts(file.bytes.length).real }, (_, i) => frameOf(file, i));
export const jsonSegment = (file: TestFile, index: number): SegmentWithProof => ({
  root: file.tree.root,
  data: Buffer.from(segmentBytes(file, index)).toString('base64'),
  index,
  proof: file.tree.proof(index),
  fileSize: file.bytes.length,
});

export type TestNetwork = AsyncDisposable & {
  chain: TestChain;
  writer: FlowWriter;
  /** Starts a node on a folder; the same folder continues. */
  node(options?: {
    shard?: string;
    dir?: string;
    poolBytes?: number;
  }): Promise<StorageNode & { client: NodeClient; dir: string }>;
  submit(file: TestFile): Promise<number>;
};

export async function startTestNetwork(): Promise<TestNetwork> {
  const stack = new AsyncDisposableStack();
  const chain = stack.use(await startTestChain());
  const folder = stack.use(await temporaryFolder());
  const writer = createFlowWriter({
    rpcUrl: chain.rpcUrl,
    flow: chain.deployment.contracts.flow,
    privateKey: chain.accounts[1]!.privateKey,
    pollMs: 20,
  });
  let count = 0;
  return {
    chain,
    writer,
    async node(options = {}) {
      const dir = options.dir ?? `${folder.path}/node-${count++}`;
      const config = nodeConfigSchema.parse({
        dataDir: dir,
        chainRpcUrl: chain.rpcUrl,
        flowAddress: chain.deployment.contracts.flow,
        rpcPort: 0,
        adminPort: 0,
        confirmationBlocks: 0,
        pollMs: 30,
        hashThreads: 1,
        kernels: 'wasm',
        shard: options.shard ?? '0/1',
        poolBytes: options.poolBytes ?? 64 * 1024 * 1024,
      });
      const node = await startStorageNode({ log: silentLogger }, config);
      stack.defer(() => node.stop());
      return Object.assign(node, { client: createNodeClient(node.url), dir });
    },
    submit: async (file) =>
      (await writer.submit([{ size: file.bytes.length, nodes: file.tree.submissionNodes }]))
        .seqs[0]!,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

export const seen = (client: NodeClient, seq: number): Promise<unknown> =>
  waitFor(async () => (await client.getFileInfoByTxSeq(seq)) ?? undefined, {
    timeoutMs: 10_000,
    what: `submission ${seq}`,
  });
export const finalized = (client: NodeClient, seq: number): Promise<unknown> =>
  waitFor(async () => (await client.getFileInfoByTxSeq(seq))?.finalized, {
    timeoutMs: 10_000,
    what: `submission ${seq} finalized`,
  });
