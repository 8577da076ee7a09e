/*
 * Hashing threads. A call (bytes or a file range) is cut into slices of whole segments; idle threads take slices from the
 * waiting calls in turn, so a huge file does not hold up a small one, and only slices in flight exist in memory.
 *
 * Shared memory is passed as it is; other bytes are copied, slice by slice, into a buffer each thread keeps.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { assert, type CodedError } from '@cairn/base';
import { SECTOR_BYTES, TREE_LEAVES_MAX } from '../keccak/keccak.ts';
import type { KernelBackend } from '../kernels.ts';
import type { HashJob, HashReply } from './hash-worker.ts';
import { jobFailed, poolClosed, queueFull, workerDied } from './pool-errors.ts';

export type HashPoolOptions = {
  /** Default: the cores this process may use. */
  threads?: number | undefined;
  backend?: 'auto' | KernelBackend | undefined;
  /** Calls that may wait for a thread; beyond it a call rejects with `KERNELS_QUEUE_FULL`. Default 1024. */
  queueMax?: number | undefined;
};

export type HashCallOptions = {
  /** Leaves the last segment hashes over, 1..1024 and at least its sectors; the rest are zero sectors. */
  lastLeafCount: number;
  /** Rejects the call at once with the signal's reason; slices already in a thread finish unheard. */
  signal?: AbortSignal | undefined;
};

export type HashFileOptions = HashCallOptions & {
  /** First byte, a multiple of 256 KiB. */
  start: number;
  /** One past the last byte. */
  end: number;
  /** Called after each slice with the bytes it had (at most 4 MiB), in no particular order. */
  onProgress?: ((bytes: number) => void) | undefined;
};

/**
 * Hashing threads with a bounded queue. Close it, or the process does not end.
 *
 * Rejections: `KERNELS_QUEUE_FULL` (exhausted), `KERNELS_READ_FAILED` (not_found or unavailable), `KERNELS_FILE_CHANGED`
 * (conflict), `KERNELS_WORKER_DIED` (unavailable; the thread is replaced), `KERNELS_POOL_CLOSED` (cancelled).
 */
export interface HashPool {
  readonly threads: number;
  /**
   * Roots (32 B each, a new array) of consecutive segments in `data`, each 256 KiB but the last. `data` must not change
   * before the promise settles.
   */
  segmentRoots(data: Uint8Array, options: HashCallOptions): Promise<Uint8Array>;
  /** The same for bytes [start, end) of a file, read by the threads. */
  fileSegmentRoots(path: string, options: HashFileOptions): Promise<Uint8Array>;
  /** Stops the threads; calls that have not settled reject. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

type Source = { kind: 'bytes'; data: Uint8Array } | { kind: 'file'; path: string; start: number };

/** One call: its next slice begins `next` bytes into `length`. */
type Call = {
  source: Source;
  length: number;
  next: number;
  sliceBytes: number;
  lastLeafCount: number;
  roots: Uint8Array;
  hashed: number;
  settled: boolean;
  onProgress: ((bytes: number) => void) | undefined;
  resolve(roots: Uint8Array): void;
  reject(error: unknown): void;
};
type Slice = { id: number; call: Call; at: number; bytes: number };
type Thread = { worker: Worker; slice: Slice | undefined; staging: Uint8Array | undefined };

const SEGMENT_BYTES = SECTOR_BYTES * TREE_LEAVES_MAX;
/** A slice is 1 to 4 MiB: a millisecond of work at least, and a cancelled call lets go of its threads soon. */
const SLICE_BYTES_MIN = 4 * SEGMENT_BYTES;
const SLICE_BYTES_MAX = 16 * SEGMENT_BYTES;
const ENTRY = new URL(
  `./hash-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`,
  import.meta.url,
);

class WorkerHashPool implements HashPool {
  readonly threads: number;
  readonly #options: HashPoolOptions;
  readonly #entry: URL;
  /** Every thread that has not ended, warm or not. */
  readonly #workers = new Set<Worker>();
  /** Those that take slices. */
  readonly #threads: Thread[] = [];
  /** Calls with slices left to hand out, served in turn. */
  readonly #waiting: Call[] = [];
  readonly #unsettled = new Set<Call>();
  #nextId = 1;
  #closing: Promise<void> | undefined;

  constructor(options: HashPoolOptions, entry: URL) {
    this.threads = options.threads ?? availableParallelism();
    assert(Number.isInteger(this.threads) && this.threads >= 1, 'a hash pool has a thread');
    this.#options = options;
    this.#entry = entry;
  }

