import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  assertShardConfig,
  halvesOfShard,
  parentOfShard,
  parseShardName,
  type ShardConfig,
  shardContains,
  shardHolds,
  shardName,
  shardsIntersect,
  shardTouches,
  siblingOfShard,
} from '../src/index.ts';

const shard: fc.Arbitrary<ShardConfig> = fc
  .tuple(fc.nat(6), fc.nat(63))
  .map(([bits, id]) => ({ numShard: 2 ** bits, shardId: id % 2 ** bits }));

describe('shards', () => {
  it('two shards intersect exactly when some segment belongs to both', () => {
    fc.assert(
      fc.property(shard, shard, (a, b) => {
        const common = Array.from({ length: 64 }, (_, i) => i).some(
          (i) => shardHolds(a, i) && shardHolds(b, i),
        );
        expect(shardsIntersect(a, b)).toBe(common);
      }),
    );
  });

  it('1/2 and 2/4 are disjoint, 0/2 and 2/4 are nested (upstream gets both wrong)', () => {
    expect(shardsIntersect({ shardId: 1, numShard: 2 }, { shardId: 2, numShard: 4 })).toBe(false);
    expect(shardsIntersect({ shardId: 0, numShard: 2 }, { shardId: 2, numShard: 4 })).toBe(true);
  });

  it.each([
    { shardId: 0, numShard: 3 },
    { shardId: 2, numShard: 2 },
    { shardId: -1, numShard: 2 },
    { shardId: 0, numShard: 0 },
  ])('refuses $shardId/$numShard', (config) => {
    expect(() => assertShardConfig(config)).toThrowError(
      expect.objectContaining({ code: 'PROTOCOL_SHARD' }),
    );
  });

  it('the halves of a shard share its segments; parent, sibling and name lead back', () => {
    fc.assert(
      fc.property(shard, (one) => {
        const halves = halvesOfShard(one);
        for (let i = 0; i < 256; i++) {
          const holders = halves.filter((half) => shardHolds(half, i)).length;
          expect(holders).toBe(shardHolds(one, i) ? 1 : 0);
        }
        for (const [k, half] of halves.entries()) {
          expect(parentOfShard(half)).toEqual(one);
          expect(siblingOfShard(half)).toEqual(halves[1 - k]);
          expect(shardContains(one, half)).toBe(true);
          expect(shardContains(half, one)).toBe(false);
          expect(parseShardName(shardName(half))).toEqual(half);
        }
      }),
    );
  });

  it('a shard touches a run exactly when it holds a segment of it', () => {
    fc.assert(
      fc.property(shard, fc.nat(1000), fc.nat(80), (one, first, count) => {
        const held = Array.from({ length: count }, (_, i) => first + i).some((i) =>
          shardHolds(one, i),
        );
        expect(shardTouches(one, first, count)).toBe(held);
      }),
    );
  });

  it.each(['', '1', '0/', 'a/b', '1.5/2', '0/3', '2/2', '-1/2'])('%j names no shard', (name) => {
    expect(() => parseShardName(name)).toThrow(expect.objectContaining({ code: 'PROTOCOL_SHARD' }));
  });
});
