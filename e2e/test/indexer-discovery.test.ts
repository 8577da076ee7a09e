// An indexer that trusts one node and finds the others through it.
import { join } from 'node:path';
import { createIndexerClient, createNodeClient, rpcCall } from '@cairn/rpc';
import { bytesSource, createStorageClient } from '@cairn/sdk';
import {
  freePort,
  patternBytes,
  peerFlags,
  startIndexer,
  startStorageNode,
  startTestChain,
  type TestChain,
  type TestProcess,
  temporaryFolder,
  waitFor,
} from '@cairn/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';

const stack = new AsyncDisposableStack();
let chain: TestChain;
let dir: string;
beforeAll(async () => {
  chain = stack.use(await startTestChain());
  dir = stack.use(await temporaryFolder('cairn-discovery-')).path;
});
afterAll(() => stack.disposeAsync());

async function startNode(
  name: string,
  boot: readonly string[],
  extra: readonly string[],
): Promise<TestProcess> {
  const node = await startStorageNode(chain, join(dir, name), [...peerFlags(boot), ...extra]);
  stack.defer(() => node.stop('SIGKILL'));
  return node;
}

it('finds nodes through peers, and files that the trusted node does not hold', async () => {
  const port = await freePort();
  const trusted = await startNode('trusted', [], ['--shard', '0/2']);
  const boot = (trusted.ready.p2pAddresses as string[])[0]!;
  const other = await startNode('other', [boot], ['--rpc-port', String(port)]);
  const otherUrl = String(other.ready.url);
  const indexer = stack.use(
    await startIndexer(
      [String(trusted.ready.url)],
      [
        ...['--discovery-node', String(trusted.ready.adminUrl)],
        ...['--discovery-ports', String(port)],
        ...['--discovery-interval-seconds', '1'],
        '--allow-private-addresses',
      ],
    ),
  );
  const url = String(indexer.ready.url);
  const found = await waitFor(
    async () => {
      const { discovered } = await createIndexerClient(url).getShardedNodes();
      return discovered[0];
    },
    { timeoutMs: 20_000, what: 'the other node' },
  );
  expect(found).toMatchObject({ url: otherUrl, config: { shardId: 0, numShard: 1 } });
  expect(found.since).toBeGreaterThan(1_700_000_000);

  const client = await createStorageClient({
    rpcUrl: chain.rpcUrl,
    privateKey: chain.accounts[1]!.privateKey,
    nodeUrls: [otherUrl],
  });
  const { root, txSeq } = await client.upload(bytesSource(patternBytes(800_000, 9)), {
    replicas: 1,
  });
  // The trusted node keeps half of it, so the file is whole only together with the discovered one.
  const half = createNodeClient(String(trusted.ready.url));
  await waitFor(async () => (await half.getFileInfoByTxSeq(txSeq!))?.finalized, {
    timeoutMs: 20_000,
    what: 'the half',
  });
  const locations = await waitFor(
    async () =>
      (await rpcCall<{ url: string }[] | null>(url, 'indexer_getFileLocations', [root])) ??
      undefined,
    { timeoutMs: 20_000, what: 'the locations' },
  );
  expect(locations.map((location) => location.url)).toContain(otherUrl);

  await other.stop('SIGKILL');
  await waitFor(
    async () => (await createIndexerClient(url).getShardedNodes()).discovered.length === 0,
    { timeoutMs: 20_000, what: 'the dead node forgotten' },
  );
});
