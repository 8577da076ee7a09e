/*
 * When things happen (da-protocol.md section 2). All positions are block numbers; ranges are half-open.
 *
 *   snapshot(e)      seedBlock(e)   reveal window              start(e)
 *   | LOOKAHEAD ...  | SEED_DELAY   [seedBlock+1, +WINDOW)      [start(e), start(e+1))
 */
import { assert } from '@cairn/base';

export type EpochSchedule = {
  /** First block of epoch 0. */
  genesisBlock: number;
  epochBlocks: number;
  /** Blocks from the snapshot to the start of its epoch. */
  lookaheadBlocks: number;
  /** Blocks from the snapshot to the block whose mixHash makes the seed. */
  seedDelayBlocks: number;
  revealWindowBlocks: number;
};

/** Throws an assertion when the parts of an epoch overlap; the registry refuses the same parameters. */
export function assertSchedule(schedule: EpochSchedule): void {
  const { epochBlocks, lookaheadBlocks, seedDelayBlocks, revealWindowBlocks } = schedule;
  assert(seedDelayBlocks >= 1, 'the seed block lies after the snapshot');
  assert(revealWindowBlocks >= 1, 'somebody can reveal');
  assert(
    seedDelayBlocks + 1 + revealWindowBlocks <= lookaheadBlocks,
    'the window closes by the start of the epoch',
  );
  assert(lookaheadBlocks < epochBlocks, 'the mix before is final at the snapshot');
}

export function epochStart(schedule: EpochSchedule, epoch: number): number {
  return schedule.genesisBlock + epoch * schedule.epochBlocks;
}

/** Epoch that holds `block`; undefined before the first. */
export function epochAt(schedule: EpochSchedule, block: number): number | undefined {
  if (block < schedule.genesisBlock) return undefined;
  return Math.floor((block - schedule.genesisBlock) / schedule.epochBlocks);
}

export function snapshotBlock(schedule: EpochSchedule, epoch: number): number {
  return epochStart(schedule, epoch) - schedule.lookaheadBlocks;
}

export function seedBlock(schedule: EpochSchedule, epoch: number): number {
  return snapshotBlock(schedule, epoch) + schedule.seedDelayBlocks;
}

/** Blocks `[start, end)` whose transactions may reveal for `epoch`. */
export function revealWindow(
  schedule: EpochSchedule,
  epoch: number,
): { start: number; end: number } {
  const start = seedBlock(schedule, epoch) + 1;
  return { start, end: start + schedule.revealWindowBlocks };
}

/**
 * Block that a batch made at `head` counts from: the one before, so that its transaction is good in the very next block and in a
 * simulation on the newest one. In the first block of an epoch it is the head, since a batch belongs to the epoch of its block.
 * A reorg takes nothing away: the batch names a number, not a hash.
 */
export function batchBlock(schedule: EpochSchedule, head: number): number {
  return epochAt(schedule, head - 1) === epochAt(schedule, head) ? head - 1 : head;
}
