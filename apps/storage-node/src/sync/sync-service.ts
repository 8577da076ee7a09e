/*
 * Brings the files of this node's shard here from peers.
 *
 * A loop looks through the submissions that are not finalized, in pages, and starts a task for each that peers have and
 * that nobody is uploading here right now. What a task has to bring is what the segment store lacks; there is no other
 * progress, so a node that was killed goes on where it was. A file that nobody connected has is asked for by gossip.
 * Operators start and stop tasks by the admin RPC; theirs come first.
 */
import {
  type Clock,
  CodedError,
  errorMessage,
  isAbortError,
  isCodedError,
  type Logger,
  Loop,
  type RandomSource,
} from '@cairn/base';
import type { Kernels } from '@cairn/kernels';
import type { HashPool } from '@cairn/kernels/node';
import { sectorCount } from '@cairn/merkle';
import { type PeerService, RateLimit } from '@cairn/p2p';
import { BYTES_PER_SEGMENT, SECTORS_PER_SEGMENT, shardHolds } from '@cairn/protocol';
import type { Files } from '../ingest/files.ts';
import type { Ingest } from '../ingest/ingest.ts';
import type { NodeDatabase } from '../store/node-database.ts';
import { STATE, type StoredSubmission } from '../store/submission-table.ts';
import type { BulkRoutes } from './bulk.ts';
import { checkFrames } from './check.ts';
import type { Holders } from './holders.ts';
import { fetchSegments } from './segment-fetch.ts';
import { type SyncGoal, type SyncTask, statusText } from './sync-task.ts';

