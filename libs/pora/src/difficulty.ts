/*
 * The target between epochs. Source: spec/storage-protocol.md 4.7 for the ordinary step; design/contracts.md 3 for skipped
 * epochs, which upstream ignores: a target that is too hard stays too hard there, for want of the answer that would move it.
 *
 * A smaller target is harder. Every operation is integer arithmetic that the contract repeats bit for bit.
 */
import { U256_MAX } from './words.ts';

/** Skipped epochs that relax gently; each further one relaxes by 5/4. */
export const GENTLE_SKIPS = 16;
/** Skipped epochs that count, at most. */
export const COUNTED_SKIPS = 128;

const SCALED_MAX = U256_MAX >> 16n;

export type DifficultyOptions = {
  targetSubmissions: number;
  /** Weight of the past: the new target is (n-1)/n old and 1/n observed. */
  adjustRatio: number;
  /** At least 1: the target never exceeds (2^256-1)/minDifficulty. */
  minDifficulty: bigint;
};

export type DifficultyState = {
  poraTarget: bigint;
  /** Answers in the last answered epoch. */
  currentSubmissions: number;
  /** Target before the gap that led to the last answered epoch; 0 when there was no gap. */
  targetBeforeGap: bigint;
  /** False until the first answer ever. */
  hasAnswers: boolean;
};

/** The target at a difficulty: `(2^256-1)/difficulty`. */
export function targetOfDifficulty(difficulty: bigint): bigint {
  return U256_MAX / difficulty;
}

/** One ordinary step, without the cap of `minDifficulty`: at most to double and at least to half. */
export function adjustTarget(
  target: bigint,
  input: { targetSubmissions: number; currentSubmissions: number; adjustRatio: number },
): bigint {
  const scaled = target >> 16n;
  const expected =
    input.currentSubmissions === 0
      ? SCALED_MAX
      : (scaled * BigInt(input.targetSubmissions)) / BigInt(input.currentSubmissions);
  const ratio = BigInt(input.adjustRatio);
  let adjusted = (scaled * (ratio - 1n) + expected) / ratio;
  if (adjusted < scaled / 2n) adjusted = scaled / 2n;
  if (adjusted > scaled * 2n) adjusted = scaled * 2n;
  if (adjusted > SCALED_MAX) adjusted = SCALED_MAX;
  return adjusted << 16n;
}

/** The target after `skipped` mined-by-nobody epochs in a row: (21/20)^k for the first 16, (5/4) for each further one. */
export function relaxTarget(target: bigint, skipped: number): bigint {
  const counted = Math.min(skipped, COUNTED_SKIPS);
  const gentle = BigInt(Math.min(counted, GENTLE_SKIPS));
  const steep = BigInt(counted) - gentle;
  const relaxed = saturated((target * 21n ** gentle) / 20n ** gentle);
  // In two halves, as 5^112 does not fit a word of the contract.
  const first = steep / 2n;
  return scaledBy54(scaledBy54(relaxed, first), steep - first);
}

function scaledBy54(target: bigint, exponent: bigint): bigint {
  return saturated((target * 5n ** exponent) / 4n ** exponent);
}

function saturated(value: bigint): bigint {
  return value > U256_MAX ? U256_MAX : value;
}

/**
 * The state for a new epoch after `skipped` minable epochs without an answer. The last answered epoch ends with the ordinary
 * step, unless it followed a gap and filled up: then the relaxation had gone too far and the target before the gap returns.
 */
export function nextEpoch(
  state: DifficultyState,
  options: DifficultyOptions,
  skipped: number,
): DifficultyState {
  let target = state.poraTarget;
  if (state.hasAnswers) {
    const overran =
      state.targetBeforeGap !== 0n && state.currentSubmissions >= 2 * options.targetSubmissions;
    target = overran
      ? state.targetBeforeGap
      : adjustTarget(target, {
          targetSubmissions: options.targetSubmissions,
          currentSubmissions: state.currentSubmissions,
          adjustRatio: options.adjustRatio,
        });
  }
  const easiest = targetOfDifficulty(options.minDifficulty);
  const capped = (value: bigint): bigint => (value > easiest ? easiest : value);
  target = capped(target);
  return {
    poraTarget: skipped > 0 ? capped(relaxTarget(target, skipped)) : target,
    targetBeforeGap: skipped > 0 ? target : 0n,
    currentSubmissions: 0,
    hasAnswers: true,
  };
}
