import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  adjustTarget,
  COUNTED_SKIPS,
  type DifficultyState,
  nextEpoch,
  relaxTarget,
  targetOfDifficulty,
} from '../src/index.ts';

const MAX = 2n ** 256n - 1n;
const options = { targetSubmissions: 100, adjustRatio: 20, minDifficulty: 1n };
const anyTarget = fc.bigInt({ min: 2n ** 32n, max: MAX });
const state = (target: bigint, answers: number, before = 0n): DifficultyState => ({
  poraTarget: target,
  currentSubmissions: answers,
  targetBeforeGap: before,
  hasAnswers: true,
});

describe('the ordinary step', () => {
  it('moves towards the observed rate, at most to double and at least to half', () => {
    fc.assert(
      fc.property(anyTarget, fc.integer({ min: 0, max: 200 }), (target, answers) => {
        const next = adjustTarget(target, { ...options, currentSubmissions: answers });
        expect(next <= (target >> 16n) << 17n || next <= MAX).toBe(true);
        expect(next >= (target >> 17n) << 16n).toBe(true);
        if (answers > 100) expect(next <= target).toBe(true);
        if (answers === 100) expect(next >> 16n).toBe(target >> 16n);
      }),
    );
  });

  it('an epoch of nobody counts as infinitely few answers', () => {
    const target = 2n ** 200n;
    expect(adjustTarget(target, { ...options, currentSubmissions: 0 })).toBe(target * 2n);
  });
});

describe('skipped epochs', () => {
  it('relax by 21/20 sixteen times, then by 5/4, and stop counting at 128', () => {
    const target = 2n ** 100n;
    const ratio = (skipped: number): number =>
      Number((relaxTarget(target, skipped) * 1_000_000n) / target) / 1e6;
    expect(ratio(0)).toBe(1);
    expect(ratio(1)).toBeCloseTo(1.05, 5);
    expect(ratio(16)).toBeCloseTo(1.05 ** 16, 4);
    expect(ratio(17)).toBeCloseTo(1.05 ** 16 * 1.25, 4);
    expect(ratio(40)).toBeCloseTo(1.05 ** 16 * 1.25 ** 24, 0);
    expect(relaxTarget(target, COUNTED_SKIPS + 1)).toBe(relaxTarget(target, COUNTED_SKIPS));
  });

  it('never overflow, never harden, and grow with the gap', () => {
    fc.assert(
      fc.property(anyTarget, fc.nat(300), (target, skipped) => {
        const relaxed = relaxTarget(target, skipped);
        expect(relaxed >= target && relaxed <= MAX).toBe(true);
        expect(relaxTarget(target, skipped + 1) >= relaxed).toBe(true);
      }),
    );
  });

  it('bring back an answer to a target that is too hard by any factor below 2^36', () => {
    const hopeless = targetOfDifficulty(2n ** 60n);
    expect(relaxTarget(hopeless, 128) / hopeless > 2n ** 36n).toBe(true);
  });

  it('one skip is not a pump: the target before the gap returns when the epoch after it fills up', () => {
    const before = 2n ** 200n;
    const afterGap = nextEpoch(state(before, 100), options, 1);
    expect(afterGap.targetBeforeGap).toBe((before >> 16n) << 16n);
    expect(afterGap.poraTarget).toBe((before * 21n) / 20n);
    const filled = nextEpoch({ ...afterGap, currentSubmissions: 200 }, options, 0);
    expect(filled.poraTarget).toBe(before);
    expect(filled.targetBeforeGap).toBe(0n);
    const halfFull = nextEpoch({ ...afterGap, currentSubmissions: 199 }, options, 0);
    expect(halfFull.poraTarget > before).toBe(true);
  });

  it('the cap of minDifficulty holds after steps and gaps', () => {
    fc.assert(
      fc.property(anyTarget, fc.nat(200), fc.nat(200), (target, answers, skipped) => {
        const easiest = targetOfDifficulty(1000n);
        const next = nextEpoch(
          state(target, answers),
          { ...options, minDifficulty: 1000n },
          skipped,
        );
        expect(next.poraTarget <= easiest && next.targetBeforeGap <= easiest).toBe(true);
      }),
    );
  });

  it('the first epoch ever has no step, only the gap before it', () => {
    const first = { ...state(2n ** 200n, 0), hasAnswers: false };
    expect(nextEpoch(first, options, 0).poraTarget).toBe(2n ** 200n);
    expect(nextEpoch(first, options, 1).poraTarget).toBe((2n ** 200n * 21n) / 20n);
  });
});
