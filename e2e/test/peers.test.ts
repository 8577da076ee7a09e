// Nodes as processes that know each other: joining, being killed, lies, silence, rot. Real sockets, real disks.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createNodeClient, type NodeClient, rpcCall } from '@cairn/rpc';
import { BytesSink, bytesSource, createStorageClient } from '@cairn/sdk';
import {
  patternBytes,
  peerFlags,
  startStorageNode,
  startTestChain,
  type TestChain,
  type TestProcess,
  temporaryFolder,
  waitFor,
} from '@cairn/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startFalsePeer } from '../src/false-peer.ts';

const MIB = 1024 * 1024;
const SEGMENT = 262_144;

let chain: TestChain;
let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let origin: Node;
const stack = new AsyncDisposableStack();
beforeAll(async () => {
  chain = stack.use(await startTestChain());
  folder = stack.use(await temporaryFolder('cairn-peers-'));
  origin = await startNode([], { name: 'origin' });
});
afterAll(() => stack.disposeAsync());

type Node = {
  process: TestProcess;
  client: NodeClient;
  adminUrl: string;
  address: string;
  dir: string;
};

let count = 0;
async function startNode(
  bootNodes: readonly string[],
  options: { name?: string; dir?: string; extra?: readonly string[] } = {},
): Promise<Node> {
  const dir = options.dir ?? join(folder.path, options.name ?? `node-${count++}`);
  const process = await startStorageNode(chain, dir, [
    ...peerFlags(bootNodes),
    ...['--peer-idle-ms', '1000'],
    ...(options.extra ?? []),
  ]);
  stack.defer(() => process.stop('SIGKILL'));
  return {
    process,
    dir,
    client: createNodeClient(String(process.ready.url)),
    adminUrl: String(process.ready.adminUrl),
    address: (process.ready.p2pAddresses as string[])[0]!,
  };
}

async function put(bytes: Uint8Array, node: Node): Promise<{ root: string; txSeq: number }> {
  const client = await createStorageClient({
    rpcUrl: chain.rpcUrl,
    privateKey: chain.accounts[1]!.privateKey,
    nodeUrls: [node.client.url],
  });
  const { root, txSeq } = await client.upload(bytesSource(bytes), { replicas: 1 });
  return { root, txSeq: txSeq! };
}

/** Reads the file from this node alone, verified. */
async function get(root: string, size: number, node: Node): Promise<Uint8Array> {
  const client = await createStorageClient({
    rpcUrl: chain.rpcUrl,
    nodeUrls: [node.client.url],
  });
  const sink = new BytesSink(size);
  await client.download(root as never, sink);
  return sink.bytes;
}

const isFinalized = (node: Node, seq: number): Promise<unknown> =>
  waitFor(async () => (await node.client.getFileInfoByTxSeq(seq))?.finalized, {
    timeoutMs: 60_000,
    what: `submission ${seq} finalized`,
  });
/** The number in a metric; 0 while it is not there. */
async function metric(node: Node, name: string): Promise<number> {
  const values = await rpcCall<Record<string, string>>(node.adminUrl, 'admin_getMetrics', [name]);
  return Object.values(values).reduce((sum, value) => sum + Number(value.split(' ').at(-1)), 0);
}
const stored = (node: Node): Promise<number> => metric(node, 'storage_node_store_segments');

describe('a joining node', () => {
  it('catches up with what was stored before it came; killed in the middle it goes on where it was', async () => {
    const bytes = patternBytes(24 * MIB + 777, 1);
    const small = patternBytes(900, 2);
    const { root, txSeq } = await put(bytes, origin);
    const tiny = await put(small, origin);
    const slow = ['--sync-bytes-per-second', String(6 * MIB)];
    const first = await startNode([origin.address], { name: 'joining', extra: slow });
    const before = await waitFor(
      async () => {
        const segments = await stored(first);
        return segments >= 12 ? segments : undefined;
      },
      { timeoutMs: 30_000, what: 'the first segments' },
    );
    await first.process.stop('SIGKILL');
    expect(before).toBeLessThan(97);
    const again = await startNode([origin.address], { dir: first.dir });
    const atStart = await stored(again);
    expect(atStart).toBeGreaterThanOrEqual(before);
    await isFinalized(again, txSeq);
    await isFinalized(again, tiny.txSeq);
    const fetched = await metric(again, 'storage_node_sync_fetched_bytes_total');
    expect(fetched).toBeLessThanOrEqual(
      bytes.length + small.length + 512 - (atStart - 1) * SEGMENT,
    );
    expect(Buffer.from(bytes).equals(await get(root, bytes.length, again))).toBe(true);
    expect(Buffer.from(small).equals(await get(tiny.root, small.length, again))).toBe(true);
    await again.process.stop();
  });
});

