import { type BenchRow, median } from './harness.ts';

/** Times collected over rounds, one row a name. */
export class Samples {
  readonly #rows = new Map<string, { work: number; unit: 'bytes' | 'count'; ms: number[] }>();

  /** `work`: bytes or operations in `ms`. */
  add(name: string, work: number, ms: number, unit: 'bytes' | 'count' = 'bytes'): void {
    const row = this.#rows.get(name) ?? { work, unit, ms: [] };
    row.ms.push(ms);
    this.#rows.set(name, row);
  }

  rows(): BenchRow[] {
    return [...this.#rows].map(([name, { work, unit, ms }]) => ({
      name,
      work,
      p50Ms: median(ms),
      minMs: Math.min(...ms),
      [unit === 'bytes' ? 'megabytesPerSecond' : 'millionPerSecond']: work / median(ms) / 1e3,
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
