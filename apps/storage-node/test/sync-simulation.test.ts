// Sync over a simulated network: loss, delay, lies, silence, partitions. A failing run names the seed that repeats it.
import { faultSeeds, patternBytes } from '@cairn/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { placeSegment } from '../src/ingest/files.ts';
import { makeFile } from './harness.ts';
import { type SimulatedNode, Simulation } from './simulation.ts';

const SEGMENT = 262_144;
const FULL = { shardId: 0, numShard: 1 };
let simulation: Simulation;
afterEach(() => simulation?.stop());

const files = [SEGMENT * 20 + 5, 300, SEGMENT * 3, SEGMENT * 9 - 1].map((size, i) =>
  makeFile(patternBytes(size, 40 + i)),
);

/** A log with all files, each uploaded to the nodes that are given. */
async function uploadAll(nodes: readonly SimulatedNode[]): Promise<number[]> {
  const seqs = files.map((file) => simulation.submit(file));
  for (const node of nodes)
    for (const [i, seq] of seqs.entries()) await simulation.clock.run(node.upload(files[i]!, seq));
  return seqs;
}
const hasAll =
  (node: SimulatedNode, seqs: readonly number[]): (() => boolean) =>
  () =>
    seqs.every((seq) => node.isFinalized(seq));

async function expectBytes(node: SimulatedNode, seq: number): Promise<void> {
  const file = files[seq]!;
  const entry = node.database.submissions.bySeq(seq)!;
  for (const index of node.files.required(entry)) {
    const frame = await node.reader.segment(entry, index);
    const from = index * SEGMENT;
    const bytes = file.bytes.subarray(from, Math.min(from + SEGMENT, file.bytes.length));
    expect(Buffer.from(frame!.data.subarray(0, bytes.length)).equals(bytes)).toBe(true);
  }
}

