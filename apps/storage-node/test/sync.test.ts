import { rpcCall } from '@cairn/rpc';
import { patternBytes, waitFor } from '@cairn/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  finalized,
  framesOf,
  makeFile,
  seen,
  startTestNetwork,
  type TestFile,
  type TestNetwork,
} from './harness.ts';

let network: TestNetwork;
beforeAll(async () => {
  network = await startTestNetwork();
});
afterAll(() => network?.[Symbol.asyncDispose]());

type Node = Awaited<ReturnType<TestNetwork['node']>>;

async function upload(node: Node, file: TestFile): Promise<number> {
  const seq = await network.submit(file);
  await seen(node.client, seq);
  const frames = framesOf(file);
  for (let at = 0; at < frames.length; at += 16)
    await node.client.uploadFrames(
      file.tree.root,
      { fileSize: file.bytes.length, txSeq: seq },
      frames.slice(at, at + 16),
    );
  await finalized(node.client, seq);
  return seq;
}

const adminOf = <T>(node: Node, method: string, params: unknown[] = []): Promise<T> =>
  rpcCall<T>(node.adminUrl, method, params);
const connected = (node: Node, count: number): Promise<unknown> =>
  waitFor(async () => (await node.client.getStatus()).connectedPeers >= count, {
    timeoutMs: 10_000,
    what: `${count} peers`,
  });

describe('nodes with peers', () => {
  it('a joining node catches up, shard by shard, and says who it knows', async () => {
    const first = await network.node({ bootNodes: [] });
    const files = [
      makeFile(patternBytes(262_144 * 21 + 77, 1)),
      makeFile(patternBytes(100, 2)),
      makeFile(patternBytes(262_144 * 4, 3)),
    ];
    const seqs: number[] = [];
    for (const file of files) seqs.push(await upload(first, file));
    const full = await network.node({ bootNodes: first.p2pAddresses });
    const half = await network.node({ bootNodes: first.p2pAddresses, shard: '1/2' });
    for (const node of [full, half]) for (const seq of seqs) await finalized(node.client, seq);
    const frames = await full.client.downloadFrames(seqs[0]!, { index: 6, count: 16 });
    expect(frames).toEqual(framesOf(files[0]!).slice(6, 22));
    await connected(first, 2);

    const info = await adminOf<{ peerId: string; connectedPeers: number }>(
      first,
      'admin_getNetworkInfo',
    );
    expect(info.connectedPeers).toBe(2);
    const peers = await adminOf<Record<string, { seenIps: string[]; client: { agent: string } }>>(
      full,
      'admin_getPeers',
    );
    expect(peers[info.peerId]).toMatchObject({
      seenIps: ['127.0.0.1'],
      connectionStatus: { status: 'connected' },
      client: { agent: expect.stringContaining('cairn/') },
    });
    expect(await adminOf(full, 'admin_getSyncStatus', [seqs[0]])).toBe('Completed');
    expect(await adminOf(first, 'admin_getSyncServiceState')).toMatchObject({ numSyncing: 0 });

    // What is uploaded from now on arrives by itself, and its place is known.
    const late = makeFile(patternBytes(600_000, 4));
    const lateSeq = await upload(full, late);
    await finalized(first.client, lateSeq);
    await finalized(half.client, lateSeq);
    const location = await waitFor(
      async () => {
        const found = await adminOf<unknown[] | null>(first, 'admin_getFileLocation', [
          lateSeq,
          true,
        ]);
        return found ?? undefined;
      },
      { timeoutMs: 10_000, what: 'the location' },
    );
    expect(location).toContainEqual({
      ip: '127.0.0.1',
      shardConfig: { shardId: 0, numShard: 1 },
    });
    await expect(adminOf(first, 'admin_getFileLocation', [999, false])).rejects.toThrow();
    for (const node of [first, full, half]) await node.stop();
  });
});