describe('a node under a limit', () => {
  it('halves its shard until it fits, says so, and doubles it again when there is room', async () => {
    const bytes = patternBytes(16 * MIB, 3);
    const { root, txSeq } = await put(bytes, origin);
    const limited = ['--max-segments', '40', '--keep-interval-ms', '100'];
    const node = await startNode([origin.address], { name: 'limited', extra: limited });
    await isFinalized(node, txSeq);
    const shard = await waitFor(
      async () => {
        const config = await node.client.getShardConfig();
        const isSettled = (await stored(node)) < 36 && config.numShard > 1;
        return isSettled ? config : undefined;
      },
      { timeoutMs: 30_000, what: 'a smaller shard' },
    );
    expect(shard.numShard).toBeGreaterThanOrEqual(2);
    await node.process.stop('SIGKILL');
    const roomy = ['--max-segments', '4000', '--keep-interval-ms', '100'];
    const again = await startNode([origin.address], { dir: node.dir, extra: roomy });
    await waitFor(async () => (await again.client.getShardConfig()).numShard === 1, {
      timeoutMs: 60_000,
      what: 'the whole flow again',
    });
    expect((await again.client.getFileInfoByTxSeq(txSeq))?.finalized).toBe(true);
    expect(Buffer.from(bytes).equals(await get(root, bytes.length, again))).toBe(true);
    await again.process.stop();
  });
});

describe('false peers', () => {
  it.each(['lies', 'is silent'] as const)(
    'one that %s: the file comes from the honest one',
    async (fault) => {
      const bytes = patternBytes(12 * MIB + 3, fault === 'lies' ? 10 : 11);
      const { root, txSeq } = await put(bytes, origin);
      await using peer = await startFalsePeer(fault, origin.client);
      // The false one first and alone, so that it is certainly asked; then an honest one comes.
      const node = await startNode([peer.address]);
      await waitFor(() => peer.asked() > 0, { timeoutMs: 30_000, what: 'the false peer asked' });
      if (fault === 'lies') {
        await waitFor(() => peer.connections() === 0, { timeoutMs: 10_000, what: 'the cut' });
        expect(await metric(node, 'storage_node_p2p_cut_off_total')).toBe(1);
        expect(await stored(node)).toBe(0);
        const peers = await rpcCall<Record<string, { connectionStatus: { status: string } }>>(
          node.adminUrl,
          'admin_getPeers',
          [],
        );
        expect(peers[peer.peerId]?.connectionStatus.status).toBe('banned');
      }
      await node.process.stop();
      const both = await startNode([peer.address, origin.address], { dir: node.dir });
      await isFinalized(both, txSeq);
      expect(Buffer.from(bytes).equals(await get(root, bytes.length, both))).toBe(true);
      await both.process.stop();
    },
  );
});

describe('bit rot', () => {
  it('is found by the scrub, taken out, and healed from a peer', async () => {
    const bytes = patternBytes(6 * MIB, 20);
    const { root, txSeq } = await put(bytes, origin);
    const node = await startNode([origin.address], { name: 'rotting' });
    await isFinalized(node, txSeq);
    await node.process.stop();
    const volumes = readdirSync(join(node.dir, 'volumes'));
    expect(volumes.length).toBeGreaterThan(0);
    let flips = 0;
    for (const name of volumes) {
      const path = join(node.dir, 'volumes', name);
      const volume = readFileSync(path);
      // One bit in each of the slots that hold something.
      for (let at = 100; at < volume.length; at += SEGMENT) {
        if (volume.subarray(at - 100, at + 1000).every((byte) => byte === 0)) continue;
        volume[at]! ^= 1 << (flips % 8);
        flips++;
      }
      writeFileSync(path, volume);
    }
    expect(flips).toBeGreaterThanOrEqual(24);
    expect(existsSync(join(node.dir, 'peer.key'))).toBe(true);
    const again = await startNode([origin.address], {
      dir: node.dir,
      extra: ['--scrub-bytes-per-second', String(64 * MIB)],
    });
    await waitFor(
      async () => (await metric(again, 'storage_node_scrub_damaged_segments_total')) >= flips,
      { timeoutMs: 60_000, what: 'all damage found' },
    );
    await isFinalized(again, txSeq);
    expect(Buffer.from(bytes).equals(await get(root, bytes.length, again))).toBe(true);
    await again.process.stop();
  });
});
