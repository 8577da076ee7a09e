import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assertShardConfig, type ShardConfig, shardHolds, shardsIntersect } from '../src/index.ts';

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
});
