// A chain and storage nodes of a test's own: real processes that the test may kill, without a supervisor over them.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createStorageClient, type StorageClient } from '@cairn/sdk';
import {
  startStorageNode,
  startTestChain,
  type TestChain,
  type TestProcess,
  temporaryFolder,
} from '@cairn/testkit';

export type TestNode = { url: string; process: TestProcess; dataDir: string; flags: string[] };
export type TestNetwork = AsyncDisposable & {
  dir: string;
  chain: TestChain;
  nodes: TestNode[];
  /** File with the key of a funded account. */
  keyFile: string;
  client(urls?: readonly string[]): Promise<StorageClient>;
  /** Starts a node again on its data and its port. */
  restart(index: number): Promise<void>;
};

/** Starts a chain and a node for each shard (`[id, count]`). */
export async function startNetwork(
  shards: readonly (readonly [number, number])[],
): Promise<TestNetwork> {
  await using stack = new AsyncDisposableStack();
  const dir = stack.use(await temporaryFolder('cairn-e2e-')).path;
  const chain = stack.use(await startTestChain());
  const nodes = await Promise.all(
    shards.map(async ([shardId, numShard], i): Promise<TestNode> => {
      const dataDir = join(dir, `node-${i}`);
      const flags = ['--shard', `${shardId}/${numShard}`];
      const process = await startStorageNode(chain, dataDir, flags);
      return { url: String(process.ready.url), process, dataDir, flags };
    }),
  );
  stack.defer(async () => {
    await Promise.all(nodes.map((node) => node.process.stop()));
  });
  const keyFile = join(dir, 'account.key');
  const { privateKey } = chain.accounts[1]!;
  writeFileSync(keyFile, `${privateKey}\n`, { mode: 0o600 });
  const owned = stack.move();
  return {
    dir,
    chain,
    nodes,
    keyFile,
    client: (urls) =>
      createStorageClient({
        rpcUrl: chain.rpcUrl,
        privateKey,
        nodeUrls: urls ?? nodes.map((node) => node.url),
      }),
    async restart(index) {
      const node = nodes[index]!;
      const { port } = new URL(node.url);
      node.process = await startStorageNode(chain, node.dataDir, [
        ...node.flags,
        '--rpc-port',
        port,
      ]);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
