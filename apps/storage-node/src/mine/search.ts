/*
 * The search: threads draw nonces, make their pads, and hash the loads they recall, of whatever tasks there are.
 *
 * Each thread has one lane. A lane makes the pads of a batch of nonces in lock step, then keeps `readsInFlight` loads coming from
 * the disk while the thread hashes the one that arrived. It looks at its task before every load, so a new block of work waits for
 * one load (below a millisecond of hashing), not for a batch. With `cpuPercent` below 100 a lane sleeps in proportion to what its
 * thread computed.
 */
import { Worker } from 'node:worker_threads';
import {
  bytesToHash32,
  type Clock,
  CodedError,
  type Hash32,
  type Logger,
  type RandomSource,
} from '@cairn/base';
import type { KernelBackend } from '@cairn/kernels';
import {
  BYTES_PER_LOAD,
  type RecallRange,
  SECTORS_PER_LOAD,
  type SeedBase,
  seedBase,
  u256,
  type Work,
} from '@cairn/pora';
import { BYTES_PER_SEAL } from '@cairn/protocol';
import type { SealedLoad } from './sealed-store.ts';
import type { LoadJob, PadsJob, SearchReply } from './search-worker.ts';

/** What one miner id works on; replaced whole when anything of it changes. */
export type SearchTask = {
  minerId: Hash32;
  work: Work;
  range: RecallRange;
  threshold: bigint;
  /** Sealed bytes of a load index of the flow; undefined when none are held. */
  read(load: number): Promise<SealedLoad | undefined>;
  holds(load: number): boolean;
};
export type SearchHit = {
  task: SearchTask;
  nonce: Hash32;
  /** First sector of the load. */
  loadStart: number;
  sealOffset: number;
  /** 4,096 bytes, a copy. */
  sealedData: Uint8Array;
};

export type SearchDeps = {
  random: RandomSource;
  clock: Clock;
  log: Logger;
  onHit: (hit: SearchHit) => void;
  onWorked: (done: { nonces: number; loads: number }) => void;
};
export type SearchOptions = {
  threads: number;
  /** Share of each thread's time that is spent, 1..100. */
  cpuPercent: number;
  backend: 'auto' | KernelBackend;
};

const BATCH_NONCES = 16;
const READS_IN_FLIGHT = 4;
const RESTART_MS = 1000;

export class Search {
  readonly #deps: SearchDeps;
  readonly #options: SearchOptions;
  readonly #tasks = new Map<Hash32, SearchTask>();
  readonly #abort = new AbortController();
  #wake = Promise.withResolvers<void>();
  #lanes: Promise<void>[] = [];
  #turn = 0;

  constructor(deps: SearchDeps, options: SearchOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  start(): void {
    if (this.#lanes.length > 0) return;
    this.#lanes = Array.from({ length: this.#options.threads }, () => this.#lane());
  }

  async stop(): Promise<void> {
    this.#abort.abort(
      new CodedError({ code: 'MINE_STOPPED', kind: 'cancelled', message: 'mining stopped' }),
    );
    this.#wake.resolve();
    await Promise.all(this.#lanes);
  }

  /** Sets or ends what an id works on; lanes notice before their next load. */
  setTask(minerId: Hash32, task: SearchTask | undefined): void {
    if (task) this.#tasks.set(minerId, task);
    else this.#tasks.delete(minerId);
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  /** Runs a thread until the end; a thread that dies is replaced. */
  async #lane(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      try {
        await using thread = await SearchThread.start(this.#options.backend, signal);
        while (!signal.aborted) await this.#batch(thread, signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#deps.log.error(
          { error: error instanceof Error ? error.message : String(error) },
          'a search thread failed and is started again',
        );
        await this.#deps.clock.sleep(RESTART_MS, signal).catch(() => {});
      }
    }
  }

