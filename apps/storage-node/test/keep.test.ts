// Pruning, splitting and merging: what must go goes, what must stay stays, and a kill at any operation changes neither.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SECTORS_PER_PRICING, type ShardConfig, shardHolds, shardName } from '@cairn/protocol';
import { patternBytes } from '@cairn/testkit';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { placeSegment, segmentsOf } from '../src/ingest/files.ts';
import { halfToKeep, isMergeDue, isSplitDue } from '../src/keep/policy.ts';
import { STATE } from '../src/store/submission-table.ts';
import { makeFile, segmentBytes } from './harness.ts';
import { type KeepNode, KeepWorld, type PlacedFile } from './keep-node.ts';

const SEGMENT = 262_144;
const at = (range: number, segment: number): number => range * SECTORS_PER_PRICING + segment * 1024;
/** Files of 4, 3, 1 and 6 segments and two small ones in one segment, in three pricing ranges; one lies across two. */
const FILES: PlacedFile[] = [
  { file: makeFile(patternBytes(SEGMENT * 4, 1)), startSector: at(0, 4) },
  { file: makeFile(patternBytes(SEGMENT * 3 - 700, 2)), startSector: at(0, 8) },
  { file: makeFile(patternBytes(SEGMENT, 3)), startSector: at(1, 0) },
  { file: makeFile(patternBytes(300, 4)), startSector: at(1, 1) },
  { file: makeFile(patternBytes(2000, 5)), startSector: at(1, 1) + 16 },
  { file: makeFile(patternBytes(SEGMENT * 6, 6)), startSector: at(2, -4) },
];

let dir: string;
let node: KeepNode | undefined;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'cairn-keep-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));
afterEach(async () => {
  await node?.close();
  node = undefined;
});

async function start(options: { limit?: number; shard?: string } = {}): Promise<KeepNode> {
  const world = new KeepWorld(dir, { files: FILES, limit: 100, ...options });
  node = await world.open();
  return node;
}

/** Throws unless what is stored reads back as the file's bytes, proven, and finalized means that all of the shard is here. */
async function expectSound(one: KeepNode): Promise<void> {
  for (const [seq, { file }] of FILES.entries()) {
    const entry = one.entry(seq);
    for (let index = 0; index < segmentsOf(entry).count; index++) {
      const frame = await one.reader.segment(entry, index);
      if (entry.state === STATE.pruned) expect(frame).toBeUndefined();
      if (!frame) continue;
      expect(Buffer.from(frame.data).equals(segmentBytes(file, index))).toBe(true);
      expect(Buffer.from(frame.siblings).equals(file.tree.siblings(index))).toBe(true);
    }
    if (entry.state === STATE.finalized)
      for (const index of one.files.required(entry)) expect(one.files.has(entry, index)).toBe(true);
  }
}

/** Throws unless exactly the segments of the shard are stored, of files that were brought and not pruned. */
function expectExact(one: KeepNode, brought: ReadonlySet<number>): void {
  const expected = new Set<number>();
  for (const seq of brought) {
    const entry = one.entry(seq);
    if (entry.state === STATE.pruned) continue;
    for (let index = 0; index < segmentsOf(entry).count; index++) {
      const { segmentIndex } = placeSegment(entry, index);
      if (shardHolds(one.shards.current, segmentIndex)) expected.add(segmentIndex);
    }
  }
  expect(one.stored()).toEqual([...expected].sort((a, b) => a - b));
}

describe('policy', () => {
  it('a shard that was halved is not doubled at once, nor one that was doubled halved', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100_000 }), fc.nat(100_000), (limit, used) => {
        const usage = { segments: Math.min(used, limit), limit };
        if (isSplitDue(usage) && limit >= 10)
          expect(isMergeDue({ ...usage, segments: Math.ceil(usage.segments / 2) })).toBe(false);
        if (isMergeDue(usage) && limit >= 10)
          expect(isSplitDue({ ...usage, segments: usage.segments * 2 })).toBe(false);
      }),
    );
  });

  const WHOLE: ShardConfig = { shardId: 0, numShard: 1 };
  const [EVEN, ODD] = [
    { shardId: 0, numShard: 2 },
    { shardId: 1, numShard: 2 },
  ];
  const free = { isBound: () => false, peers: [], draw: 0.2 };
  it('a half that receipts bind stays; with both bound nothing goes', () => {
    const bindsOdd = (half: ShardConfig): boolean => half.shardId === 1;
    expect(halfToKeep(WHOLE, { ...free, isBound: bindsOdd })).toBe(1);
    expect(halfToKeep(WHOLE, { ...free, isBound: bindsOdd, peers: [ODD, ODD] })).toBe(1);
    expect(halfToKeep(WHOLE, { ...free, isBound: () => true })).toBeUndefined();
  });
  it('the half of which peers keep less stays; equals are drawn', () => {
    expect(halfToKeep(WHOLE, { ...free, peers: [EVEN, { shardId: 1, numShard: 4 }] })).toBe(1);
    expect(halfToKeep(WHOLE, { ...free, peers: [ODD] })).toBe(0);
    expect(halfToKeep(WHOLE, { ...free, peers: [WHOLE] })).toBe(0);
    expect(halfToKeep(WHOLE, { ...free, draw: 0.7 })).toBe(1);
  });
});

