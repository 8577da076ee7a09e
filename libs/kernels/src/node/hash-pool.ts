import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { CodedError } from '@cairn/base';
import type { KernelBackend } from '../kernels.ts';
import type { HashJob, HashReply } from './hash-worker.ts';

export type HashPoolOptions = {
  /** Default: the cores this process may use. */
  threads?: number | undefined;
  backend?: 'auto' | KernelBackend | undefined;
  /** Jobs that may wait; beyond it calls throw `KERNELS_QUEUE_FULL`. Default 1024. */
  queueMax?: number | undefined;
};

type JobOptions = { lastLeafCount: number; signal?: AbortSignal | undefined };

/** Hashing threads with a bounded queue. Close it, or the process does not end. */
export interface HashPool {
  readonly threads: number;
  /** Roots (32 B each) of consecutive segments in `data`; the last one hashes over `lastLeafCount` leaves. */
  segmentRoots(data: Uint8Array, options: JobOptions): Promise<Uint8Array>;
  /** The same for bytes [start, end) of a file, read by the workers; `start` is a multiple of 256 KiB. */
  fileSegmentRoots(
    path: string,
    options: JobOptions & {
      start: number;
      end: number;
      onProgress?: ((bytes: number) => void) | undefined;
    },
  ): Promise<Uint8Array>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

type Pending = {
  job: HashJob;
  resolve: (roots: Uint8Array) => void;
  reject: (error: unknown) => void;
  onProgress: ((bytes: number) => void) | undefined;
  signal: AbortSignal | undefined;
};
type Thread = { worker: Worker; current: Pending | undefined };

const SEGMENT_BYTES = 262_144;
/** Segments one job of a file takes: 8 MiB, a few milliseconds of work. */
const FILE_JOB_BYTES = 32 * SEGMENT_BYTES;
const ENTRY = new URL(
  `./hash-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`,
  import.meta.url,
);

class WorkerHashPool implements HashPool {
  readonly threads: number;
  readonly #backend: 'auto' | KernelBackend;
  readonly #queueMax: number;
  readonly #workers: Thread[] = [];
  readonly #queue: Pending[] = [];
  #nextId = 1;
  #closed = false;

  constructor(options: HashPoolOptions) {
    this.threads = options.threads ?? availableParallelism();
    this.#backend = options.backend ?? 'auto';
    this.#queueMax = options.queueMax ?? 1024;
  }

  async start(): Promise<void> {
    await Promise.all(Array.from({ length: this.threads }, (_, i) => this.#spawn(i)));
  }

  segmentRoots(data: Uint8Array, options: JobOptions): Promise<Uint8Array> {
    if (data.length === 0) return Promise.resolve(new Uint8Array(0));
    return this.#submit(
      {
        id: this.#nextId++,
        kind: 'bytes',
        data: shared(data),
        lastLeafCount: options.lastLeafCount,
      },
      options.signal,
      undefined,
    );
  }

  async fileSegmentRoots(
    path: string,
    options: JobOptions & {
      start: number;
      end: number;
      onProgress?: ((bytes: number) => void) | undefined;
    },
  ): Promise<Uint8Array> {
    const out = new Uint8Array(32 * Math.ceil((options.end - options.start) / SEGMENT_BYTES));
    let next = options.start;
    const abort = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, abort.signal]) : abort.signal;
    const lane = async (): Promise<void> => {
      while (next < options.end) {
        const start = next;
        const end = Math.min(options.end, start + FILE_JOB_BYTES);
        next = end;
        const roots = await this.#submit(
          {
            id: this.#nextId++,
            kind: 'file',
            path,
            start,
            end,
            lastLeafCount: end === options.end ? options.lastLeafCount : 1024,
          },
          signal,
          options.onProgress,
        );
        out.set(roots, (32 * (start - options.start)) / SEGMENT_BYTES);
      }
    };
    try {
      await Promise.all(Array.from({ length: this.threads + 1 }, lane));
    } catch (error) {
      abort.abort(error);
      throw error;
    }
    return out;
  }

  async close(): Promise<void> {
    this.#closed = true;
    const error = new CodedError({
      code: 'KERNELS_POOL_CLOSED',
      kind: 'cancelled',
      message: 'hash pool closed',
    });
    for (const pending of this.#queue.splice(0)) pending.reject(error);
    await Promise.all(this.#workers.map((thread) => thread.worker.terminate()));
    for (const thread of this.#workers) thread.current?.reject(error);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #submit(
    job: HashJob,
    signal: AbortSignal | undefined,
    onProgress: Pending['onProgress'],
  ): Promise<Uint8Array> {
    if (this.#closed)
      throw new CodedError({
        code: 'KERNELS_POOL_CLOSED',
        kind: 'cancelled',
        message: 'hash pool closed',
      });
    signal?.throwIfAborted();
    if (this.#queue.length >= this.#queueMax) {
      throw new CodedError({
        code: 'KERNELS_QUEUE_FULL',
        kind: 'exhausted',
        message: `more than ${this.#queueMax} hash jobs waiting`,
      });
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ job, resolve, reject, onProgress, signal });
      this.#dispatch();
    });
  }

  #dispatch(): void {
    for (const thread of this.#workers) {
      while (!thread.current) {
        const pending = this.#queue.shift();
        if (!pending) return;
        if (pending.signal?.aborted) {
          pending.reject(pending.signal.reason);
          continue;
        }
        thread.current = pending;
        thread.worker.postMessage(pending.job);
      }
    }
  }

  #spawn(slot: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const worker = new Worker(ENTRY, {
        workerData: { backend: this.#backend },
        resourceLimits: { maxOldGenerationSizeMb: 64 },
      });
      const thread: Thread = { worker, current: undefined };
      worker.on('message', (reply: HashReply | 'ready') => {
        if (reply === 'ready') {
          this.#workers[slot] = thread;
          this.#dispatch();
          return resolve();
        }
        const pending = thread.current;
        if (!pending || pending.job.id !== reply.id) return;
        if (reply.kind === 'progress') return pending.onProgress?.(reply.bytes);
        thread.current = undefined;
        if (reply.kind === 'done') pending.resolve(reply.roots);
        else {
          pending.reject(
            new CodedError({
              code: 'KERNELS_JOB_FAILED',
              kind: 'invalid',
              message: reply.message,
              details: { code: reply.code },
            }),
          );
        }
        this.#dispatch();
      });
      worker.on('error', (error) => {
        reject(error);
        thread.current?.reject(
          new CodedError({
            code: 'KERNELS_WORKER_DIED',
            kind: 'unavailable',
            message: 'a hash worker died',
            cause: error,
          }),
        );
        thread.current = undefined;
        if (!this.#closed && this.#workers[slot] === thread)
          void this.#spawn(slot).catch(() => this.close());
      });
    });
  }
}

/** `data` itself when it lies in shared memory, else a shared copy. */
function shared(data: Uint8Array): Uint8Array {
  if (data.buffer instanceof SharedArrayBuffer) return data;
  const copy = new Uint8Array(new SharedArrayBuffer(data.length));
  copy.set(data);
  return copy;
}

/** Starts the threads and warms them up. */
export async function createHashPool(options: HashPoolOptions = {}): Promise<HashPool> {
  const pool = new WorkerHashPool(options);
  await pool.start();
  return pool;
}
