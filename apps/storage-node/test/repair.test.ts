// Coded repair over a simulated network: what no peer has is rebuilt, what one has is copied. A failing run names its seed.
import { bytesToHex, type Hex } from '@cairn/base';
import {
  codedFileLayout,
  encodeParityDescriptor,
  FRAGMENT_BYTES,
  parityWindows,
  type StripeCode,
  WINDOW_SEGMENTS,
} from '@cairn/erasure';
import { segmentCounts } from '@cairn/merkle';
import { patternBytes } from '@cairn/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { kernels, makeFile, type TestFile } from './harness.ts';
import { REPAIR, type SimulatedNode, Simulation } from './simulation.ts';

const SEGMENT = FRAGMENT_BYTES;
const SHARDS = 8;
type Coded = { data: TestFile; parity: TestFile; tags: Hex; code: StripeCode };

async function encode(bytes: Uint8Array, code: StripeCode): Promise<Coded> {
  const data = makeFile(bytes);
  const layout = codedFileLayout(bytes.length, code);
  const range = { start: 0, end: layout.paritySegments / WINDOW_SEGMENTS };
  const parity = await parityWindows(kernels.galois, layout, range, (index, into) => {
    into.set(bytes.subarray(index * SEGMENT, (index + 1) * SEGMENT));
  });
  const checkRoot = new Uint8Array(32);
  const dataRoot = data.tree.root;
  return {
    data,
    parity: makeFile(parity),
    tags: bytesToHex(
      encodeParityDescriptor({ dataRoot, dataBytes: bytes.length, code, checkRoot }),
    ),
    code,
  };
}
const files: Record<StripeCode, Coded> = {
  32: await encode(patternBytes(32 * SEGMENT, 1), 32),
  24: await encode(patternBytes(33 * SEGMENT + 77, 2), 24),
};

let simulation: Simulation;
afterEach(() => simulation?.stop());

const submit = ({ data, parity, tags }: Coded): [number, number] => [
  simulation.submit(data),
  simulation.submit(parity, tags),
];
/** A node of one shard, with both files when they are given. */
async function node(shardId: number, coded?: Coded, seqs: readonly number[] = [0, 1]) {
  const made = await simulation.node({ shardId, numShard: SHARDS }, `/${shardId}-${count++}`);
  if (coded) {
    await simulation.clock.run(made.upload(coded.data, seqs[0]!));
    await simulation.clock.run(made.upload(coded.parity, seqs[1]!));
  }
  return made;
}
let count = 0;
async function connectAll(nodes: readonly SimulatedNode[]): Promise<void> {
  for (const [i, one] of nodes.entries())
    for (const other of nodes.slice(0, i)) await simulation.clock.run(one.connect(other));
}
const isWhole = (one: SimulatedNode): boolean => one.isFinalized(0) && one.isFinalized(1);
async function expectBytes(one: SimulatedNode, coded: Coded): Promise<void> {
  for (const [seq, file] of [coded.data, coded.parity].entries()) {
    const entry = one.database.submissions.bySeq(seq)!;
    for (const index of one.files.required(entry)) {
      const { data } = (await one.reader.segment(entry, index))!;
      const bytes = file.bytes.subarray(index * SEGMENT, (index + 1) * SEGMENT);
      expect(Buffer.from(data.subarray(0, bytes.length)).equals(bytes)).toBe(true);
    }
  }
}
/** Segments of both files that a shard holds. */
const shareOf = ({ data, parity }: Coded, shardId: number): number =>
  [data, parity].reduce((sum, file) => {
    const { real } = segmentCounts(file.bytes.length);
    return sum + Math.ceil((real - shardId) / SHARDS);
  }, 0);

describe.each([1])('seed %i', (seed) => {
  it('four of eight nodes are replaced by empty ones: each rebuilds its part over a network that loses and delays', async () => {
    simulation = new Simulation(seed, { delayMsMin: 1, delayMsMax: 100, lossRate: 0.02 });
    const coded = files[32];
    submit(coded);
    const left = [];
    for (const id of [seed, 3, 4, 6]) left.push(await node(id, coded));
    const fresh: SimulatedNode[] = [];
    for (const id of [0, 5, 7, seed === 1 ? 2 : 1]) fresh.push(await node(id));
    await connectAll([...left, ...fresh]);
    await simulation.until(() => fresh.every(isWhole), 3_600_000);
    for (const one of fresh) await expectBytes(one, coded);
    for (const one of fresh) expect(one.repaired.segments).toBeGreaterThan(0);
  });

  it('a peer that lies about fragments is cut off, and what is rebuilt is right', async () => {
    simulation = new Simulation(seed, { delayMsMin: 1, delayMsMax: 20 });
    const coded = files[32];
    submit(coded);
    const left = [];
    for (const id of [0, 1, 2, 3, 4]) left.push(await node(id, coded));
    const liar = left[seed]!.network.peerId;
    simulation.hub.liars.set(liar, (protocol, answer) => {
      if (protocol === '/cairn/segments/1' && answer.length > 0)
        answer[answer.length - 1 - (seed % 200)]! ^= 1;
      return answer;
    });
    const fresh = await node(6);
    await connectAll([...left, fresh]);
    await simulation.until(() => isWhole(fresh), 3_600_000);
    await expectBytes(fresh, coded);
    expect(fresh.peers.book.isBanned(liar)).toBe(true);
  });
});

