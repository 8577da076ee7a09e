/*
 * Brings the files of this node's shard here from peers.
 *
 * A loop looks through the submissions that are not finalized, in pages, and starts a task for each that peers have and
 * that nobody is uploading here right now. What a task has to bring is what the segment store lacks; there is no other
 * progress, so a node that was killed goes on where it was. A file that nobody connected has is asked for by gossip.
 * Operators start and stop tasks by the admin RPC; theirs come first.
 */
import {
  CodedError,
  errorMessage,
  isAbortError,
  type Logger,
  Loop,
  type RandomSource,
} from '@cairn/base';
import { sectorCount } from '@cairn/merkle';
import { RateLimit } from '@cairn/p2p';
import type { NodeDatabase } from '../store/node-database.ts';
import { STATE, type StoredSubmission } from '../store/submission-table.ts';
import { FileFetch, type FileFetchDeps, type FileFetchOptions } from './file-fetch.ts';
import { type SyncGoal, type SyncTask, statusText } from './sync-task.ts';

export type SyncServiceDeps = Omit<FileFetchDeps, 'isOpen'> & {
  database: NodeDatabase;
  random: RandomSource;
  log: Logger;
  onDone?: ((outcome: 'finalized' | 'failed') => void) | undefined;
};
export type SyncServiceOptions = FileFetchOptions & {
  /** Files fetched at once. */
  filesMax: number;
  /** Pause between looks. */
  intervalMs: number;
  /** A file that gained segments within this time is being uploaded, and left alone. */
  quietMs: number;
};
export const SYNC_DEFAULTS: Omit<SyncServiceOptions, 'filesMax' | 'bytesPerSecond'> = {
  requestsMax: 12,
  requestsPerPeerMax: 3,
  intervalMs: 1000,
  quietMs: 2000,
  stallMs: 30_000,
};

const PAGE_FILES = 256;
/** A file this many blocks below the head is not new: nobody is about to upload it. */
const SETTLED_BLOCKS = 16;
const RETRY_MS = 2000;
const RETRY_MS_MAX = 300_000;
const TERMINATED_MS = 600_000;
/** Reason of a task that an operator ended. */
const TERMINATED = 'terminated';
/** Gossip asks for at most this many files a second. */
const FINDS_PER_SECOND = 1;
const TASKS_MAX = 4096;

type Sighting = { missing: number; changedAt: number };

export class SyncService {
  readonly #deps: SyncServiceDeps;
  readonly #options: SyncServiceOptions;
  readonly #tasks = new Map<number, SyncTask>();
  /** What open files lacked when last looked at, to see whether somebody uploads them. */
  readonly #sightings = new Map<number, Sighting>();
  readonly #fetch: FileFetch;
  readonly #finds: RateLimit;
  readonly #loop: Loop;
  #cursor = 0;