export type SyncServiceDeps = {
  database: NodeDatabase;
  files: Files;
  ingest: Ingest;
  peers: PeerService;
  /** Faster way for bulk bytes, where a peer has one. */
  bulk?: BulkRoutes | undefined;
  holders: Holders;
  hashPool: HashPool;
  kernels: Kernels;
  clock: Clock;
  random: RandomSource;
  log: Logger;
  onFetched?: ((bytes: number) => void) | undefined;
  onDone?: ((outcome: 'finalized' | 'failed') => void) | undefined;
};
export type SyncServiceOptions = {
  /** Files fetched at once. */
  filesMax: number;
  /** Requests in flight for one file, and for one peer over all files. */
  requestsMax: number;
  requestsPerPeerMax: number;
  /** Bytes fetched a second, over all files. */
  bytesPerSecond: number;
  /** Pause between looks. */
  intervalMs: number;
  /** A file that gained segments within this time is being uploaded, and left alone. */
  quietMs: number;
  /** Without progress for this long a task fails and is tried again later. */
  stallMs: number;
};
export const SYNC_DEFAULTS: Omit<SyncServiceOptions, 'filesMax' | 'bytesPerSecond'> = {
  requestsMax: 6,
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
  readonly #rate: RateLimit;
  readonly #finds: RateLimit;
  readonly #loop: Loop;
  #cursor = 0;

  constructor(deps: SyncServiceDeps, options: SyncServiceOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#rate = new RateLimit(deps.clock, options.bytesPerSecond);
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
  missingOf({ file, goal }: SyncTask): number[] {
    const missing = this.#deps.files.missing(file);
    const out: number[] = [];
    const end = Math.ceil(goal.endSector / SECTORS_PER_SEGMENT);
    for (let i = Math.floor(goal.startSector / SECTORS_PER_SEGMENT); i < end; i++)
      if (missing.has(i)) out.push(i);
    return out;
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
      const isWorthIt = missing.size === 0 || this.#sources(file, missing).length > 0;
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
      await this.#fetch(task);
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

  async #fetch(task: SyncTask): Promise<void> {
    const { clock, peers, holders, files, ingest, hashPool, kernels, bulk } = this.#deps;
    const { file } = task;
    const { signal } = task.abort;
    await this.#findHolders(task);
    task.state = 'downloading';
    await fetchSegments(
      {
        clock,
        peers: () => {
          const askable = new Set(peers.book.askable().map(({ peer }) => peer));
          const found = holders.of(file).filter(({ peer }) => askable.has(peer));
          task.holders = found.length;
          return found.map((known) => ({
            peer: known.peer,
            shard: known.status.shard,
            requestsInFlight: known.requestsInFlight,
            latencyMs: known.latencyMs,
          }));
        },
        ask: async (peer, indexes, within) => {
          await this.#rate.take(indexes.length * BYTES_PER_SEGMENT, within);
          if (!this.#isOpen(task)) throw noLongerOpen(file);
          const request = { txSeq: file.seq, root: file.root, indexes };
          const known = peers.book.get(peer);
          const frames =
            bulk && known
              ? await peers.exchange.alongside(peer, () => bulk.segments(known, request, within))
              : undefined;
          return frames ?? peers.exchange.segments(peer, request, { signal: within });
        },
        check: (frames, within) =>
          checkFrames({ kernels, hashPool }, file, frames, within).catch((error: unknown) => {
            if (!isCodedError(error) || error.kind !== 'invalid' || !bulk?.refused(frames))
              throw error;
            throw new CodedError({
              code: 'SYNC_BULK_ROUTE',
              kind: 'unavailable',
              message: 'the HTTP route of a peer gave other bytes; it is asked over libp2p',
              cause: error,
            });
          }),
        store: async (checked) => {
          await ingest.store(file, checked);
          this.#deps.onFetched?.(checked.reduce((sum, { data }) => sum + data.length, 0));
        },
        release: (frames) => bulk?.release(frames),
        isMissing: (index) => files.missing(file).has(index),
        report: (peer, report) => peers.exchange.report(peer, report),
        lacks: (peer) => holders.deny(peer, file),
      },
      {
        firstSegment: Math.floor(file.startSector / SECTORS_PER_SEGMENT),
        indexes: this.missingOf(task),
        requestsMax: this.#options.requestsMax,
        requestsPerPeerMax: this.#options.requestsPerPeerMax,
        stallMs: this.#options.stallMs,
        signal,
      },
    );
  }

  /**
   * Makes sure that connected peers have what is missing: asks everybody by gossip when some of it has no holder, and goes
   * on with what there is after a while. A file counts as finalized at a peer whose shard holds nothing of it, so a
   * holder is only who holds a missing segment.
   */
  async #findHolders(task: SyncTask): Promise<void> {
    const { peers, holders, clock } = this.#deps;
    const { file } = task;
    const { signal } = task.abort;
    const name = { txSeq: file.seq, root: file.root };
    await holders.refresh(file, signal);
    if (this.#isCovered(task)) return;
    await peers.findFile(name);
    const started = clock.monotonic();
    for (;;) {
      await clock.sleep(FIND_POLL_MS, signal);
      await peers.connectTo(name, { signal });
      await holders.refresh(file, signal);
      if (this.#isCovered(task)) return;
      const waited = clock.monotonic() - started;
      if (waited > COVER_MS && this.#sources(file, this.missingOf(task)).length > 0) return;
      if (waited > this.#options.stallMs)
        throw new CodedError({
          code: 'SYNC_NO_PEERS',
          kind: 'unavailable',
          message: 'TimeoutFindFile',
        });
    }
  }

  /** True when each missing segment has a holder. */
  #isCovered(task: SyncTask): boolean {
    const first = Math.floor(task.file.startSector / SECTORS_PER_SEGMENT);
    const shards = this.#deps.holders.of(task.file).map(({ status }) => status.shard);
    return this.missingOf(task).every((index) =>
      shards.some((shard) => shardHolds(shard, first + index)),
    );
  }

  /** Peers that have the file and hold one of these segments of it. */
  #sources(file: StoredSubmission, indexes: Iterable<number>): ReturnType<Holders['of']> {
    const first = Math.floor(file.startSector / SECTORS_PER_SEGMENT);
    const wanted = [...indexes];
    return this.#deps.holders
      .of(file)
      .filter(({ status }) => wanted.some((index) => shardHolds(status.shard, first + index)));
  }
}

const wholeOf = (file: StoredSubmission): SyncGoal => ({
  startSector: 0,
  endSector: sectorCount(file.size),
  isWhole: true,
});

/** How long a file with a holder for some of its segments waits for holders of the others. */
const COVER_MS = 3000;
const FIND_POLL_MS = 250;

const stopped = (): CodedError =>
  new CodedError({ code: 'SYNC_STOPPED', kind: 'cancelled', message: 'the sync was stopped' });

const noLongerOpen = (file: StoredSubmission): CodedError =>
  new CodedError({
    code: 'SYNC_ENDED',
    kind: 'cancelled',
    message: `submission ${file.seq} is finalized or gone`,
  });
