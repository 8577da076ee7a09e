// Erasure-coded files over real nodes that know each other: read with half of them killed, rebuilt on fresh ones.
import { join } from 'node:path';
import { bytesToHex, type DataRoot } from '@cairn/base';
import { encodeParityDescriptor } from '@cairn/erasure';
import { createNodeClient, rpcCall } from '@cairn/rpc';
import { BytesSink, bytesSource, createStorageClient, type StorageClient } from '@cairn/sdk';
import {
  faultCount,
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
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startFaultyNode } from '../src/proxy.ts';

const MIB = 1024 * 1024;
const SHARDS = 8;
const SIZE = Number(process.env.CAIRN_CODED_MIB ?? 16) * MIB + 12_345;

/** Which four of the eight are left: a few that differ most, or as many as the soak asks for, of all 70. */
const FOURS: number[][] = [[0, 1, 2, 3], [4, 5, 6, 7], [1, 2, 4, 7], ...subsets(SHARDS, 4)].slice(
  0,
  faultCount(3),
);

/** All ways to take `count` of [0, limit). */
function subsets(limit: number, count: number): number[][] {
  if (count === 0) return [[]];
  return Array.from({ length: limit }, (_, last) => last).flatMap((last) =>
    subsets(last, count - 1).map((rest) => [...rest, last]),
  );
}

type Node = { process: TestProcess; url: string; adminUrl: string; address: string };

