// Where in an epoch a miner id may answer. Source: spec/storage-protocol.md 4.3.
import { type Hash32, hexToBytes } from '@cairn/base';
import { refusal } from './errors.ts';
import type { MineContext } from './types.ts';
import { bytesModulo, keccak, keccakHash32 } from './words.ts';

export type SubtaskOptions = {
  subtaskCount: number;
  /** Blocks between the starts of two subtasks. */
  subtaskInterval: number;
  /** Blocks in which an answer is accepted. */
  targetMineBlocks: number;
};

/** Blocks of the id's subtask: answers are accepted in (start, end]. */
export function subtaskWindow(
  context: Pick<MineContext, 'digest' | 'mineStart'>,
  minerId: Hash32,
  options: SubtaskOptions,
): { start: number; end: number } {
  const draw = keccak(hexToBytes(context.digest), hexToBytes(minerId));
  const start =
    context.mineStart + bytesModulo(draw, options.subtaskCount) * options.subtaskInterval;
  return { start, end: start + options.targetMineBlocks };
}

/** Throws `PORA_SUBTASK_EARLY` or `PORA_SUBTASK_LATE` unless `block` is in the window. */
export function assertInSubtask(window: { start: number; end: number }, block: number): void {
  if (block <= window.start) {
    throw refusal('PORA_SUBTASK_EARLY', `the subtask starts after block ${window.start}`, {
      block,
      ...window,
    });
  }
  if (block > window.end) {
    throw refusal('PORA_SUBTASK_LATE', `the subtask ended with block ${window.end}`, {
      block,
      ...window,
    });
  }
}

/** What the pad seed commits to: the context and the hash of the subtask's first block. */
export function subtaskDigest(contextDigest: Hash32, startBlockHash: Hash32): Hash32 {
  return keccakHash32(hexToBytes(contextDigest), hexToBytes(startBlockHash));
}
