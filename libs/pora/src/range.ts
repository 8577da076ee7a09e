// Recall ranges: which loads an answer may come from, and which one a pad recalls. Source: spec/storage-protocol.md 4.4, 4.5.
import type { Hash32 } from '@cairn/base';
import { SECTORS_PER_PRICING, type ShardConfig } from '@cairn/protocol';
import { MINING_SECTORS_MAX, SECTORS_PER_LOAD } from './constants.ts';
import { refusal } from './errors.ts';
import type { RecallRange } from './types.ts';
import { bytesModulo, keccakHash32, u256 } from './words.ts';

const U64 = 2n ** 64n;

/** Shards that a mask names: two to the number of its zero bits. */
export function shardCount(shardMask: bigint): bigint {
  let count = 1n;
  for (let bit = 0n; bit < 64n; bit++) if (((shardMask >> bit) & 1n) === 0n) count *= 2n;
  return count;
}

/** Sectors of the flow that can be recalled: whole loads only. */
export function minableSectors(flowLength: number): number {
  return Math.floor(flowLength / SECTORS_PER_LOAD) * SECTORS_PER_LOAD;
}

/** Longest range that `count` shards may claim; exact, as counts are powers of two. */
function rangeSectorsMax(count: bigint): number {
  return MINING_SECTORS_MAX * Number(count);
}

/**
 * The range of a node that holds loads with `index % numShard == shardId`. It starts at 0 and covers the whole flow until
 * that exceeds 8 TiB per shard; beyond, `startPosition` (a multiple of 8 GiB) says where the window begins.
 */
export function rangeOfShard(
  shard: ShardConfig,
  flowLength: number,
  startPosition = 0,
): RecallRange {
  const shardMask = U64 - BigInt(shard.numShard);
  const end = minableSectors(flowLength);
  const longest = rangeSectorsMax(BigInt(shard.numShard));
  const last = Math.max(0, Math.floor((end - longest) / SECTORS_PER_PRICING) * SECTORS_PER_PRICING);
  const start = Math.min(startPosition, last);
  return {
    startPosition: start,
    mineLength: Math.min(end - start, longest),
    shardId: BigInt(shard.shardId),
    shardMask,
  };
}

/**
 * Checks a range as the contract does. Throws `PORA_RANGE_EMPTY`, `_ALIGNMENT`, `_OVERFLOW`, `_LONG`, `_SHORT`,
 * `PORA_SHARD_MASK` or `PORA_SHARD_COUNT`.
 */
export function assertRange(range: RecallRange, flowLength: number, maxShards: bigint): void {
  const { startPosition, mineLength, shardId, shardMask } = range;
  const end = minableSectors(flowLength);
  if (end === 0) throw refusal('PORA_RANGE_EMPTY', 'the flow has no whole load', { flowLength });
  if (startPosition % SECTORS_PER_PRICING !== 0) {
    throw refusal('PORA_RANGE_ALIGNMENT', 'a range starts at a multiple of 8 GiB', {
      startPosition,
    });
  }
  if (mineLength > end || startPosition > end - mineLength) {
    throw refusal('PORA_RANGE_OVERFLOW', 'the range goes beyond the flow', {
      startPosition,
      mineLength,
      end,
    });
  }
  const count = shardCount(shardMask);
  const longest = rangeSectorsMax(count);
  if (mineLength > longest)
    throw refusal('PORA_RANGE_LONG', 'the range is too long', { mineLength, longest });
  const shortest = Math.min(end, longest);
  if (mineLength < shortest)
    throw refusal('PORA_RANGE_SHORT', 'the range is too short', { mineLength, shortest });
  if ((shardId & shardMask) !== 0n) {
    throw refusal('PORA_SHARD_MASK', 'the shard id has bits under its mask', {
      shardId: shardId.toString(),
      shardMask: shardMask.toString(),
    });
  }
  if (count > maxShards) {
    throw refusal('PORA_SHARD_COUNT', `at most ${maxShards} shards`, {
      count: count.toString(),
      maxShards: maxShards.toString(),
    });
  }
}

/** What the pad seed commits to: start, length, id, mask, in this order. */
export function rangeDigest(range: RecallRange): Hash32 {
  return keccakHash32(
    u256(range.startPosition),
    u256(range.mineLength),
    u256(range.shardId),
    u256(range.shardMask),
  );
}

/**
 * First sector of the load that `recallSeed` (32 bytes) recalls. Throws `PORA_RECALL_BOUND` when the shard bits lead outside
 * the range, which happens near its end: such a nonce has no answer.
 */
export function recallLoadStart(range: RecallRange, recallSeed: Uint8Array): number {
  const load = recallLoad(range, recallSeed);
  if (load === undefined)
    throw refusal('PORA_RECALL_BOUND', 'the nonce recalls a load outside its range');
  return range.startPosition + load * SECTORS_PER_LOAD;
}

/** As `recallLoadStart` for a search: the load's index in the range, undefined instead of an error. */
export function recallLoad(range: RecallRange, recallSeed: Uint8Array): number | undefined {
  const drawn = bytesModulo(recallSeed, Math.floor(range.mineLength / SECTORS_PER_LOAD));
  const load = (BigInt(drawn) & range.shardMask) | range.shardId;
  return load * BigInt(SECTORS_PER_LOAD) < BigInt(range.mineLength) ? Number(load) : undefined;
}