describe('splitting', () => {
  it('near the limit the shard is halved, announced, and the other half goes', async () => {
    const one = await start({ limit: 9 });
    for (const seq of [0, 1, 2]) await one.upload(seq);
    expect(one.stored().length).toBe(8);
    await one.look();
    expect(shardName(one.shards.current)).toMatch(/^[01]\/2$/);
    expect(one.announced).toEqual([one.shards.current]);
    expectExact(one, new Set([0, 1, 2]));
    await expectSound(one);
    // What went was unsealed before.
    expect(new Set(one.unsealed).size).toBe(8 - one.stored().length);
    // A file that waited for the other half only is finalized now.
    await one.upload(5, Array.from(one.files.required(one.entry(5))));
    expect(one.entry(5).state).toBe(STATE.finalized);
  });

  it('something that needs more room at once than is left below the limit halves it too', async () => {
    const one = await start({ limit: 10 });
    for (const seq of [0, 1]) await one.upload(seq);
    expect(one.stored().length).toBe(7); // two below the mark, three below the limit
    const entry = one.entry(5);
    const six = FILES[5]!.file;
    const checked = [0, 1, 2, 3, 4, 5].map((index) => ({
      index,
      data: segmentBytes(six, index),
      segmentRoot: new Uint8Array(32),
      siblings: six.tree.siblings(index),
    }));
    await expect(one.ingest.store(entry, checked)).rejects.toMatchObject({ code: 'STORE_LIMIT' });
    expect(one.stored().length).toBe(7);
    await one.look();
    expect(one.shards.current.numShard).toBe(2);
    await one.look(); // the refusal is over: once is enough
    expect(one.shards.current.numShard).toBe(2);
    await one.upload(5);
    expect(one.entry(5).state).toBe(STATE.finalized);
  });

  it('receipts hold it back while they bind both halves, and new ones are not signed then', async () => {
    const one = await start({ limit: 8 });
    for (const seq of [0, 1, 2]) await one.upload(seq).catch(() => {});
    one.promise(0, 1000);
    await one.look();
    expect(shardName(one.shards.current)).toBe('0/1');
    expect(one.resharder.isHeldBack).toBe(true);
    expect(one.stored().length).toBeGreaterThanOrEqual(7);
    one.world.clock.pass(1000);
    await one.look(); // the end of the receipt is not the end of its deadlines
    expect(shardName(one.shards.current)).toBe('0/1');
    one.world.clock.pass(61);
    await one.look();
    expect(one.shards.current.numShard).toBe(2);
    expect(one.resharder.isHeldBack).toBe(false);
  });

  it('a receipt for one half decides which half stays', async () => {
    const one = await start({ limit: 9 });
    for (const seq of [0, 1, 2]) await one.upload(seq);
    const { segmentIndex } = placeSegment(one.entry(2), 0);
    one.world.peers = [{ shardId: segmentIndex % 2, numShard: 2 }]; // would speak for the other
    one.promise(2, 1000);
    await one.look();
    expect(one.shards.current).toEqual({ shardId: segmentIndex % 2, numShard: 2 });
    expect(one.files.has(one.entry(2), 0)).toBe(true);
  });
});

