/*
 * One search thread as the node sees it. A batch of nonces is drawn (the thread makes the pads and says which loads they recall),
 * then searched (the thread reads those loads from the volumes by itself). Two batches may be on their way, so that the thread
 * makes the pads of the next before it searches one and never waits for the node.
 */
import { Worker } from 'node:worker_threads';
import { assert, CodedError } from '@cairn/base';
import type {
  DrawJob,
  LoadPlaces,
  SearchedReply,
  SearchJob,
  SearchReply,
  SearchWorkerData,
} from './search-worker.ts';

export type SearchThreadOptions = Omit<SearchWorkerData, 'voidBelow'>;
export type Draw = Omit<DrawJob, 'kind' | 'id'>;
/** A drawn batch. `recalled[i]` is the load of nonce i, counted from the start of the range; undefined where there is none. */
export type DrawnBatch = { id: number; recalled: (number | undefined)[]; busyMs: number };

type Waiting = { resolve: (reply: SearchReply) => void; reject: (error: unknown) => void };

export class SearchThread {
  readonly #worker: Worker;
  /** Batches with a lower id are void: the thread looks before every load. */
  readonly #voidBelow = new Int32Array(new SharedArrayBuffer(4));
  readonly #waiting = new Map<string, Waiting>();
  #next = 1;
  #dead: unknown;

  private constructor(options: SearchThreadOptions) {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    this.#worker = new Worker(new URL(`./search-worker.${extension}`, import.meta.url), {
      workerData: { ...options, voidBelow: this.#voidBelow } satisfies SearchWorkerData,
    });
  }

  /** A thread that takes work. It ends with the signal; what waits for it then rejects with `MINE_WORKER_DIED`. */
  static async start(options: SearchThreadOptions, signal: AbortSignal): Promise<SearchThread> {
    const thread = new SearchThread(options);
    const worker = thread.#worker;
    const ready = Promise.withResolvers<void>();
    const fail = (error: unknown): void => {
      thread.#dead ??= error;
      ready.reject(error);
      for (const waiting of thread.#waiting.values()) waiting.reject(error);
      thread.#waiting.clear();
    };
    worker.on('message', (message: SearchReply | 'ready') => {
      if (message === 'ready') return ready.resolve();
      const key = keyOf(message.kind, message.id);
      thread.#waiting.get(key)?.resolve(message);
      thread.#waiting.delete(key);
    });
    worker.on('error', fail);
    worker.on('exit', (code) =>
      fail(
        new CodedError({
          code: 'MINE_WORKER_DIED',
          kind: 'unavailable',
          message: `a search thread ended with code ${code}`,
        }),
      ),
    );
    const stop = (): void => void worker.terminate();
    signal.addEventListener('abort', stop, { once: true });
    worker.once('exit', () => signal.removeEventListener('abort', stop));
    await ready.promise;
    return thread;
  }

  async draw(draw: Draw): Promise<DrawnBatch> {
    const job: DrawJob = { ...draw, kind: 'draw', id: this.#next++ };
    const reply = await this.#ask(job, keyOf('drawn', job.id));
    assert(reply.kind === 'drawn', 'a draw is answered by what it drew');
    return { id: job.id, recalled: reply.recalled, busyMs: reply.busyMs };
  }

  async search(
    batch: DrawnBatch,
    search: { dir: string; target: Uint8Array; places: LoadPlaces },
  ): Promise<SearchedReply> {
    const job: SearchJob = { ...search, kind: 'search', id: batch.id };
    const reply = await this.#ask(job, keyOf('searched', job.id));
    assert(reply.kind === 'searched', 'a search is answered by what it found');
    return reply;
  }

  /** The thread drops every batch drawn so far, before its next load. */
  cancel(): void {
    Atomics.store(this.#voidBelow, 0, this.#next);
  }

  #ask(job: DrawJob | SearchJob, key: string): Promise<SearchReply> {
    if (this.#dead !== undefined) return Promise.reject(this.#dead);
    const waiting = Promise.withResolvers<SearchReply>();
    waiting.promise.catch(() => {}); // whoever asked may be waiting for the other batch
    this.#waiting.set(key, waiting);
    this.#worker.postMessage(job);
    return waiting.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }
}

const keyOf = (kind: 'drawn' | 'searched', id: number): string => `${kind}/${id}`;
