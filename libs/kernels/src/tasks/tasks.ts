/*
 * Kernel calls as data, so that threads can share them out: a task reads and writes memory it is given and nothing else, and
 * tasks made by one `split…` write to different places, so they may run in any order and at once.
 */
import { assert } from '@cairn/base';
import { type CombineJob, GALOIS_BLOCK_BYTES, type TransformJob } from '../galois/galois.ts';
import type { Kernels } from '../kernels.ts';
import { hashPieceTrees } from '../sha256/piece-trees.ts';
import type { PiecesJob } from '../sha256/pieces.ts';

/** One kernel call. */
export type KernelTask =
  | { kind: 'transform'; job: TransformJob }
  | { kind: 'combineRows'; job: CombineJob & { out: Uint8Array } }
  | { kind: 'hashPieceTrees'; job: PiecesJob & { out: Uint8Array } };

/** Who runs tasks: a pool of threads (`createTaskPool` of `@cairn/kernels/node`), or this thread. */
export interface TaskRunner {
  readonly threads: number;
  /**
   * Runs tasks that may run at once and resolves when all have ended. Every array of theirs is on shared memory, which is the
   * runner's until the promise settles: also when it rejects, no task is running any more.
   */
  run(tasks: readonly KernelTask[], options?: { signal?: AbortSignal | undefined }): Promise<void>;
}

/** Runs one task. */
export function runTask(kernels: Pick<Kernels, 'galois' | 'sha256'>, task: KernelTask): void {
  switch (task.kind) {
    case 'transform':
      kernels.galois.transform(task.job);
      return;
    case 'combineRows':
      kernels.galois.combineRows(task.job);
      return;
    case 'hashPieceTrees':
      hashPieceTrees(kernels.sha256, task.job);
      return;
  }
}

/** Runs tasks one after another in this thread: for tests and for machines with one core. */
export function inlineTaskRunner(kernels: Pick<Kernels, 'galois' | 'sha256'>): TaskRunner {
  return {
    threads: 1,
    async run(tasks, { signal } = {}) {
      for (const task of tasks) {
        signal?.throwIfAborted();
        runTask(kernels, task);
      }
    },
  };
}

/** [start, end) ranges that cut `count` into `parts` parts, or fewer, of whole `step`s. */
function ranges(count: number, parts: number, step: number): { start: number; end: number }[] {
  const size = Math.max(1, Math.ceil(count / step / parts)) * step;
  const out: { start: number; end: number }[] = [];
  for (let start = 0; start < count; start += size)
    out.push({ start, end: Math.min(count, start + size) });
  return out;
}

/** A transform as up to `parts` tasks by columns, each at least one 64-byte block wide. */
export function splitTransform(job: TransformJob, parts: number): KernelTask[] {
  assert(job.columns === undefined, 'splitTransform: whole rows');
  return ranges(job.rowBytes, parts, GALOIS_BLOCK_BYTES).map((columns) => ({
    kind: 'transform',
    job: { ...job, columns },
  }));
}

/** A combination as up to `parts` tasks by rows. */
export function splitCombineRows(
  job: CombineJob & { out: Uint8Array },
  parts: number,
): KernelTask[] {
  const { rows, rowBytes, out } = job;
  return ranges(rows.length / rowBytes, parts, 1).map(({ start, end }) => ({
    kind: 'combineRows',
    job: {
      ...job,
      rows: rows.subarray(start * rowBytes, end * rowBytes),
      out: out.subarray(start * 16, end * 16),
    },
  }));
}

/** Trees over the pieces of rows as up to `parts` tasks by rows; `out` has 32 bytes per row. */
export function splitHashPieceTrees(
  job: PiecesJob & { out: Uint8Array },
  parts: number,
): KernelTask[] {
  const { rows, rowBytes, out } = job;
  return ranges(rows.length / rowBytes, parts, 1).map(({ start, end }) => ({
    kind: 'hashPieceTrees',
    job: {
      ...job,
      rows: rows.subarray(start * rowBytes, end * rowBytes),
      out: out.subarray(start * 32, end * 32),
    },
  }));
}
