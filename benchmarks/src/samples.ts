import { type BenchRow, median } from './harness.ts';

/** Times collected over rounds, one row a name. */
export class Samples {
  readonly #rows = new Map<string, { work: number; ms: number[] }>();

  add(name: string, work: number, ms: number): void {
    const row = this.#rows.get(name) ?? { work, ms: [] };
    row.ms.push(ms);
    this.#rows.set(name, row);
  }

  rows(): BenchRow[] {
    return [...this.#rows].map(([name, { work, ms }]) => ({
      name,
      work,
      p50Ms: median(ms),
      minMs: Math.min(...ms),
      megabytesPerSecond: work / median(ms) / 1e3,
      clock: 'wall',
      samplesMs: ms,
    }));
  }
}

/** Milliseconds that `run` took. */
export async function timed(run: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await run();
  return performance.now() - started;
}
