/** Chance that a chi-square value with an even number of degrees of freedom is at least `x`: e^(-x/2) * sum of (x/2)^i / i!. */
export function chiSquareTail(x: number, degrees: number): number {
  if (degrees % 2 !== 0) throw new Error('an even number of degrees of freedom');
  let term = 1;
  let sum = 1;
  for (let i = 1; i < degrees / 2; i++) {
    term *= x / 2 / i;
    sum += term;
  }
  return Math.exp(-x / 2) * sum;
}

/** Pearson's sum over independent binomial counts, both cells of each: one degree of freedom a count. */
export function binomialChiSquare(
  counts: readonly { trials: number; successes: number; chance: number }[],
): number {
  return counts.reduce((sum, { trials, successes, chance }) => {
    const expected = trials * chance;
    return sum + (successes - expected) ** 2 / (expected * (1 - chance));
  }, 0);
}