describe('repair', () => {
  it('of a (16,24) file with an odd window: the unused zeros come back too', async () => {
    simulation = new Simulation(7);
    const coded = files[24];
    submit(coded);
    const left = [];
    for (const id of [0, 1, 2, 3, 5, 7]) left.push(await node(id, coded));
    const fresh = await node(4);
    await connectAll([...left, fresh]);
    await simulation.until(() => isWhole(fresh), 3_600_000);
    await expectBytes(fresh, coded);
    expect(fresh.repaired.segments).toBe(shareOf(coded, 4));
  });

  it('copies what a peer still has, and reads nothing to rebuild', async () => {
    simulation = new Simulation(8);
    const coded = files[32];
    submit(coded);
    const left = [];
    for (const id of [0, 1, 2, 3]) left.push(await node(id, coded));
    const fresh = await node(2);
    await connectAll([...left, fresh]);
    await simulation.until(() => isWhole(fresh), 3_600_000);
    expect(fresh.repaired).toEqual({ bytes: 0, segments: 0, failures: 0 });
  });

  it('of two nodes that lack the same one rebuilds, and the other copies from it', async () => {
    simulation = new Simulation(9);
    const coded = files[32];
    submit(coded);
    const left = [];
    for (const id of [0, 1, 2, 3]) left.push(await node(id, coded));
    const twins = [await node(5), await node(5)];
    await connectAll([...left, ...twins]);
    await simulation.until(() => twins.every(isWhole), 3_600_000);
    const rebuilt = twins.map(({ repaired }) => repaired.segments).toSorted((a, b) => a - b);
    expect(rebuilt).toEqual([0, shareOf(coded, 5)]);
  });

  it('waits while few fragments are lost, and does it in the end', async () => {
    simulation = new Simulation(10);
    const coded = files[32];
    submit(coded);
    const left = [];
    for (const id of [0, 1, 2, 3, 4, 5, 6]) left.push(await node(id, coded));
    const fresh = await node(7);
    await connectAll([...left, fresh]);
    const started = simulation.clock.monotonic();
    await simulation.until(() => isWhole(fresh), 3_600_000);
    expect(simulation.clock.monotonic() - started).toBeGreaterThanOrEqual(REPAIR.lazyMs);
    await expectBytes(fresh, coded);
  });

  it('parity of another file is noticed: nothing of it is stored, and the true one is used', async () => {
    simulation = new Simulation(11);
    const coded = files[32];
    const false_ = makeFile(patternBytes(coded.parity.bytes.length, 3));
    const dataSeq = simulation.submit(coded.data);
    const falseSeq = simulation.submit(false_, coded.tags);
    const paritySeq = simulation.submit(coded.parity, coded.tags);
    const left = [];
    for (const id of [0, 2, 4, 6, 7]) {
      const one = await node(id, coded, [dataSeq, paritySeq]);
      await simulation.clock.run(one.upload(false_, falseSeq));
      left.push(one);
    }
    const fresh = await node(3);
    await connectAll([...left, fresh]);
    await simulation.until(
      () => fresh.isFinalized(dataSeq) && fresh.isFinalized(paritySeq),
      3_600_000,
    );
    expect(fresh.isFinalized(falseSeq)).toBe(false);
    expect(fresh.files.missing(fresh.database.submissions.bySeq(falseSeq)!).size).toBe(
      [...fresh.files.required(fresh.database.submissions.bySeq(falseSeq)!)].length,
    );
  });

  it('with fifteen fragments left it tries, fails, and does it when one more comes back', async () => {
    simulation = new Simulation(12);
    const coded = files[32];
    submit(coded);
    const left = [];
    for (const id of [0, 1, 2]) left.push(await node(id, coded));
    const fresh = await node(7);
    await connectAll([...left, fresh]);
    await simulation.until(() => fresh.repaired.failures > 1, 3_600_000);
    expect(isWhole(fresh)).toBe(false);
    const late = await node(3, coded);
    await connectAll([...left, fresh, late].toReversed());
    await simulation.until(() => isWhole(fresh), 3_600_000);
    await expectBytes(fresh, coded);
  });
});
