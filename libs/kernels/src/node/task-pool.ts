/*
 * Threads that run kernel tasks on shared memory: nothing is copied. The tasks of the waiting calls are handed out in turn, one
 * per thread, so that a large blob does not hold up a small one.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { assert } from '@cairn/base';
import type { KernelBackend } from '../kernels.ts';
import type { KernelTask, TaskRunner } from '../tasks/tasks.ts';
import { poolClosed, queueFull, workerDied } from './pool-errors.ts';

export type TaskPoolOptions = {
  /** Default: the cores this process may use. */
  threads?: number | undefined;
  backend?: 'auto' | KernelBackend | undefined;
  /** Calls that may wait for a thread; beyond it a call rejects with `KERNELS_QUEUE_FULL`. Default 256. */
  queueMax?: number | undefined;
};

/**
 * A runner with threads. Close it, or the process does not end. `run` rejects with the signal's reason, `KERNELS_QUEUE_FULL`
 * (exhausted), `KERNELS_WORKER_DIED` (unavailable; the thread is replaced) or `KERNELS_POOL_CLOSED` (cancelled).
 */
export interface TaskPool extends TaskRunner {
  /** Stops the threads; calls that have not settled reject. Idempotent. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** One call of `run`. It settles when no task of it is in a thread. */
type Call = {
  tasks: readonly KernelTask[];
  next: number;
  running: number;
  /** Why it ends early; its waiting tasks are dropped. */
  failure: { error: unknown } | undefined;
  settle(): void;
};
type Thread = { worker: Worker; call: Call | undefined };

const ENTRY = new URL(
  `./task-worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`,
  import.meta.url,
);

function assertShared(task: KernelTask): void {
  for (const value of Object.values(task.job)) {
    if (ArrayBuffer.isView(value))
      assert(value.buffer instanceof SharedArrayBuffer, 'tasks work on shared memory');
  }
}

class WorkerTaskPool implements TaskPool {
  readonly threads: number;
  readonly #options: TaskPoolOptions;
  readonly #entry: URL;
  /** Every thread that has not ended. */
  readonly #workers = new Set<Worker>();
  /** Those that take tasks. */
  readonly #threads: Thread[] = [];
  readonly #waiting: Call[] = [];
  readonly #unsettled = new Set<Call>();
  #closing: Promise<void> | undefined;

  constructor(options: TaskPoolOptions, entry: URL) {
    this.threads = options.threads ?? availableParallelism();
    assert(Number.isInteger(this.threads) && this.threads >= 1, 'a task pool has a thread');
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

  run(
    tasks: readonly KernelTask[],
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<void> {
    const { signal } = options;
    return new Promise((resolve, reject) => {
      for (const task of tasks) assertShared(task);
      signal?.throwIfAborted();
      if (this.#closing) throw poolClosed();
      const queueMax = this.#options.queueMax ?? 256;
      if (this.#waiting.length >= queueMax) throw queueFull(queueMax);
      if (tasks.length === 0) return resolve();
      const onAbort = (): void => this.#fail(call, signal!.reason);
      const call: Call = {
        tasks,
        next: 0,
        running: 0,
        failure: undefined,
        settle: () => {
          this.#unsettled.delete(call);
          signal?.removeEventListener('abort', onAbort);
          if (call.failure) reject(call.failure.error);
          else resolve();
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#unsettled.add(call);
      this.#waiting.push(call);
      this.#dispatch();
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#stop(poolClosed());
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Ends the threads before the calls: their memory must be free when they reject. */
  async #stop(reason: unknown): Promise<void> {
    this.#threads.length = 0;
    await Promise.all(Array.from(this.#workers, (worker) => worker.terminate()));
    for (const call of this.#unsettled) {
      call.running = 0;
      this.#fail(call, reason);
    }
  }

  /** Drops the waiting tasks of a call; it settles when those in threads have ended. */
  #fail(call: Call, error: unknown): void {
    call.failure ??= { error };
    const at = this.#waiting.indexOf(call);
    if (at >= 0) this.#waiting.splice(at, 1);
    if (call.running === 0 && this.#unsettled.has(call)) call.settle();
  }

  #dispatch(): void {
    for (const thread of this.#threads) {
      if (thread.call) continue;
      const call = this.#waiting.shift();
      if (!call) return;
      const task = call.tasks[call.next++]!;
      if (call.next < call.tasks.length) this.#waiting.push(call);
      call.running++;
      thread.call = call;
      thread.worker.postMessage(task);
    }
  }

  #onDone(thread: Thread): void {
    const { call } = thread;
    thread.call = undefined;
    if (call) {
      call.running--;
      const ended = call.failure !== undefined || call.next === call.tasks.length;
      if (ended && call.running === 0) call.settle();
    }
    this.#dispatch();
  }

  /** Resolves when the new thread takes tasks. Rejects when it ends before that. */
  #spawn(): Promise<void> {
    return new Promise((resolve, reject) => {
      const worker = new Worker(this.#entry, {
        workerData: { backend: this.#options.backend ?? 'auto' },
        resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4 },
      });
      const thread: Thread = { worker, call: undefined };
      this.#workers.add(worker);
      let cause: unknown;
      worker.on('message', (reply: 'ready' | 'done') => {
        if (this.#closing) return;
        if (reply === 'done') return this.#onDone(thread);
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
        if (thread.call) {
          thread.call.running--;
          this.#fail(thread.call, died);
        }
        // A replacement that cannot even start would fail for ever: then the pool ends, and says why.
        this.#spawn().catch((error: unknown) => {
          this.#closing ??= this.#stop(workerDied(exitCode, error));
        });
      });
    });
  }
}

/** Starts the threads. Rejects with `KERNELS_WORKER_DIED` when a thread cannot start. */
export async function createTaskPool(options: TaskPoolOptions = {}): Promise<TaskPool> {
  return startTaskPool(options, ENTRY);
}

/** As `createTaskPool`, with another worker module; for tests of crashing threads. */
export async function startTaskPool(options: TaskPoolOptions, entry: URL): Promise<TaskPool> {
  const pool = new WorkerTaskPool(options, entry);
  await pool.start();
  return pool;
}