  constructor(deps: SyncServiceDeps, options: SyncServiceOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#fetch = new FileFetch({ ...deps, isOpen: (task) => this.#isOpen(task) }, options);
    this.#finds = new RateLimit(deps.clock, FINDS_PER_SECOND);
    this.#loop = new Loop((signal) => this.#look(signal), {
      name: 'sync',
      intervalMs: options.intervalMs,
      clock: deps.clock,
      onError: (error) => deps.log.warn({ error: errorMessage(error) }, 'looking for files failed'),
    });
  }

  start(): void {
    this.#loop.start();
    this.#deps.peers.onPeer(() => this.#wake());
    this.#deps.peers.onLocation((file) => {
      const task = this.#tasks.get(file.txSeq);
      if (task?.state === 'failed') task.retryAt = this.#deps.clock.monotonic();
      this.#wake();
    });
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
    for (const { abort } of this.#tasks.values()) abort.abort(stopped());
    await Promise.all([...this.#tasks.values()].map(({ running }) => running ?? Promise.resolve()));
  }

  /** Looks now; resolves when that is done. For tests and after events. */
  trigger(): Promise<void> {
    return this.#loop.trigger();
  }

  /** There is room that was not there: what failed is tried again now. */
  retryFailed(): void {
    const now = this.#deps.clock.monotonic();
    for (const task of this.#tasks.values()) {
      if (task.state !== 'failed' || task.reason === TERMINATED) continue;
      task.retryAt = now;
      task.failures = 0;
    }
    this.#wake();
  }

  isSyncing(seq: number): boolean {
    return this.#tasks.get(seq)?.running !== undefined;
  }

  /** Fetches a file as soon as peers have it, whatever happened before. Sectors are the file's; out-of-shard ones are left. */
  request(file: StoredSubmission, range?: { startSector: number; endSector: number }): void {
    if (file.state !== STATE.receiving || this.isSyncing(file.seq)) return;
    this.#begin(file, range ? { ...range, isWhole: false } : wholeOf(file));
  }

  /** Fetches what is wanted of a finalized file beyond what finality needs; resolves when that ended, well or not. */
  async widen(file: StoredSubmission, signal: AbortSignal): Promise<void> {
    if (this.isSyncing(file.seq)) return;
    const task = this.#begin(file, wholeOf(file), true);
    const abort = (): void => task.abort.abort(stopped());
    signal.addEventListener('abort', abort, { once: true });
    await task.running;
    signal.removeEventListener('abort', abort);
    this.#tasks.delete(file.seq);
  }

  /** Ends a file's task, and leaves the file alone for a while. False when there was none. */
  terminate(seq: number): boolean {
    const task = this.#tasks.get(seq);
    if (!task?.running) return false;
    task.abort.abort(stopped());
    task.retryAt = this.#deps.clock.monotonic() + TERMINATED_MS;
    return true;
  }

  status(seq: number): string | undefined {
    const task = this.#tasks.get(seq);
    return task && statusText(task);
  }

  tasks(): SyncTask[] {
    return [...this.#tasks.values()];
  }

  /** Segments of the goal that are not here yet. */
  missingOf(task: SyncTask): number[] {
    return this.#fetch.missingOf(task);
  }

  #wake(): void {
    void this.#loop.trigger();
  }

  /** One look: a page of open files, tasks for those that should have one. */
  async #look(signal: AbortSignal): Promise<void> {
    const { submissions } = this.#deps.database;
    for (const [seq, task] of this.#tasks)
      if (!task.running && !this.#isOpen(task)) this.#tasks.delete(seq);
    if (this.#deps.peers.book.askable().length === 0) return;
    const page = submissions.receivingFrom(this.#cursor, PAGE_FILES);
    this.#cursor = page.length === PAGE_FILES ? page.at(-1)!.seq + 1 : 0;
    for (const seq of this.#sightings.keys())
      if (submissions.bySeq(seq)?.state !== STATE.receiving) this.#sightings.delete(seq);
    for (const file of page) {
      signal.throwIfAborted();
      if (this.#runningCount() >= this.#options.filesMax) {
        this.#cursor = file.seq; // go on here when there is room
        return;
      }
      if (!this.#isDue(file)) continue;
      await this.#deps.holders.refresh(file, signal);
      const missing = this.#deps.files.missing(file);
      const isWorthIt = missing.size === 0 || this.#fetch.sources(file, missing).length > 0;
      if (isWorthIt || this.#finds.tryTake()) this.#begin(file, wholeOf(file));
    }
  }

  #runningCount(): number {
    let count = 0;
    for (const { running } of this.#tasks.values()) if (running) count++;
    return count;
  }

  #isDue(file: StoredSubmission): boolean {
    const now = this.#deps.clock.monotonic();
    const task = this.#tasks.get(file.seq);
    if (task?.running || (task && task.retryAt > now)) return false;
    const missing = this.#deps.files.missing(file).size;
    const seen = this.#sightings.get(file.seq);
    if (seen?.missing !== missing) {
      if (this.#sightings.size >= TASKS_MAX)
        this.#sightings.delete(this.#sightings.keys().next().value ?? -1);
      this.#sightings.set(file.seq, { missing, changedAt: now });
      const head = this.#deps.database.progress()?.number ?? 0;
      return seen === undefined && file.block + SETTLED_BLOCKS <= head;
    }
    return now - seen.changedAt >= this.#options.quietMs;
  }

  #isOpen({ file, isWidening }: Pick<SyncTask, 'file' | 'isWidening'>): boolean {
    const { files, database } = this.#deps;
    const state = database.submissions.bySeq(file.seq)?.state;
    return (
      files.isCurrent(file) &&
      (state === STATE.receiving || (isWidening && state === STATE.finalized))
    );
  }

  #begin(file: StoredSubmission, goal: SyncGoal, isWidening = false): SyncTask {
    const known = this.#tasks.get(file.seq);
    const task: SyncTask = {
      file,
      goal,
      isWidening,
      state: 'finding',
      startedAt: this.#deps.clock.monotonic(),
      holders: 0,
      failures: known?.failures ?? 0,
      retryAt: 0,
      reason: undefined,
      abort: new AbortController(),
      running: undefined,
    };
    if (!known && this.#tasks.size >= TASKS_MAX) this.#dropOldest();
    this.#tasks.set(file.seq, task);
    task.running = this.#run(task).finally(() => {
      task.running = undefined;
      this.#wake();
    });
    return task;
  }

  #dropOldest(): void {
    for (const [seq, task] of this.#tasks)
      if (!task.running) {
        this.#tasks.delete(seq);
        return;
      }
  }

  async #run(task: SyncTask): Promise<void> {
    const { file } = task;
    const { log, clock, files } = this.#deps;
    try {
      await this.#fetch.run(task);
      // Everything may have been here already, in which case nobody else finalizes the file.
      if (task.goal.isWhole) await files.settle(file);
      this.#tasks.delete(file.seq);
      this.#sightings.delete(file.seq);
      this.#deps.onDone?.('finalized');
      log.info(
        { txSeq: file.seq, bytes: file.size, ms: Math.round(clock.monotonic() - task.startedAt) },
        'file synced from peers',
      );
    } catch (error) {
      task.state = 'failed';
      task.reason = isAbortError(error) ? TERMINATED : errorMessage(error);
      if (isAbortError(error)) return;
      task.failures++;
      const pause = Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** Math.min(20, task.failures - 1));
      task.retryAt = clock.monotonic() + pause * (0.5 + this.#deps.random.next());
      this.#deps.onDone?.('failed');
      log.debug({ txSeq: file.seq, error: errorMessage(error) }, 'a file could not be synced yet');
    }
  }
}

const wholeOf = (file: StoredSubmission): SyncGoal => ({
  startSector: 0,
  endSector: sectorCount(file.size),
  isWhole: true,
});

const stopped = (): CodedError =>
  new CodedError({ code: 'SYNC_STOPPED', kind: 'cancelled', message: 'the sync was stopped' });
