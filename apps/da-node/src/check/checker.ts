/*
 * Checks rows in threads: hashing and combining what a 32 MiB blob brings takes a tenth of a second, which the event loop must not.
 * Threads are started when there is work and end after a while without any, since an idle node should cost little memory.
 */
import { Worker } from 'node:worker_threads';
import { CodedError } from '@cairn/base';
import type { KernelBackend } from '@cairn/kernels';
import type { CheckedPaths, CheckJob } from './job.ts';

export interface RowChecker {
  /**
   * Checks the rows of a job; its `rows` belong to the checker from here on, and may be gone from the caller's memory. Throws the `ERASURE_…` error that names what is
   * wrong, `DA_CHECK_BUSY` (exhausted), `DA_CHECKER_DIED` (unavailable) or `DA_CHECKER_CLOSED` (cancelled).
   */
  check(job: CheckJob): Promise<CheckedRows>;
}

/** Rows that passed every check. */
export class CheckedRows {
  readonly pathBytes: number;
  readonly #rows: Uint8Array;
  readonly #paths: Uint8Array;
  readonly #rowBytes: number;
  readonly #places: ReadonlyMap<number, number>;
  readonly #custody: ReadonlyMap<number, number>;

  constructor(
    job: Pick<CheckJob, 'assigned' | 'custody' | 'format'>,
    rows: Uint8Array,
    { pathBytes, paths }: CheckedPaths,
  ) {
    this.pathBytes = pathBytes;
    this.#rows = rows;
    this.#paths = paths;
    this.#rowBytes = job.format.rowBytes;
    this.#places = new Map(job.assigned.map((row, place) => [row, place]));
    this.#custody = new Map(job.custody.map((row, place) => [row, place]));
  }

  /** Views of a custody row and its path to the row root. */
  rowWithPath(row: number): { row: Uint8Array; path: Uint8Array } {
    const at = this.#places.get(row)! * this.#rowBytes;
    const pathAt = this.#custody.get(row)! * this.pathBytes;
    return {
      row: this.#rows.subarray(at, at + this.#rowBytes),
      path: this.#paths.subarray(pathAt, pathAt + this.pathBytes),
    };
  }
}

export type ThreadedCheckerOptions = {
  threads: number;
  backend?: 'auto' | KernelBackend | undefined;
  /** Jobs that may wait for a thread. Default 256. */
  queueMax?: number | undefined;
  /** A thread without work ends after this. Default 5 s. */
  idleMs?: number | undefined;
};

type Reply =
  | { rows: Uint8Array; checked: CheckedPaths }
  | { failure: Pick<CodedError, 'code' | 'kind' | 'details' | 'message'> };
type Waiting = {
  job: CheckJob;
  resolve: (rows: CheckedRows) => void;
  reject: (error: unknown) => void;
};
type Thread = { worker: Worker; current: Waiting | undefined; idle: NodeJS.Timeout | undefined };

const ENTRY = new URL(
  `./check-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`,
  import.meta.url,
);
const QUEUE_MAX = 256;
const IDLE_MS = 5000;

export class ThreadedChecker implements RowChecker, AsyncDisposable {
  readonly #options: ThreadedCheckerOptions;
  readonly #threads = new Set<Thread>();
  readonly #waiting: Waiting[] = [];
  #isClosed = false;

  constructor(options: ThreadedCheckerOptions) {
    this.#options = options;
  }

  /** Threads that live now. */
  get threads(): number {
    return this.#threads.size;
  }

  check(job: CheckJob): Promise<CheckedRows> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw closed();
      if (this.#waiting.length >= (this.#options.queueMax ?? QUEUE_MAX))
        throw new CodedError({
          code: 'DA_CHECK_BUSY',
          kind: 'exhausted',
          message: 'too many blobs wait to be checked',
        });
      this.#waiting.push({ job, resolve, reject });
      this.#dispatch();
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { reject } of this.#waiting.splice(0)) reject(closed());
    await Promise.all(Array.from(this.#threads, ({ worker }) => worker.terminate()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #dispatch(): void {
    while (this.#waiting.length > 0) {
      const free = [...this.#threads].find(({ current }) => !current);
      const thread =
        free ?? (this.#threads.size < this.#options.threads ? this.#spawn() : undefined);
      if (!thread) return;
      clearTimeout(thread.idle);
      const next = this.#waiting.shift()!;
      thread.current = next;
      thread.worker.postMessage(toMessage(next.job), [next.job.rows.buffer as ArrayBuffer]);
    }
  }

  #spawn(): Thread {
    const worker = new Worker(ENTRY, {
      workerData: { backend: this.#options.backend ?? 'auto' },
      resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4 },
    });
    const thread: Thread = { worker, current: undefined, idle: undefined };
    this.#threads.add(thread);
    let cause: unknown;
    worker.on('message', (reply: Reply) => {
      const { current } = thread;
      thread.current = undefined;
      if (current) settle(current, reply);
      thread.idle = setTimeout(() => {
        this.#threads.delete(thread); // first, so that it is given nothing any more
        void worker.terminate();
      }, this.#options.idleMs ?? IDLE_MS).unref();
      this.#dispatch();
    });
    worker.on('error', (error) => {
      cause = error;
    });
    worker.on('exit', (exitCode) => {
      clearTimeout(thread.idle);
      this.#threads.delete(thread);
      thread.current?.reject(this.#isClosed ? closed() : died(exitCode, cause));
      if (!this.#isClosed) this.#dispatch();
    });
    return thread;
  }
}

/** Proofs come as views of whole gRPC messages, which would be copied with them. */
function toMessage(job: CheckJob): CheckJob {
  const { commitment, rowRoot, rlc, siblings } = job;
  return {
    ...job,
    commitment: new Uint8Array(commitment),
    rowRoot: new Uint8Array(rowRoot),
    rlc: new Uint8Array(rlc),
    siblings: new Uint8Array(siblings),
  };
}

function settle({ job, resolve, reject }: Waiting, reply: Reply): void {
  if ('failure' in reply) reject(new CodedError(reply.failure));
  else resolve(new CheckedRows(job, reply.rows, reply.checked));
}

function died(exitCode: number, cause: unknown): CodedError {
  return new CodedError({
    code: 'DA_CHECKER_DIED',
    kind: 'unavailable',
    message: `a checking thread ended with ${exitCode}`,
    cause,
  });
}

function closed(): CodedError {
  return new CodedError({
    code: 'DA_CHECKER_CLOSED',
    kind: 'cancelled',
    message: 'the node stopped',
  });
}
