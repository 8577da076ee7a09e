/*
 * Runs cases interleaved (A B C, A B C, …) in one process and compares them within each round: machines are noisy, so only
 * ratios of one run mean anything. A case is timed as a whole; give it enough work (50 ms or more).
 */
import { availableParallelism, cpus } from 'node:os';

/** One thing to time. Names are `lib.operation/key=value`. */
export type BenchCase = {
  name: string;
  /** Bytes of user data one run handles: reported as MB/s (10^6). */
  bytes?: number;
  /** Operations one run does: reported as M/s. */
  count?: number;
  /**
   * Synchronous on one thread: timed by the CPU time of the thread, which a busy machine disturbs less than the clock. Runs
   * as often as a sample needs. Cases that are compared use the same clock.
   */
  cpu?: boolean;
  run: () => unknown;
};

export type BenchRow = {
  name: string;
  /** What one run handled: the case's bytes or count, else 1. */
  work: number;
  p50Ms: number;
  minMs: number;
  /** At the median; absent when the case has no bytes. */
  megabytesPerSecond?: number;
  /** At the median; absent when the case has no count. */
  millionPerSecond?: number;
  clock: 'wall' | 'cpu';
  /** Every round in order, for ratios. */
  samplesMs: number[];
};

/** `value` = how many times faster `of` is than `over`, per byte (or per operation); the median over rounds. */
export type BenchRatio = {
  of: string;
  over: string;
  value: number;
  atLeast?: number;
};

/** A quantity that is not a speed: memory, gas, a time on the wall clock that has a limit. */
export type BenchFigure = {
  name: string;
  value: number;
  unit: string;
  atMost?: number;
};

export type SuiteResult = {
  rows: BenchRow[];
  ratios: BenchRatio[];
  figures?: BenchFigure[];
  /** Sentences a reader needs to judge the numbers. */
  notes: string[];
};

export type SuiteOptions = { rounds?: number; signal?: AbortSignal };

/** What a suite module exports as `suite`. */
export type Suite = {
  description: string;
  /** Whether it looks for the libraries of benchmarks/peers, which are then installed before it runs. */
  peers?: boolean;
  run: (options: SuiteOptions) => Promise<SuiteResult>;
};

/** What the numbers were measured on. */
export type BenchHeader = { cpu: string; cores: number; node: string; date: string };

export function benchHeader(): BenchHeader {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    node: process.version,
    date: new Date().toISOString(),
  };
}

/** Middle value (mean of the two middle ones for an even count). */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** CPU time of this thread so far. */
function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1e3;
}

/** The system adds up CPU time in ticks of up to 10 ms, so a sample is as many runs as use this much. */
const CPU_SAMPLE_MS = 60;

function cpuMsOf(run: () => unknown): number {
  const start = threadCpuMs();
  for (let runs = 1; ; runs++) {
    run();
    const used = threadCpuMs() - start;
    if (used >= CPU_SAMPLE_MS) return used / runs;
  }
}

async function wallMsOf(run: () => unknown): Promise<number> {
  const start = performance.now();
  await run();
  return performance.now() - start;
}

/** Times every case `rounds` times, interleaved, after `warmups` untimed rounds. */
export async function interleave(
  cases: readonly BenchCase[],
  options: { rounds: number; warmups?: number; signal?: AbortSignal | undefined },
): Promise<BenchRow[]> {
  const samples = cases.map((): number[] => []);
  for (let round = -(options.warmups ?? 1); round < options.rounds; round++) {
    for (const [i, { run, cpu }] of cases.entries()) {
      options.signal?.throwIfAborted();
      const ms = cpu ? cpuMsOf(run) : await wallMsOf(run);
      if (round >= 0) samples[i]!.push(ms);
    }
  }
  return cases.map(({ name, bytes, count, cpu }, i) => {
    const p50Ms = median(samples[i]!);
    return {
      name,
      work: bytes ?? count ?? 1,
      p50Ms,
      minMs: Math.min(...samples[i]!),
      clock: cpu ? 'cpu' : 'wall',
      ...(bytes === undefined ? {} : { megabytesPerSecond: bytes / p50Ms / 1e3 }),
      ...(count === undefined ? {} : { millionPerSecond: count / p50Ms / 1e3 }),
      samplesMs: samples[i]!,
    };
  });
}

/** Speed of `of` over speed of `over`, both per byte or both per operation, as the median of the rounds' ratios. */
export function ratio(
  rows: readonly BenchRow[],
  of: string,
  over: string,
  atLeast?: number,
): BenchRatio {
  const find = (name: string): BenchRow => {
    const row = rows.find((candidate) => candidate.name === name);
    if (!row) throw new Error(`no benchmark row ${name}`);
    return row;
  };
  const [a, b] = [find(of), find(over)];
  if (a.clock !== b.clock) throw new Error(`${of} and ${over} have different clocks`);
  const rounds = a.samplesMs.map((ms, i) => a.work / ms / (b.work / b.samplesMs[i]!));
  return { of, over, value: median(rounds), ...(atLeast === undefined ? {} : { atLeast }) };
}
