// Tests that inject faults take how many from here: few in `npm test`, many in `npm run soak`, which also reads what they did.

/** Set by the rows of e2e/soak that run a test. */
export const FAULT_COUNT_VARIABLE = 'CAIRN_FAULT_COUNT';
export const FAULT_SEED_VARIABLE = 'CAIRN_FAULT_SEED';

/** How much a test does: `usual`, or what the soak asks for. */
export function faultCount(usual: number): number {
  const asked = process.env[FAULT_COUNT_VARIABLE];
  return asked === undefined ? usual : Number(asked);
}

/** The seed that the soak names; none in `npm test`. */
export function faultSeed(): number | undefined {
  const named = process.env[FAULT_SEED_VARIABLE];
  return named === undefined ? undefined : Number(named);
}

/** As many seeds, in a row from `first` or from the one that the soak names. */
export function faultSeeds(usual: number, first = 1): number[] {
  const start = faultSeed() ?? first;
  return Array.from({ length: faultCount(usual) }, (_, i) => start + i);
}

/** Tells the soak how many faults a test injected, and what it measured; a test that says nothing counts as one. */
export function noteFaults(task: { meta: object }, count: number, ...figures: string[]): void {
  Object.assign(task.meta, { faults: count, figures });
}