  async #batch(thread: SearchThread, signal: AbortSignal): Promise<void> {
    const tasks = [...this.#tasks.values()];
    const task = tasks[this.#turn++ % Math.max(1, tasks.length)];
    if (!task) {
      await this.#wake.promise;
      return;
    }
    const isCurrent = (): boolean => !signal.aborted && this.#tasks.get(task.minerId) === task;
    const { range, work, minerId } = task;
    const nonces = this.#deps.random.bytes(32 * BATCH_NONCES);
    const base = seedBase({ minerId, subtaskDigest: work.subtaskDigest, range });
    const target = u256(task.threshold);
    let { loads, busyMs } = await thread.pads({ base, range, nonces });
    // Loads that are not held cost nothing more: their nonces are over.
    const held = loads.flatMap((load, index) => {
      if (load === undefined) return [];
      const flowLoad = range.startPosition / SECTORS_PER_LOAD + load;
      return task.holds(flowLoad) ? [{ index, flowLoad }] : [];
    });
    const reads: Promise<SealedLoad | undefined>[] = [];
    let searched = 0;
    for (const [i, { index, flowLoad }] of held.entries()) {
      for (let k = reads.length; k < Math.min(held.length, i + READS_IN_FLIGHT); k++)
        reads.push(quiet(task.read(held[k]!.flowLoad)));
      const load = await reads[i]!;
      if (!isCurrent()) break;
      if (!load) continue;
      const found = await thread.load({ index, ...load, target });
      busyMs += found.busyMs;
      searched++;
      for (const sealOffset of found.hits) {
        const from = sealOffset * BYTES_PER_SEAL;
        this.#deps.onHit({
          task,
          nonce: bytesToHash32(nonces.subarray(32 * index, 32 * index + 32)),
          loadStart: flowLoad * SECTORS_PER_LOAD,
          sealOffset,
          sealedData: found.data.slice(from, from + BYTES_PER_SEAL),
        });
      }
    }
    await Promise.allSettled(reads);
    this.#deps.onWorked({ nonces: BATCH_NONCES, loads: searched });
    const { cpuPercent } = this.#options;
    if (cpuPercent < 100)
      await this.#deps.clock.sleep(busyMs * (100 / cpuPercent - 1), signal).catch(() => {});
  }
}

/** A read whose failure is met later, when its turn comes. */
function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** A worker with one job at a time. Rejects when the worker dies. */
class SearchThread {
  readonly #worker: Worker;
  #next = 0;
  #waiting: { resolve: (reply: SearchReply) => void; reject: (error: unknown) => void } | undefined;

  private constructor(worker: Worker) {
    this.#worker = worker;
  }

  static async start(backend: string, signal: AbortSignal): Promise<SearchThread> {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const worker = new Worker(new URL(`./search-worker.${extension}`, import.meta.url), {
      workerData: { backend },
    });
    const thread = new SearchThread(worker);
    const ready = Promise.withResolvers<void>();
    const fail = (error: unknown): void => {
      ready.reject(error);
      thread.#waiting?.reject(error);
      thread.#waiting = undefined;
    };
    worker.on('message', (message: SearchReply | 'ready') => {
      if (message === 'ready') return ready.resolve();
      const waiting = thread.#waiting;
      thread.#waiting = undefined;
      waiting?.resolve(message);
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

  async pads(job: {
    base: SeedBase;
    range: RecallRange;
    nonces: Uint8Array;
  }): Promise<Extract<SearchReply, { kind: 'pads' }>> {
    return (await this.#ask({ ...job, id: this.#next++, kind: 'pads' }, [])) as Extract<
      SearchReply,
      { kind: 'pads' }
    >;
  }

  async load(job: {
    index: number;
    data: Uint8Array<ArrayBuffer>;
    present: Uint8Array;
    target: Uint8Array;
  }): Promise<Extract<SearchReply, { kind: 'load' }>> {
    // Reads may be views of a larger buffer, which must not travel.
    const data =
      job.data.buffer.byteLength === BYTES_PER_LOAD ? job.data : Uint8Array.from(job.data);
    return (await this.#ask({ ...job, data, id: this.#next++, kind: 'load' }, [
      data.buffer,
    ])) as Extract<SearchReply, { kind: 'load' }>;
  }

  #ask(job: PadsJob | LoadJob, transfer: ArrayBuffer[]): Promise<SearchReply> {
    const waiting = Promise.withResolvers<SearchReply>();
    this.#waiting = waiting;
    this.#worker.postMessage(job, transfer);
    return waiting.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate();
  }
}
