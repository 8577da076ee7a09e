// How good an answer must be. Source: spec/storage-protocol.md 4.5.
import { MINING_SECTORS_MAX } from './constants.ts';
import { refusal } from './errors.ts';
import { shardCount } from './range.ts';
import type { RecallRange } from './types.ts';

/**
 * How many times harder a sharded range is than a whole one, times 2^64: all iterations of a shard land on data it has, so
 * its target is smaller by as much. Throws `PORA_SHARD_COUNT` when there are more shards than sectors.
 */
export function difficultyScaleX64(shardMask: bigint, flowLength: number): bigint {
  const longest = BigInt(MINING_SECTORS_MAX);
  const whole = BigInt(flowLength);
  const part = whole / shardCount(shardMask);
  if (part === 0n) throw refusal('PORA_SHARD_COUNT', 'more shards than sectors', { flowLength });
  const min = (value: bigint): bigint => (value < longest ? value : longest);
  return (min(whole) << 64n) / min(part);
}

/** Highest quality value that wins for this range: a quality `q` wins when `q <= threshold`. Below 2^256. */
export function qualityThreshold(
  poraTarget: bigint,
  range: Pick<RecallRange, 'shardMask'>,
  flowLength: number,
): bigint {
  return (poraTarget / difficultyScaleX64(range.shardMask, flowLength)) << 64n;
}

/** Chance that one seal wins, as a float: for estimates shown to people, never for decisions. */
export function winProbability(threshold: bigint): number {
  return Number(threshold >> 203n) / 2 ** 53;
}
