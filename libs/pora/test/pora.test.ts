import { bytesToHex, type Hash32 } from '@cairn/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  assertInSubtask,
  assertRange,
  firstMask,
  minableSectors,
  padOfSeed,
  qualityThreshold,
  rangeDigest,
  rangeOfShard,
  recallLoad,
  recallLoadStart,
  sealInPlace,
  shardCount,
  subtaskWindow,
  unsealInPlace,
  winProbability,
} from '../src/index.ts';
import recorded from './conformance.json' with { type: 'json' };
import { conformance } from './conformance.ts';
import * as twin from './reference.ts';
import { codeOf, kernels } from './support.ts';

const hash32 = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => bytesToHex(bytes) as Hash32);
const shard = fc
  .nat(6)
  .chain((bits) => fc.record({ numShard: fc.constant(2 ** bits), shardId: fc.nat(2 ** bits - 1) }));
const flowLength = fc
  .tuple(fc.integer({ min: 11, max: 44 }), fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([bits, x]) => 2 ** bits + Math.floor(x * 2 ** bits));

describe('sealing', () => {
  it('equals the twin, and is undone, at any place', () => {
    const key = fc.record({
      minerId: hash32,
      contextDigest: hash32,
      startSector: fc.nat(2 ** 40).map((n) => n * 16),
    });
    fc.assert(
      fc.property(key, fc.uint8Array({ minLength: 1, maxLength: 64 }), (seal, fill) => {
        const data = new Uint8Array(4096).map((_, i) => fill[i % fill.length]! + i);
        const sealed = data.slice();
        sealInPlace(kernels, sealed, seal);
        const { minerId, contextDigest, startSector } = seal;
        expect(sealed).toEqual(twin.seal(data, minerId, contextDigest, BigInt(startSector)));
        expect(sealed.subarray(0, 32)).toEqual(firstMask(seal).map((byte, i) => byte ^ data[i]!));
        unsealInPlace(kernels, sealed, seal);
        expect(sealed).toEqual(data);
      }),
      { numRuns: 30 },
    );
  });

  it('a run of seals is each of them sealed at its own place', () => {
    const key = {
      minerId: `0x${'ab'.repeat(32)}` as Hash32,
      contextDigest: `0x${'cd'.repeat(32)}` as Hash32,
    };
    const run = new Uint8Array(5 * 4096).map((_, i) => (i * 7) & 255);
    const sealed = run.slice();
    sealInPlace(kernels, sealed, { ...key, startSector: 1024 });
    for (let i = 0; i < 5; i++) {
      const one = run.slice(4096 * i, 4096 * i + 4096);
      sealInPlace(kernels, one, { ...key, startSector: 1024 + 16 * i });
      expect(sealed.subarray(4096 * i, 4096 * i + 4096)).toEqual(one);
    }
  });
});

describe('ranges', () => {
  it('of an honest shard pass every check, and shards share the loads without overlap', () => {
    fc.assert(
      fc.property(shard, flowLength, fc.nat(2 ** 20), (own, length, start) => {
        const range = rangeOfShard(own, length, start * 2 ** 25);
        expect(codeOf(() => assertRange(range, length, 64n))).toBeUndefined();
        expect(shardCount(range.shardMask)).toBe(BigInt(own.numShard));
        expect(range.mineLength % 1024).toBe(0);
      }),
    );
  });

  it('recall what the twin recalls, always a load of the shard, inside the range', () => {
    fc.assert(
      fc.property(shard, flowLength, hash32, (own, length, seed) => {
        const range = rangeOfShard(own, length);
        const recallSeed = twin.bytes(seed);
        const drawn = BigInt(seed) % BigInt(range.mineLength / 1024);
        const load = (drawn & range.shardMask) | range.shardId;
        if (load * 1024n >= BigInt(range.mineLength)) {
          expect(recallLoad(range, recallSeed)).toBeUndefined();
          expect(codeOf(() => recallLoadStart(range, recallSeed))).toBe('PORA_RECALL_BOUND');
          return;
        }
        expect(recallLoad(range, recallSeed)).toBe(Number(load));
        expect(Number(load) % own.numShard).toBe(own.shardId);
        const reference = {
          start: BigInt(range.startPosition),
          length: BigInt(range.mineLength),
          id: range.shardId,
          mask: range.shardMask,
        };
        expect(twin.hex(twin.rangeDigest(reference))).toBe(rangeDigest(range));
      }),
    );
  });

  it('longer than 8 TiB per shard are refused, windows of it are not', () => {
    const length = 2 ** 36;
    const range = rangeOfShard({ shardId: 0, numShard: 1 }, length, 2 ** 35);
    expect(range).toMatchObject({ startPosition: 2 ** 35, mineLength: 2 ** 35 });
    const long = { ...range, startPosition: 0, mineLength: 2 ** 35 + 1024 };
    expect(codeOf(() => assertRange(long, length, 1n))).toBe('PORA_RANGE_LONG');
    const late = rangeOfShard({ shardId: 0, numShard: 1 }, length, 2 ** 50);
    expect(codeOf(() => assertRange(late, length, 1n))).toBeUndefined();
    expect(minableSectors(2047)).toBe(1024);
  });

  it("thresholds equal the twin's and shrink by the number of shards", () => {
    fc.assert(
      fc.property(
        shard,
        flowLength,
        fc.bigInt({ min: 2n ** 64n, max: 2n ** 256n - 1n }),
        (own, length, target) => {
          const range = rangeOfShard(own, length);
          const threshold = qualityThreshold(target, range, length);
          expect(threshold).toBe(twin.threshold(target, range.shardMask, BigInt(length)));
          expect(threshold <= target).toBe(true);
        },
      ),
    );
    expect(winProbability(2n ** 255n)).toBe(0.5);
    expect(codeOf(() => qualityThreshold(1n, { shardMask: 0n }, 1024))).toBe('PORA_SHARD_COUNT');
  });
});

it("the pad of a seed equals the twin's", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 64, maxLength: 64 }), (seed) => {
      expect(padOfSeed(seed)).toEqual(twin.pad(seed));
    }),
    { numRuns: 5 },
  );
});

it('a subtask accepts after its first block up to its last', () => {
  const options = { subtaskCount: 4, subtaskInterval: 800, targetMineBlocks: 250 };
  const context = { digest: `0x${'11'.repeat(32)}` as Hash32, mineStart: 1000 };
  const starts = new Set<number>();
  for (let i = 0; i < 64; i++) {
    const minerId = `0x${i.toString(16).padStart(64, '0')}` as Hash32;
    const window = subtaskWindow(context, minerId, options);
    starts.add(window.start);
    expect(window.end - window.start).toBe(250);
    const { start, end } = window;
    expect(codeOf(() => assertInSubtask(window, start))).toBe('PORA_SUBTASK_EARLY');
    expect(codeOf(() => assertInSubtask(window, start + 1))).toBeUndefined();
    expect(codeOf(() => assertInSubtask(window, end))).toBeUndefined();
    expect(codeOf(() => assertInSubtask(window, end + 1))).toBe('PORA_SUBTASK_LATE');
  }
  expect([...starts].sort()).toEqual([1000, 1800, 2600, 3400]);
});

it('the recorded hash over seeded iterations and seals has not changed', () => {
  expect(conformance(kernels)).toEqual({ cases: recorded.cases, keccak256: recorded.keccak256 });
});
