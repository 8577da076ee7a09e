import { assert, CodedError, isPowerOfTwo } from '@cairn/base';
import type { ShardConfig } from './zgs.ts';

/** Throws `PROTOCOL_SHARD` unless numShard is a power of two and shardId < numShard. */
export function assertShardConfig(shard: ShardConfig): void {
  if (!isPowerOfTwo(shard.numShard) || shard.shardId >= shard.numShard || shard.shardId < 0) {
    throw new CodedError({
      code: 'PROTOCOL_SHARD',
      kind: 'invalid',
      message: `invalid shard ${shard.shardId}/${shard.numShard}`,
      hint: 'numShard is a power of two and shardId is below it',
      details: shard,
    });
  }
}

/** True when the shard holds the segment at this index of the flow. */
export function shardHolds(shard: ShardConfig, flowSegmentIndex: number): boolean {
  return flowSegmentIndex % shard.numShard === shard.shardId;
}

/** True when both shards hold a common segment: compares modulo the smaller count. */
export function shardsIntersect(a: ShardConfig, b: ShardConfig): boolean {
  const modulus = Math.min(a.numShard, b.numShard);
  return a.shardId % modulus === b.shardId % modulus;
}

/** A shard in words, as settings and files have it: `ID/COUNT`. */
export function shardName(shard: ShardConfig): string {
  return `${shard.shardId}/${shard.numShard}`;
}

/** Reads `ID/COUNT`. Throws `PROTOCOL_SHARD`. */
export function parseShardName(name: string): ShardConfig {
  const [shardId, numShard] = name.split('/').map(Number);
  const shard = { shardId: shardId ?? Number.NaN, numShard: numShard ?? Number.NaN };
  if (!Number.isSafeInteger(shard.shardId) || !Number.isSafeInteger(shard.numShard)) {
    throw new CodedError({
      code: 'PROTOCOL_SHARD',
      kind: 'invalid',
      message: `${name} names no shard`,
      hint: 'a shard is ID/COUNT, for example 0/1',
    });
  }
  assertShardConfig(shard);
  return shard;
}

/** The two halves of a shard: the segments it holds at even and at odd places. */
export function halvesOfShard({ shardId, numShard }: ShardConfig): [ShardConfig, ShardConfig] {
  return [
    { shardId, numShard: numShard * 2 },
    { shardId: shardId + numShard, numShard: numShard * 2 },
  ];
}

/** The shard that this one is a half of. The whole flow (0/1) is a half of nothing. */
export function parentOfShard({ shardId, numShard }: ShardConfig): ShardConfig {
  assert(numShard > 1, 'the whole flow has no parent');
  return { shardId: shardId % (numShard / 2), numShard: numShard / 2 };
}

/** The other half of the parent. */
export function siblingOfShard({ shardId, numShard }: ShardConfig): ShardConfig {
  assert(numShard > 1, 'the whole flow has no sibling');
  return { shardId: (shardId + numShard / 2) % numShard, numShard };
}

/** True when `outer` holds every segment of `inner`. */
export function shardContains(outer: ShardConfig, inner: ShardConfig): boolean {
  return inner.numShard >= outer.numShard && inner.shardId % outer.numShard === outer.shardId;
}

/** True when the shard holds one of `count` neighbouring segments of the flow from `first` on. */
export function shardTouches(
  { shardId, numShard }: ShardConfig,
  first: number,
  count: number,
): boolean {
  return (((shardId - first) % numShard) + numShard) % numShard < count;
}