describe('merging', () => {
  it('with room again the other half is fetched first and answered for afterwards', async () => {
    const one = await start({ limit: 9 });
    for (const seq of [0, 1, 2]) await one.upload(seq);
    await one.look();
    const half = one.shards.current;
    // Room comes from an end of a lease.
    one.world.leaseEnds.set(0, one.world.time - 1000);
    one.world.lost.add(2);
    await one.look();
    await one.look();
    const isTouched = !shardHolds(half, placeSegment(one.entry(2), 0).segmentIndex);
    if (isTouched) {
      // Nobody gives the segment yet: the node goes on to answer for its half.
      expect(one.shards.current).toEqual(half);
      expect(one.shards.isMerging).toBe(true);
      expect(one.entry(2).state).toBe(STATE.finalized);
    }
    one.world.lost.clear();
    await one.look();
    expect(shardName(one.shards.current)).toBe('0/1');
    expect(one.announced.at(-1)).toEqual({ shardId: 0, numShard: 1 });
    expectExact(one, new Set([2]));
    await expectSound(one);
  });

  it('a file that became whole for the half while the last ones were fetched is open again for the whole', async () => {
    const one = await start({ limit: 9 });
    for (const seq of [0, 1, 2]) await one.upload(seq);
    one.world.peers = [{ shardId: 0, numShard: 2 }];
    await one.look();
    expect(shardName(one.shards.current)).toBe('1/2');
    one.world.leaseEnds.set(0, one.world.time - 1000);
    // File 2 lies in the other half; while it is fetched somebody uploads what our half needs of file 5.
    one.world.onWiden = async (seq, node) => {
      if (seq !== 2) return;
      await node.upload(5, [...node.files.required(node.entry(5))]);
      expect(node.entry(5).state).toBe(STATE.finalized);
    };
    await one.look();
    await one.look();
    expect(shardName(one.shards.current)).toBe('0/1');
    expect(one.entry(5).state).toBe(STATE.receiving);
    expect(one.files.missing(one.entry(5)).size).toBe(3);
    await expectSound(one);
  });

  it('never goes beyond the shard that the operator gave', async () => {
    const one = await start({ shard: '1/4' });
    await one.look();
    expect(shardName(one.shards.current)).toBe('1/4');
    expect(one.shards.isMerging).toBe(false);
  });

  it('a folder of another shard is refused, and the shard of now survives a restart', async () => {
    const one = await start({ limit: 9 });
    for (const seq of [0, 1, 2]) await one.upload(seq);
    await one.look();
    const { current } = one.shards;
    node = await one.world.crash(one);
    expect(node.shards.current).toEqual(current);
    const other = Object.assign(Object.create(one.world), { shard: '0/2' }) as KeepWorld;
    await node.close();
    await expect(other.open()).rejects.toMatchObject({ code: 'NODE_OTHER_SHARD' });
    node = await one.world.open();
  });
});

describe('pruning', () => {
  it('a range is given up after its lease and a while; what touches a paid range stays', async () => {
    const one = await start();
    for (const seq of FILES.keys()) await one.upload(seq);
    const { world } = one;
    for (const range of [0, 1, 2]) world.leaseEnds.set(range, world.time + 50);
    world.clock.pass(100);
    await one.look();
    expect(FILES.map((_, seq) => one.entry(seq).state)).not.toContain(STATE.pruned);
    // Renewed in the middle: 0 and 2 are over, 1 is paid; file 5 lies in 1 and 2.
    world.leaseEnds.set(1, world.time + 10_000);
    world.clock.pass(100);
    await one.look();
    const states = FILES.map((_, seq) => one.entry(seq).state);
    expect(states).toEqual([2, 2, 1, 1, 1, 1]);
    expectExact(one, new Set(FILES.keys()));
    await expectSound(one);
    expect(one.reader.info(one.entry(0))).toMatchObject({ pruned: true, finalized: false });
    // What is given up is not taken again.
    await one.ingest.store(one.entry(0), []);
    await one.upload(0).catch(() => {});
    expect(one.stored().length).toBe(2 + 6);
  });

  it('what a receipt binds stays until it binds no more', async () => {
    const one = await start();
    for (const seq of [2, 3, 4]) await one.upload(seq);
    one.promise(3, 5000);
    one.world.leaseEnds.set(1, one.world.time);
    one.world.clock.pass(200);
    await one.look();
    expect([2, 3, 4].map((seq) => one.entry(seq).state)).toEqual([2, 1, 2]);
    // Its neighbour in the same segment went, it did not.
    expect(one.files.has(one.entry(3), 0)).toBe(true);
    expect(one.files.has(one.entry(4), 0)).toBe(false);
    one.world.clock.pass(5000);
    await one.look();
    expect(one.entry(3).state).toBe(STATE.pruned);
    expect(one.stored()).toEqual([]);
  });

  it('a range that nobody paid for yet, and a chain whose time is far off, decide nothing', async () => {
    const one = await start();
    await one.upload(2);
    one.world.leaseEnds.set(1, 0);
    one.world.clock.pass(1e6);
    await one.look();
    expect(one.entry(2).state).toBe(STATE.finalized);
    one.world.leaseEnds.set(1, one.world.time - 1e5);
    const skew = Object.defineProperty(one.world, 'time', {
      get: () => Math.floor(one.world.clock.now() / 1000) + 4000,
      configurable: true,
    });
    await one.look();
    expect(one.entry(2).state).toBe(STATE.finalized);
    Reflect.deleteProperty(skew, 'time');
    await one.look();
    expect(one.entry(2).state).toBe(STATE.pruned);
  });
});