describe('a coded file on eight nodes of one shard each', () => {
  const bytes = patternBytes(SIZE, 500);
  const stack = new AsyncDisposableStack();
  const nodes: Node[] = [];
  let chain: TestChain;
  let folder: string;
  let root: string;
  let seqs: number[];

  async function start(
    shardId: number,
    name: string,
    boot: readonly Node[],
    extra: readonly string[] = [],
  ): Promise<Node> {
    const process = await startStorageNode(chain, join(folder, name), [
      ...peerFlags(boot.map(({ address }) => address)),
      ...['--shard', `${shardId}/${SHARDS}`],
      ...['--repair-delay-seconds', '1', '--hash-threads', '1'],
      // Who comes last finds most fragments rebuilt by the others, and may wait for more losses: not for hours here.
      ...['--repair-lazy-seconds', '5'],
      // A machine that runs all of these at once is slow, not silent.
      ...['--peer-idle-ms', '30000'],
      ...extra,
    ]);
    stack.defer(() => process.stop('SIGKILL'));
    const { url, adminUrl, p2pAddresses } = process.ready;
    const [address] = p2pAddresses as string[];
    return { process, url: String(url), adminUrl: String(adminUrl), address: address ?? '' };
  }
  const clientOf = (some: readonly Node[]): Promise<StorageClient> =>
    createStorageClient({
      rpcUrl: chain.rpcUrl,
      privateKey: chain.accounts[1]!.privateKey,
      nodeUrls: some.map(({ url }) => url),
    });
  async function read(some: readonly Node[], range?: { start: number; end: number }) {
    const { start: from, end } = range ?? { start: 0, end: bytes.length };
    const sink = new BytesSink(end - from, from);
    const result = await (await clientOf(some)).download(root, sink, { range });
    expect(Buffer.from(bytes.subarray(from, end)).equals(sink.bytes)).toBe(true);
    return result;
  }
  const isSeen = async ({ url }: Node): Promise<boolean> =>
    (await createNodeClient(url).getStatus()).nextTxSeq > seqs[1]!;
  const isWhole = async ({ url }: Node): Promise<boolean> => {
    const client = createNodeClient(url);
    const infos = await Promise.all(seqs.map((seq) => client.getFileInfoByTxSeq(seq)));
    return infos.every((info) => info?.finalized);
  };
  async function metric({ adminUrl }: Node, name: string): Promise<number> {
    const values = await rpcCall<Record<string, string>>(adminUrl, 'admin_getMetrics', [name]);
    return Object.values(values).reduce((sum, value) => sum + Number(value.split(' ').at(-1)), 0);
  }

  beforeAll(async () => {
    chain = stack.use(await startTestChain());
    folder = stack.use(await temporaryFolder('cairn-coded-')).path;
    nodes.push(await start(0, 'node-0', []));
    const others = [1, 2, 3, 4, 5, 6, 7].map((id) => start(id, `node-${id}`, nodes));
    nodes.push(...(await Promise.all(others)));
    const client = await clientOf(nodes);
    const { parts } = await client.uploadStream(bytesSource(bytes), { code: 32 });
    const [stored] = parts;
    root = stored!.root;
    seqs = [stored!.txSeq, stored!.parity!.txSeq];
    expect(seqs[1]).toBe(seqs[0]! + 1);
  }, 240_000);
  afterAll(() => stack.disposeAsync());

  it.each(FOURS.map((ids) => [ids]))('reads back from nodes %j alone', async (ids) => {
    const result = await read(ids.map((id) => nodes[id]!));
    expect(result.rebuiltSegments).toBeGreaterThan(20);
  });

  it('a range of it reads only what it needs', async () => {
    const range = { start: 5 * MIB + 1, end: 6 * MIB };
    const result = await read(
      [0, 3, 5, 6].map((id) => nodes[id]!),
      range,
    );
    expect(result.bytes).toBe(range.end - range.start);
    expect(result.rebuiltSegments).toBeLessThanOrEqual(4);
  });

  it('says how much of it is left', async () => {
    const whole = await (await clientOf(nodes)).health(root);
    expect(whole).toMatchObject({ lostSegments: 0, copiesMin: 1 });
    expect(whole.coded).toMatchObject({ code: 32, fragmentsMin: 32, lostStripes: 0 });
    const few = await (await clientOf([0, 1, 2, 3, 4].map((id) => nodes[id]!))).health(root);
    expect(few.coded).toMatchObject({ fragmentsMin: 20, lostStripes: 0 });
    expect(few.nodes.map(({ held, required }) => required - held)).toEqual([0, 0, 0, 0, 0]);
  });

  it('three of eight are too few, and are said to be', async () => {
    const failing = read([0, 1, 2].map((id) => nodes[id]!));
    await expect(failing).rejects.toMatchObject({ code: 'SDK_UNAVAILABLE' });
  });

  it.each(['lies', 'cuts'] as const)(
    'a node that %s during a degraded read is dropped, and others take its part',
    async (fault) => {
      const four = [0, 1, 2, 3].map((id) => nodes[id]!);
      await using faulty = await startFaultyNode(nodes[6]!.url, fault);
      const result = await read([...four, { ...nodes[6]!, url: faulty.url }]);
      expect(faulty.spoiled).toBeGreaterThan(0);
      const urls = new Set(result.dropped.map(({ url }) => url));
      expect([...urls]).toEqual([faulty.url]);
    },
  );

  it('the gateway serves it from four nodes', async () => {
    const urls = [0, 2, 5, 7].map((id) => nodes[id]!.url);
    await using indexer = await startIndexer(urls);
    const answer = await fetch(`${String(indexer.ready.url)}/file/${root}`);
    expect(answer.status).toBe(200);
    expect(Buffer.from(await answer.arrayBuffer()).equals(bytes)).toBe(true);
  });

  it('parity that is of another file is found out, and the true one is used when it comes', async () => {
    const other = patternBytes(8 * MIB, 501);
    const client = await clientOf(nodes);
    const data = await client.upload(bytesSource(other), { replicas: 1 });
    const descriptor = encodeParityDescriptor({
      dataRoot: data.root as DataRoot,
      dataBytes: other.length,
      code: 32,
      checkRoot: new Uint8Array(32),
    });
    const tags = bytesToHex(descriptor);
    const false_ = patternBytes(8 * MIB, 502);
    const lie = await client.upload(bytesSource(false_), { replicas: 1, tags });
    const half = await clientOf([1, 3, 5, 7].map((id) => nodes[id]!));
    const sink = new BytesSink(other.length);
    await expect(half.download(data.root, sink)).rejects.toMatchObject({ code: 'SDK_UNAVAILABLE' });
    await client.uploadStream(bytesSource(other), { code: 32 });
    const result = await half.download(data.root, sink);
    expect(Buffer.from(other).equals(sink.bytes)).toBe(true);
    expect(result.dropped.map(({ url }) => url)).toEqual([lie.root]);
  });

  it('is rebuilt on four fresh nodes when four are gone, one of them killed in the middle of it', async () => {
    const left = nodes.slice(0, 4);
    for (const { process } of nodes.slice(4)) await process.stop('SIGKILL');
    const fresh = await Promise.all([4, 5, 6, 7].map((id) => start(id, `fresh-${id}`, left)));
    const [victim] = fresh as [Node];
    await waitFor(
      async () => (await metric(victim, 'storage_node_repair_rebuilt_segments_total')) > 0,
      {
        timeoutMs: 120_000,
        what: 'the first segments rebuilt',
      },
    );
    await victim.process.stop('SIGKILL');
    fresh[0] = await start(4, 'fresh-4', left);
    for (const node of fresh)
      await waitFor(() => isWhole(node), {
        timeoutMs: 120_000,
        what: `shard ${node.process.ready.shardId} whole`,
      });
    // Now what was rebuilt is all there is: the fresh nodes serve it as their own, and with proofs.
    for (const { process } of left) await process.stop('SIGKILL');
    const result = await read(fresh);
    expect(result.rebuiltSegments).toBeGreaterThan(20);
    expect(result.dropped).toEqual([]);

    // And from outside: four more empty ones, which know no peers, are given what they lack.
    const empty = await Promise.all(
      [0, 1, 2, 3].map((id) => start(id, `empty-${id}`, [], ['--no-p2p'])),
    );
    for (const node of empty)
      await waitFor(() => isSeen(node), { timeoutMs: 60_000, what: 'the log' });
    const client = await clientOf([...fresh, ...empty]);
    const repaired = await client.repair(root);
    expect(repaired).toMatchObject({ failedStripes: 0, copiedSegments: 0 });
    const rebuiltBytes = repaired.sentBytes;
    expect(repaired.readBytes / rebuiltBytes).toBeLessThanOrEqual(1.1);
    for (const node of empty)
      await waitFor(() => isWhole(node), { timeoutMs: 60_000, what: `${node.url} whole` });
    expect((await client.health(root)).coded).toMatchObject({ fragmentsMin: 32 });
    expect((await read([...fresh, ...empty])).rebuiltSegments).toBe(0);
    expect(await client.repair(root)).toMatchObject({ readBytes: 0, sentBytes: 0 });
  }, 300_000);
});
