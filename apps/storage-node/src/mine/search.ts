/*
 * The search: threads draw nonces, make their pads, and hash the loads they recall, of whatever tasks there are.
 *
 * Each thread has one lane here, which draws batches of nonces and says where the loads they recall are; the threads read those
 * loads from the volumes by themselves, so no sealed byte passes through the node's own thread (docs/adr/0004). A thread looks
 * whether its task stands before every load, so a new block of work waits for one load (below a millisecond of hashing), not for
 * a batch. With `cpuPercent` below 100 a lane sleeps in proportion to the CPU time that its thread spent.
 */
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
  type RecallRange,
  SEALS_PER_LOAD,
  SECTORS_PER_LOAD,
  seedBase,
  u256,
  type Work,
} from '@cairn/pora';
import type { SlotTicket } from '@cairn/store/slot-reader';
import { type DrawnBatch, SearchThread } from './search-thread.ts';
import type { LoadPlaces, SearchedReply } from './search-worker.ts';

/** What one miner id works on; replaced whole when anything of it changes. */
export type SearchTask = {
  minerId: Hash32;
  work: Work;
  range: RecallRange;
  threshold: bigint;
  /** Folder of the volumes that have the sealed bytes. */
  dir: string;
  /** Where a load of the flow is, as the index says now; undefined when nothing of it is held sealed. */
  place(load: number): SlotTicket | undefined;
  /** The bytes that a thread read of a load were not those of its place. */
  onUnsound(load: number): void;
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
  /** Whether threads start reads ahead; by default when loads come from a disk. */
  readAhead?: boolean | undefined;
};

const BATCH_NONCES = 16;
const RESTART_MS = 1000;
/** While data comes in, the search takes this part of its share: a thread of low priority still ends its slice first. */
const YIELD_SHARE = 1 / 8;
/** So long after the last of it. */
const YIELD_MS = 500;

/** A batch that was drawn and not searched yet. */
type Batch = DrawnBatch & { task: SearchTask; nonces: Uint8Array };

export class Search {
  readonly #deps: SearchDeps;
  readonly #options: SearchOptions;
  readonly #tasks = new Map<Hash32, SearchTask>();
  readonly #threads = new Set<SearchThread>();
  readonly #abort = new AbortController();
  #wake = Promise.withResolvers<void>();
  #lanes: Promise<void>[] = [];
  #turn = 0;
  #yieldUntil = 0;

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

  /** Sets or ends what an id works on; threads notice before their next load. */
  setTask(minerId: Hash32, task: SearchTask | undefined): void {
    if (!task && !this.#tasks.has(minerId)) return;
    if (task) this.#tasks.set(minerId, task);
    else this.#tasks.delete(minerId);
    for (const thread of this.#threads) thread.cancel();
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  /** Data is coming in, which goes first for a while. */
  yield(): void {
    this.#yieldUntil = this.#deps.clock.monotonic() + YIELD_MS;
  }

  get #cpuPercent(): number {
    const isYielding = this.#deps.clock.monotonic() < this.#yieldUntil;
    return this.#options.cpuPercent * (isYielding ? YIELD_SHARE : 1);
  }

  /** Runs a thread until the end; a thread that dies is replaced. */
  async #lane(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      try {
        const { backend, readAhead } = this.#options;
        await using thread = await SearchThread.start({ backend, readAhead }, signal);
        this.#threads.add(thread);
        try {
          await this.#mine(thread, signal);
        } finally {
          this.#threads.delete(thread);
        }
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

  /** Keeps a thread at work: the pads of the next batch are asked for before the search of the one that is drawn. */
  async #mine(thread: SearchThread, signal: AbortSignal): Promise<void> {
    let batch: Batch | undefined;
    let searching: Promise<number> | undefined;
    while (!signal.aborted) {
      const drawing = quiet(this.#draw(thread));
      const search: Promise<number> | undefined = batch && quiet(this.#search(thread, batch));
      await searching;
      searching = search;
      batch = await drawing;
      if (!batch) {
        await searching;
        searching = undefined;
        if (this.#tasks.size === 0) await this.#wake.promise;
        continue;
      }
      const cpuPercent = this.#cpuPercent;
      if (cpuPercent < 100) {
        const busyMs = batch.busyMs + ((await searching) ?? 0);
        searching = undefined;
        await this.#deps.clock.sleep(busyMs * (100 / cpuPercent - 1), signal).catch(() => {});
      }
    }
  }

  /** A batch of the next task in turn; undefined when there is none. */
  async #draw(thread: SearchThread): Promise<Batch | undefined> {
    const tasks = [...this.#tasks.values()];
    const task = tasks[this.#turn++ % Math.max(1, tasks.length)];
    if (!task) return undefined;
    const { range, work, minerId } = task;
    const nonces = this.#deps.random.bytes(32 * BATCH_NONCES);
    const base = seedBase({ minerId, subtaskDigest: work.subtaskDigest, range });
    return { ...(await thread.draw({ base, range, nonces })), task, nonces };
  }

  /** Searches what is held of a batch; resolves to the milliseconds that the thread computed. */
  async #search(thread: SearchThread, batch: Batch): Promise<number> {
    const { task } = batch;
    if (!this.#isCurrent(task)) return 0;
    const places = placesOf(batch);
    const target = u256(task.threshold);
    const found = await thread.search(batch, { dir: task.dir, target, places });
    this.#report(batch, found);
    return found.busyMs;
  }

  #report({ task, nonces, recalled }: Batch, found: SearchedReply): void {
    this.#deps.onWorked({ nonces: BATCH_NONCES, loads: found.loads });
    if (!this.#isCurrent(task)) return;
    for (const index of found.unsound) task.onUnsound(flowLoad(task, recalled[index]!));
    for (const { index, sealOffset, sealedData } of found.hits) {
      this.#deps.onHit({
        task,
        nonce: bytesToHash32(nonces.subarray(32 * index, 32 * index + 32)),
        loadStart: flowLoad(task, recalled[index]!) * SECTORS_PER_LOAD,
        sealOffset,
        sealedData,
      });
    }
  }

  #isCurrent(task: SearchTask): boolean {
    return !this.#abort.signal.aborted && this.#tasks.get(task.minerId) === task;
  }
}

/** A promise whose failure is met later, when its turn comes. */
function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** Index in the flow of a load that is counted from the start of the range. */
function flowLoad({ range }: SearchTask, load: number): number {
  return range.startPosition / SECTORS_PER_LOAD + load;
}

/** Where the recalled loads are; those that are not held cost nothing more, their nonces are over. */
function placesOf({ task, recalled }: Batch): LoadPlaces {
  const held = recalled.flatMap((load, index) => {
    const ticket = load === undefined ? undefined : task.place(flowLoad(task, load));
    return ticket ? [{ index, ticket }] : [];
  });
  const present = new Uint8Array(8 * held.length);
  const checksums = new Uint32Array(SEALS_PER_LOAD * held.length);
  for (const [i, { ticket }] of held.entries()) {
    present.set(ticket.blocks, 8 * i);
    checksums.set(ticket.checksums, SEALS_PER_LOAD * i);
  }
  return {
    indexes: held.map(({ index }) => index),
    volumes: held.map(({ ticket }) => ticket.volume),
    offsets: held.map(({ ticket }) => ticket.offset),
    present,
    checksums,
  };
}
