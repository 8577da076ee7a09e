import type { Kernels } from '@cairn/kernels';
import { CheckedRows, type RowChecker } from './checker.ts';
import { type CheckJob, runCheck } from './job.ts';

/**
 * Bytes of rows that are checked where they arrived: a few milliseconds, less than a thread takes to start, and no more than it
 * takes to be woken on a machine whose cores are busy.
 */
const SHORT_BYTES_MAX = 1024 * 1024;

/** Checks short jobs in this thread and gives long ones to `threads`. */
export class CheckerBySize implements RowChecker {
  readonly #kernels: Kernels;
  readonly #threads: RowChecker;

  constructor(deps: { kernels: Kernels; threads: RowChecker }) {
    this.#kernels = deps.kernels;
    this.#threads = deps.threads;
  }

  async check(job: CheckJob): Promise<CheckedRows> {
    if (job.rows.length > SHORT_BYTES_MAX) return this.#threads.check(job);
    return new CheckedRows(job, job.rows, runCheck(this.#kernels, job));
  }
}