describe.each(faultSeeds(2))('seed %i', (seed) => {
  it('loss, delay and cut answers: a joining node has everything in the end, from shards and whole nodes', async () => {
    simulation = new Simulation(seed, {
      delayMsMin: 1,
      delayMsMax: 200,
      lossRate: 0.04,
      cutRate: 0.04,
    });
    const holders = [
      await simulation.node({ shardId: 0, numShard: 2 }, '/a'),
      await simulation.node({ shardId: 1, numShard: 2 }, '/b'),
      await simulation.node({ shardId: 3, numShard: 4 }, '/c'),
    ];
    const seqs = await uploadAll(holders);
    const joining = await simulation.node(FULL, '/d');
    for (const holder of holders) await simulation.clock.run(joining.connect(holder));
    await simulation.until(hasAll(joining, seqs));
    for (const seq of seqs) await expectBytes(joining, seq);
    for (const { network } of holders)
      expect(joining.peers.book.isBanned(network.peerId)).toBe(false);
  });

  it('liars are cut off and what they said is not stored; the file comes from the honest one', async () => {
    simulation = new Simulation(seed, { delayMsMin: 1, delayMsMax: 20 });
    const nodes: SimulatedNode[] = [];
    for (let i = 0; i < 4; i++) nodes.push(await simulation.node(FULL, `/${i}`));
    const [honest, ...liars] = nodes as [SimulatedNode, ...SimulatedNode[]];
    const seqs = await uploadAll(nodes);
    for (const liar of liars)
      simulation.hub.liars.set(liar.network.peerId, (protocol, answer) => {
        if (protocol === '/cairn/segments/1' && answer.length > 0)
          answer[answer.length - 1 - (seed % 200)]! ^= 1;
        return answer;
      });
    const joining = await simulation.node({ shardId: 1, numShard: 2 }, '/j');
    for (const node of nodes) await simulation.clock.run(joining.connect(node));
    await simulation.until(hasAll(joining, seqs));
    for (const seq of seqs) await expectBytes(joining, seq);
    const { book } = joining.peers;
    expect(book.isBanned(honest.network.peerId)).toBe(false);
    // A liar that was never asked is not known to be one; at least one was, or this tests nothing.
    expect(liars.some(({ network }) => book.isBanned(network.peerId))).toBe(true);
    for (const { network } of liars)
      if (book.isBanned(network.peerId))
        expect(joining.network.connections().map(({ peer }) => peer)).not.toContain(network.peerId);
  });

  it('liars alone bring nothing', async () => {
    simulation = new Simulation(seed);
    const liar = await simulation.node(FULL, '/l');
    const seqs = await uploadAll([liar]);
    simulation.hub.liars.set(liar.network.peerId, (protocol, answer) => {
      if (protocol === '/cairn/segments/1') answer[answer.length >> 1]! ^= 255;
      return answer;
    });
    const joining = await simulation.node(FULL, '/j');
    await simulation.clock.run(joining.connect(liar));
    await simulation.until(() => joining.peers.book.isBanned(liar.network.peerId));
    expect(joining.segments.stats().segments).toBe(0);
    expect(seqs.some((seq) => joining.isFinalized(seq))).toBe(false);
  });

  it('silent peers cost their time once, not the file', async () => {
    simulation = new Simulation(seed, { delayMsMin: 1, delayMsMax: 5 });
    const nodes: SimulatedNode[] = [];
    for (let i = 0; i < 3; i++) nodes.push(await simulation.node(FULL, `/${i}`));
    const seqs = await uploadAll(nodes);
    const joining = await simulation.node(FULL, '/j');
    for (const node of nodes) await simulation.clock.run(joining.connect(node));
    // They greet and say what they have, then fall silent.
    await simulation.until(() => joining.peers.book.ready().length === 3);
    for (const node of nodes.slice(1)) simulation.hub.silent.add(node.network.peerId);
    const started = simulation.clock.monotonic();
    await simulation.until(hasAll(joining, seqs));
    expect(simulation.clock.monotonic() - started).toBeLessThan(40_000);
    for (const seq of seqs) await expectBytes(joining, seq);
  });

  it('a partition in the middle only delays', async () => {
    simulation = new Simulation(seed, { delayMsMin: 400, delayMsMax: 800 });
    const holder = await simulation.node(FULL, '/h');
    const seqs = await uploadAll([holder]);
    const joining = await simulation.node(FULL, '/j');
    await simulation.clock.run(joining.connect(holder));
    await simulation.until(() => joining.segments.stats().segments > 3);
    const [a, b] = [joining.network.peerId, holder.network.peerId];
    await simulation.clock.run(simulation.hub.partition(a, b, true));
    await simulation.clock.run(simulation.clock.sleep(120_000));
    expect(hasAll(joining, seqs)()).toBe(false);
    const before = joining.segments.stats().segments;
    expect(before).toBeGreaterThan(0);
    await simulation.hub.partition(a, b, false);
    await simulation.clock.run(joining.connect(holder));
    await simulation.until(hasAll(joining, seqs));
    for (const seq of seqs) await expectBytes(joining, seq);
  });

  it('a file that no neighbour has is found by gossip and fetched from who announced it', async () => {
    simulation = new Simulation(seed, { delayMsMin: 1, delayMsMax: 50 });
    const [holder, between] = [
      await simulation.node(FULL, '/h'),
      await simulation.node({ shardId: 0, numShard: 1024 }, '/m'),
    ];
    const seqs = await uploadAll([holder]);
    const joining = await simulation.node({ shardId: 1, numShard: 2 }, '/j');
    await simulation.clock.run(between.connect(holder));
    await simulation.clock.run(joining.connect(between));
    await simulation.until(hasAll(joining, seqs));
    expect(joining.network.connections().map(({ peer }) => peer)).toContain(holder.network.peerId);
    for (const seq of seqs) await expectBytes(joining, seq);
  });
});

describe('a shard that changes', () => {
  it('is known to every peer after the next greeting, and nobody is asked for what it gave up', async () => {
    simulation = new Simulation(6, { delayMsMin: 1, delayMsMax: 20 });
    const [one, two] = [await simulation.node(FULL, '/a'), await simulation.node(FULL, '/b')];
    const seqs = await uploadAll([one, two]);
    const joining = await simulation.node({ shardId: 0, numShard: 1024 }, '/c');
    for (const holder of [one, two]) await simulation.clock.run(joining.connect(holder));
    await simulation.until(() => joining.peers.book.ready().length === 2);
    const half = { shardId: 1, numShard: 2 };
    Object.assign(one.shards, { current: half, wanted: half });
    await simulation.clock.run(one.peers.refresh());
    expect(joining.peers.book.get(one.network.peerId)?.status?.shard).toEqual(half);
    const entry = joining.database.submissions.bySeq(seqs[0]!)!;
    await simulation.clock.run(joining.sync.widen(entry, new AbortController().signal));
    for (const index of joining.files.required(entry))
      expect(joining.files.has(entry, index)).toBe(true);
  });
});

