import { type Clock, silentLogger } from '@cairn/base';
import { createFlowWriter, type FlowWriter } from '@cairn/chain';
import { loadKernels } from '@cairn/kernels';
import { createNodeClient, type NodeClient } from '@cairn/rpc';
import type { Disk } from '@cairn/store';
import {
  framesOf,
  makeTestFile,
  startTestChain,
  type TestChain,
  type TestFile,
  temporaryFolder,
  waitFor,
} from '@cairn/testkit';
import { nodeConfigSchema } from '../src/config.ts';
import { type StorageNode, startStorageNode } from '../src/node.ts';

export const kernels = await loadKernels();

export type { TestFile } from '@cairn/testkit';
export { frameOf, framesOf, jsonSegment, segmentBytes } from '@cairn/testkit';
export const makeFile = (bytes: Uint8Array): TestFile => makeTestFile(kernels, bytes);

export type TestNode = StorageNode & { client: NodeClient; dir: string };
export type TestNetwork = AsyncDisposable & {
  chain: TestChain;
  writer: FlowWriter;
  /** Starts a node on a folder; the same folder continues. */
  node(options?: {
    shard?: string;
    dir?: string;
    poolBytes?: number;
    writersMax?: number;
    writersWaitingMax?: number;
    disk?: Disk;
    /** Where it reads the chain, that of the network by default. */
    rpcUrl?: string;
    /** Talks to peers on a free port and these addresses. */
    bootNodes?: readonly string[];
    scrubBytesPerSecond?: number;
    scrubPauseMs?: number;
    /** Prunes what has no lease, asking all the time. */
    prunes?: boolean;
    clock?: Clock;
  }): Promise<TestNode>;
  submit(file: TestFile): Promise<number>;
};

export async function startTestNetwork(options: { chainId?: number } = {}): Promise<TestNetwork> {
  const stack = new AsyncDisposableStack();
  const chain = stack.use(await startTestChain(options));
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
        chainRpcUrl: options.rpcUrl ?? chain.rpcUrl,
        flowAddress: chain.deployment.contracts.flow,
        rpcPort: 0,
        adminPort: 0,
        confirmationBlocks: 0,
        pollMs: 30,
        hashThreads: 1,
        kernels: 'wasm',
        shard: options.shard ?? '0/1',
        poolBytes: options.poolBytes ?? 64 * 1024 * 1024,
        writersMax: options.writersMax,
        writersWaitingMax: options.writersWaitingMax,
        p2p: options.bootNodes !== undefined,
        p2pHost: '127.0.0.1',
        p2pPort: 0,
        bootNodes: options.bootNodes,
        allowPrivateAddresses: true,
        scrubBytesPerSecond: options.scrubBytesPerSecond ?? 0,
        scrubPauseMs: options.scrubPauseMs,
        ...(options.prunes
          ? {
              rewardContractAddress: chain.deployment.contracts.reward,
              pruneIntervalSeconds: 1,
              pruneGraceSeconds: 60,
              keepIntervalMs: 50,
            }
          : {}),
      });
      const { disk, clock } = options;
      const node = await startStorageNode({ log: silentLogger, disk, clock }, config);
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

/** Sends a file that is on the chain and waits until it is whole here. */
export async function uploadTo(client: NodeClient, file: TestFile, seq: number): Promise<void> {
  await seen(client, seq);
  const fileSize = file.bytes.length;
  await client.uploadFrames(file.tree.root, { fileSize, txSeq: seq }, framesOf(file));
  await finalized(client, seq);
}

type RpcAnswer = { result?: unknown; error?: unknown };
async function call(url: string, method: string, params: readonly unknown[]): Promise<RpcAnswer> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
  const response = await fetch(url, { method: 'POST', body });
  if (response.status !== 200) throw new Error(`${method}: HTTP ${response.status}`);
  return (await response.json()) as RpcAnswer;
}

/** The error object of a call, exactly as it came; undefined when there was none. */
export const rpcError = async (
  url: string,
  method: string,
  params: readonly unknown[],
): Promise<unknown> => (await call(url, method, params)).error;

/** The result of a call that must succeed. */
export async function rpcResult(
  url: string,
  method: string,
  params: readonly unknown[],
): Promise<unknown> {
  const { result, error } = await call(url, method, params);
  if (error !== undefined) throw new Error(`${method}: ${JSON.stringify(error)}`);
  return result;
}

/** Everything that grows when a node keeps something. */
export async function stored(node: TestNode): Promise<Record<string, string | undefined>> {
  const all = (await rpcResult(node.adminUrl, 'admin_getMetrics', ['storage_node_'])) as Record<
    string,
    string
  >;
  return Object.fromEntries(
    ['store_segments', 'ingest_stored_bytes_total', 'pool_bytes', 'files_finalized_total'].map(
      (name) => [name, all[`storage_node_${name}`]],
    ),
  );
}
