// What a row of docs/reliability.md is, and what one run of it tells.

export const FAMILIES = [
  'store',
  'rot',
  'code',
  'nodes',
  'network',
  'chain',
  'hostile',
  'kv',
] as const;
export type Family = (typeof FAMILIES)[number];

export type FaultRow = {
  /** Kebab case, unique; what the command line takes. */
  id: string;
  family: Family;
  /** What is done to the system. */
  injection: string;
  /** What must hold for the row to pass, with its figure. */
  pass: string;
  /** How much a run does: what `npm run soak` takes, and what `--short` (and `npm test`, where the row is in it) takes. */
  size: { full: number; short: number };
  /** What `Seen.count` counts, in the plural. */
  unit: string;
  run(options: RowOptions): Promise<Seen>;
};

export type RowOptions = {
  size: number;
  /** Repeats the run, as far as processes and sockets can be repeated. */
  seed: number;
  /** Whether times decide; not in `npm test`, which runs on machines that are busy. */
  isTimed: boolean;
  signal: AbortSignal;
  /** Progress, for people. */
  log(text: string): void;
};

export type Seen = {
  /** How many faults were injected, in the row's unit. */
  count: number;
  /** What was measured, each a short phrase with its unit. */
  figures: readonly string[];
  /** Empty when the row passed. */
  failures: readonly string[];
};

/** Failures told one by one; a broken system would tell millions. */
const FAILURES_MAX = 20;

/** Collects what a run sees. A row passes when it injected something and nothing failed. */
export class Observations {
  count = 0;
  readonly figures: string[] = [];
  readonly #failures: string[] = [];
  #untold = 0;

  /** Notes a failure unless `isGood`. */
  expect(isGood: boolean, failure: string): void {
    if (isGood) return;
    if (this.#failures.length < FAILURES_MAX) this.#failures.push(failure);
    else this.#untold++;
  }

  get hasFailed(): boolean {
    return this.#failures.length > 0;
  }

  seen(): Seen {
    const failures = [...this.#failures];
    if (this.#untold > 0) failures.push(`and ${this.#untold} more`);
    if (this.count === 0) failures.push('nothing was injected');
    return { count: this.count, figures: this.figures, failures };
  }
}

/** The value below which `share` of the sorted samples lie; 0 of none. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0;
}
