// How sure a light client is: the chance of its draws if fewer than K rows could be had.
import { tailChance } from '@cairn/sdk/da';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

/** P(X >= good) by walking through every outcome. */
function byOutcomes(samples: number, good: number, p: number): number {
  let chances = [1];
  for (let i = 0; i < samples; i++)
    chances = Array.from(
      { length: i + 2 },
      (_, k) => (chances[k] ?? 0) * (1 - p) + (chances[k - 1] ?? 0) * p,
    );
  return chances.slice(good).reduce((sum, chance) => sum + chance, 0);
}

describe('the chance of so many good rows', () => {
  it('is p^s when all of them come, and 1 when none does', () => {
    expect(-Math.log2(tailChance(30, 30, 0.25))).toBeCloseTo(60, 6);
    expect(tailChance(30, 0, 0.25)).toBe(1);
  });

  it('is the sum over all outcomes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.nat(60), (samples, some) => {
        const good = some % (samples + 1);
        const expected = byOutcomes(samples, good, 0.2499);
        expect(tailChance(samples, good, 0.2499) / expected).toBeCloseTo(1, 6);
      }),
    );
  });

  it('grows with every row that is missing', () => {
    for (let good = 1; good <= 40; good++)
      expect(tailChance(40, good, 0.25)).toBeLessThanOrEqual(tailChance(40, good - 1, 0.25));
  });
});