  async start(): Promise<void> {
    try {
      await Promise.all(Array.from({ length: this.threads }, () => this.#spawn()));
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async segmentRoots(data: Uint8Array, options: HashCallOptions): Promise<Uint8Array> {
    return this.#call({ kind: 'bytes', data }, data.length, options, undefined);
  }

  async fileSegmentRoots(path: string, options: HashFileOptions): Promise<Uint8Array> {
    const { start, end } = options;
    assert(
      Number.isSafeInteger(start) && start >= 0 && start % SEGMENT_BYTES === 0,
      'fileSegmentRoots: start is a multiple of 256 KiB',
    );
    assert(Number.isSafeInteger(end) && end >= start, 'fileSegmentRoots: end is not before start');
    return this.#call({ kind: 'file', path, start }, end - start, options, options.onProgress);
  }

  close(): Promise<void> {
    this.#closing ??= this.#stop(poolClosed());
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #stop(reason: CodedError): Promise<void> {
    this.#waiting.length = 0;
    for (const call of this.#unsettled) call.reject(reason);
    this.#threads.length = 0;
    await Promise.all(Array.from(this.#workers, (worker) => worker.terminate()));
  }

  #call(
    source: Source,
    length: number,
    options: HashCallOptions,
    onProgress: Call['onProgress'],
  ): Promise<Uint8Array> {
    const { lastLeafCount, signal } = options;
    const lastSectors =
      length === 0 ? 1 : Math.floor(((length - 1) % SEGMENT_BYTES) / SECTOR_BYTES) + 1;
    assert(
      Number.isInteger(lastLeafCount) &&
        lastLeafCount >= lastSectors &&
        lastLeafCount <= TREE_LEAVES_MAX,
      'lastLeafCount is 1..1024 and covers the last segment',
    );
    signal?.throwIfAborted();
    if (this.#closing) throw poolClosed();
    if (length === 0) return Promise.resolve(new Uint8Array(0));
    const queueMax = this.#options.queueMax ?? 1024;
    if (this.#waiting.length >= queueMax) throw queueFull(queueMax);

    return new Promise((resolve, reject) => {
      const settle = (done: () => void): void => {
        if (call.settled) return;
        call.settled = true;
        this.#unsettled.delete(call);
        const at = this.#waiting.indexOf(call);
        if (at >= 0) this.#waiting.splice(at, 1);
        signal?.removeEventListener('abort', onAbort);
        done();
      };
      const onAbort = (): void => call.reject(signal!.reason);
      const share = Math.ceil(length / (2 * this.threads) / SEGMENT_BYTES) * SEGMENT_BYTES;
      const call: Call = {
        source,
        length,
        next: 0,
        sliceBytes: Math.min(SLICE_BYTES_MAX, Math.max(SLICE_BYTES_MIN, share)),
        lastLeafCount,
        roots: new Uint8Array(32 * Math.ceil(length / SEGMENT_BYTES)),
        hashed: 0,
        settled: false,
        onProgress,
        resolve: (roots) => settle(() => resolve(roots)),
        reject: (error) => settle(() => reject(error)),
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#unsettled.add(call);
      this.#waiting.push(call);
      this.#dispatch();
    });
  }

  #dispatch(): void {
    for (const thread of this.#threads) {
      if (thread.slice) continue;
      const call = this.#waiting.shift();
      if (!call) return;
      const bytes = Math.min(call.sliceBytes, call.length - call.next);
      const slice: Slice = { id: this.#nextId++, call, at: call.next, bytes };
      call.next += bytes;
      if (call.next < call.length) this.#waiting.push(call);
      thread.slice = slice;
      thread.worker.postMessage(jobOf(slice, thread));
    }
  }

  #onReply(thread: Thread, reply: HashReply): void {
    const { slice } = thread;
    if (slice?.id !== reply.id) return;
    thread.slice = undefined;
    const { call } = slice;
    if (reply.kind === 'failed') {
      call.reject(jobFailed(reply));
    } else if (!call.settled) {
      call.roots.set(reply.roots, (32 * slice.at) / SEGMENT_BYTES);
      call.hashed += slice.bytes;
      call.onProgress?.(slice.bytes);
      if (call.hashed === call.length) call.resolve(call.roots);
    }
    this.#dispatch();
  }

  /** Resolves when the new thread is warm. Rejects when it ends before that. */
  #spawn(): Promise<void> {
    return new Promise((resolve, reject) => {
      const worker = new Worker(this.#entry, {
        workerData: { backend: this.#options.backend ?? 'auto' },
        resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4 },
      });
      const thread: Thread = { worker, slice: undefined, staging: undefined };
      this.#workers.add(worker);
      let cause: unknown;
      worker.on('message', (reply: HashReply | 'ready') => {
        if (reply !== 'ready') return this.#onReply(thread, reply);
        if (this.#closing) return;
        this.#threads.push(thread);
        this.#dispatch();
        resolve();
      });
      worker.on('error', (error) => {
        cause = error;
      });
      worker.on('exit', (exitCode) => {
        const died = workerDied(exitCode, cause);
        this.#workers.delete(worker);
        reject(died);
        const at = this.#threads.indexOf(thread);
        if (at < 0) return;
        this.#threads.splice(at, 1);
        thread.slice?.call.reject(died);
        // A replacement that cannot even start would fail for ever: then the pool ends, and says why.
        this.#spawn().catch((error: unknown) => {
          this.#closing ??= this.#stop(workerDied(exitCode, error));
        });
      });
    });
  }
}

/** The message for a slice: a view of shared memory, a copy in the thread's own shared buffer, or a file range. */
function jobOf({ id, call, at, bytes }: Slice, thread: Thread): HashJob {
  const { source } = call;
  const lastLeafCount = at + bytes === call.length ? call.lastLeafCount : TREE_LEAVES_MAX;
  if (source.kind === 'file') {
    const start = source.start + at;
    return { id, lastLeafCount, kind: 'file', path: source.path, start, end: start + bytes };
  }
  const view = source.data.subarray(at, at + bytes);
  if (view.buffer instanceof SharedArrayBuffer) {
    return { id, lastLeafCount, kind: 'bytes', data: view };
  }
  thread.staging ??= new Uint8Array(new SharedArrayBuffer(SLICE_BYTES_MAX));
  thread.staging.set(view);
  return { id, lastLeafCount, kind: 'bytes', data: thread.staging.subarray(0, bytes) };
}

/** Starts the threads and warms them up (about 0.1 s). Rejects with `KERNELS_WORKER_DIED` when a thread cannot start. */
export async function createHashPool(options: HashPoolOptions = {}): Promise<HashPool> {
  return startHashPool(options, ENTRY);
}

/** As `createHashPool`, with another worker module; for tests of crashing threads. */
export async function startHashPool(options: HashPoolOptions, entry: URL): Promise<HashPool> {
  const pool = new WorkerHashPool(options, entry);
  await pool.start();
  return pool;
}
