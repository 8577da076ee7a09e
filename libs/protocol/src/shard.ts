import { CodedError, isPowerOfTwo } from '@cairn/base';
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