describe('the rate of sync', () => {
  it('is what the setting says, over all files and peers, by the clock that is injected', async () => {
    simulation = new Simulation(5, { delayMsMin: 1, delayMsMax: 20 });
    const holders = [
      await simulation.node(FULL, '/a'),
      await simulation.node({ shardId: 0, numShard: 2 }, '/b'),
      await simulation.node({ shardId: 1, numShard: 2 }, '/c'),
    ];
    const seqs = await uploadAll(holders);
    const total = files.reduce((sum, { bytes }) => sum + Math.ceil(bytes.length / 256) * 256, 0);
    const rate = 2 * SEGMENT;
    const joining = await simulation.node(FULL, '/d', { syncBytesPerSecond: rate });
    for (const holder of holders) await simulation.clock.run(joining.connect(holder));
    const started = simulation.clock.monotonic();
    const isDone = hasAll(joining, seqs);
    let most = 0;
    await simulation.until(() => {
      const seconds = (simulation.clock.monotonic() - started) / 1000;
      most = Math.max(most, joining.fetched.bytes - seconds * rate);
      return isDone();
    });
    // A bucket holds one second; what is larger is taken as debt, so at most one request (8 segments) is ahead of the rate.
    expect(most).toBeLessThanOrEqual(8 * SEGMENT);
    const seconds = (simulation.clock.monotonic() - started) / 1000;
    expect(seconds).toBeGreaterThan((total - 8 * SEGMENT) / rate - 1);
    // And not far below it either: looking for holders and quiet files take a few seconds.
    expect(seconds).toBeLessThan(total / rate + 15);
    expect(joining.fetched.bytes).toBe(total);
  });
});

describe('scrub', () => {
  it('every flipped bit is found, never served, and healed from a peer', async () => {
    simulation = new Simulation(7);
    const [rotten, healthy] = [
      await simulation.node(FULL, '/r'),
      await simulation.node(FULL, '/h'),
    ];
    const seqs = await uploadAll([rotten, healthy]);
    const volumes = rotten.disk.paths();
    expect(volumes.length).toBeGreaterThan(30);
    for (const [i, path] of volumes.entries()) rotten.disk.flipBit(path, (i * 7919) % 200_000);
    await simulation.clock.run(rotten.connect(healthy));
    rotten.scrubber.start();
    await simulation.clock.run(rotten.scrubber.trigger());
    await simulation.until(hasAll(rotten, seqs));
    for (const seq of seqs) await expectBytes(rotten, seq);
    const { quarantined } = rotten.segments.stats();
    expect(quarantined).toBeGreaterThan(30);
  });

  it('a read that meets damage serves nothing and sets off the repair by itself', async () => {
    simulation = new Simulation(8);
    const [rotten, healthy] = [
      await simulation.node(FULL, '/r'),
      await simulation.node(FULL, '/h'),
    ];
    const seqs = await uploadAll([rotten, healthy]);
    rotten.disk.flipBit(rotten.disk.paths()[5]!, 100_000);
    const entry = rotten.database.submissions.bySeq(0)!;
    const found: number[] = [];
    for (const index of rotten.files.required(entry))
      if (!(await rotten.reader.segment(entry, index))) found.push(index);
    expect(found.length).toBe(1);
    await simulation.until(() => !rotten.isFinalized(0));
    await simulation.clock.run(rotten.connect(healthy));
    await simulation.until(hasAll(rotten, seqs));
    await expectBytes(rotten, 0);
  });

  it('bytes that are whole and wrong are found by the root', async () => {
    simulation = new Simulation(9);
    const [rotten, healthy] = [
      await simulation.node(FULL, '/r'),
      await simulation.node(FULL, '/h'),
    ];
    const seqs = await uploadAll([rotten, healthy]);
    // Two segments change places, checksums and all: only the root can tell.
    const entry = rotten.database.submissions.bySeq(0)!;
    const [a, b] = [placeSegment(entry, 4), placeSegment(entry, 9)];
    const read = async (at: typeof a): Promise<Uint8Array> =>
      (await rotten.segments.read(at.segmentIndex, at.startSector, at.endSector))!;
    const [first, second] = [await read(a), await read(b)];
    await rotten.segments.remove([a, b]);
    await rotten.segments.write([
      { segmentIndex: a.segmentIndex, startSector: a.startSector, data: second },
      { segmentIndex: b.segmentIndex, startSector: b.startSector, data: first },
    ]);
    rotten.scrubber.start();
    await simulation.clock.run(rotten.scrubber.trigger());
    expect(rotten.isFinalized(0)).toBe(false);
    for (const index of [4, 9]) expect(await rotten.reader.segment(entry, index)).toBeUndefined();
    await simulation.clock.run(rotten.connect(healthy));
    await simulation.until(hasAll(rotten, seqs));
    for (const seq of seqs) await expectBytes(rotten, seq);
  });
});