type Command =
  | { kind: 'upload'; seq: number }
  | { kind: 'promise'; seq: number; seconds: number }
  | { kind: 'pass'; seconds: number }
  | { kind: 'lease'; range: number; seconds: number }
  | { kind: 'lose'; seq: number }
  | { kind: 'find' }
  | { kind: 'look'; failAt: number | undefined };
const seq = fc.nat(FILES.length - 1);
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('upload' as const), seq }) },
  fc.record({ kind: fc.constant('promise' as const), seq, seconds: fc.nat(400) }),
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('pass' as const), seconds: fc.nat(400) }) },
  fc.record({
    kind: fc.constant('lease' as const),
    range: fc.nat(2),
    seconds: fc.integer({ min: -300, max: 300 }),
  }),
  fc.record({ kind: fc.constant('lose' as const), seq }),
  fc.record({ kind: fc.constant('find' as const) }),
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('look' as const),
      failAt: fc.option(fc.nat(12), { nil: undefined }),
    }),
  },
);

describe('any sequence of uploads, receipts, ends of leases, splits and merges, with the power going in between', () => {
  it('serves only the files own bytes, keeps what receipts bind, and holds in the end exactly what its shard says', async () => {
    const seen = { split: 0, merged: 0, pruned: 0, crashed: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.array(command, { minLength: 5, maxLength: 30 }),
        fc.integer({ min: 6, max: 20 }),
        async (commands, limit) => {
          const world = new KeepWorld(dir, { files: FILES, limit, seed: limit });
          let one = await world.open();
          const brought = new Set<number>();
          const promises: { seq: number; until: number; segments: number[] }[] = [];
          try {
            for (const step of commands) {
              const before = one.shards.current.numShard;
              if (step.kind === 'pass') world.clock.pass(step.seconds);
              else if (step.kind === 'lease')
                world.leaseEnds.set(step.range, world.time + step.seconds);
              else if (step.kind === 'lose') world.lost.add(step.seq);
              else if (step.kind === 'find') world.lost.clear();
              else if (step.kind === 'upload') {
                if (one.entry(step.seq).state === STATE.receiving) {
                  await one.upload(step.seq).catch(() => {});
                  if (one.entry(step.seq).state === STATE.finalized) brought.add(step.seq);
                }
              } else if (step.kind === 'promise') {
                const entry = one.entry(step.seq);
                if (entry.state !== STATE.finalized || one.resharder.isHeldBack) continue;
                one.promise(step.seq, step.seconds);
                promises.push({
                  seq: step.seq,
                  until: world.time + step.seconds + 60,
                  segments: [...one.files.required(entry)],
                });
              } else {
                let operations = 0;
                world.disk.beforeOperation = () => {
                  if (step.failAt !== undefined && operations++ >= step.failAt)
                    throw Object.assign(new Error('power'), { code: 'EIO' });
                };
                await one.look().catch(() => {});
                world.disk.beforeOperation = () => {};
                if (step.failAt !== undefined) {
                  one = await world.crash(one);
                  seen.crashed++;
                }
              }
              if (one.shards.current.numShard > before) seen.split++;
              if (one.shards.current.numShard < before) seen.merged++;
              expect(one.stored().length).toBeLessThanOrEqual(limit);
              for (const { seq, until, segments } of promises)
                if (until >= world.time)
                  for (const index of segments)
                    expect(one.files.has(one.entry(seq), index)).toBe(true);
              await expectSound(one);
            }
            // Promises end, two leases end: room for whoever was halved.
            world.lost.clear();
            world.clock.pass(1000);
            world.leaseEnds.set(0, world.time - 200).set(1, world.time - 200);
            world.leaseEnds.set(2, world.time + 1000);
            for (let i = 0; i < 8; i++) {
              const before = one.shards.current.numShard;
              await one.look();
              if (one.shards.current.numShard < before) seen.merged++;
            }
            await expectSound(one);
            if (!one.shards.isMerging) {
              const entries = FILES.map((_, seq) => one.entry(seq));
              seen.pruned += entries.filter(({ state }) => state === STATE.pruned).length;
              // Unfinished uploads may hold some of theirs; of finished ones exactly the shard is here.
              for (const index of one.stored())
                expect(shardHolds(one.shards.current, index)).toBe(true);
              for (const entry of entries)
                if (entry.state === STATE.pruned)
                  for (let i = 0; i < segmentsOf(entry).count; i++)
                    expect(one.files.has(entry, i)).toBe(false);
            }
          } finally {
            await one.close();
          }
        },
      ),
      { numRuns: 25 },
    );
    // Otherwise this shows nothing.
    for (const [what, count] of Object.entries(seen)) expect(count, what).toBeGreaterThan(0);
  }, 120_000);
});
