/*
 * Replays pending batches in order. Downloads of the next few run side by side; everything that is ready is decided in one
 * transaction, each batch on the state that the one before it left: values, roles, result, root and progress are written
 * together or not at all.
 *
 * A download that fails is tried again for ever, so a batch nobody has blocks the streams behind it. Only with
 * `maxDownloadRetries` it is given up, with the result `DownloadFailed`, and then this node differs from others.
 */
import { type Clock, errorMessage, type Logger, Loop } from '@cairn/base';
import { isSenderRefused, RESULT, type ReplayOutcome, replayBatch } from '@cairn/kv';
import type { KvState } from '../store/kv-state.ts';
import type { PendingBatch } from '../store/log-table.ts';
import type { BatchFetcher, FetchedBatch } from './fetcher.ts';

export type ReplayerDeps = {
  state: KvState;
  fetcher: BatchFetcher;
  clock: Clock;
  log: Logger;
  /** Batches below `applied` are decided. */
  onApplied: (applied: number) => void;
  onBatch?: ((result: string, keys: number) => void) | undefined;
  onFetchFailed?: (() => void) | undefined;
};
export type ReplayerOptions = {
  /** Downloads at once, and batches decided in one transaction. */
  parallel: number;
  /** 0 tries for ever. */
  maxDownloadRetries: number;
  retryMs: number;
  retryMsMax: number;
};

/** Bytes of batches that are decided in one transaction, beyond the first. */
const GROUP_BYTES_MAX = 16 * 1024 * 1024;
/** Failures of one batch between warnings. */
const WARN_EVERY = 20;

type Fetch = {
  batch: PendingBatch;
  attempts: number;
  result: FetchedBatch | 'failed' | undefined;
  /** Why the last attempt failed. */
  error?: string;
  abort: AbortController;
  done: Promise<void>;
};
export type Blocked = { seq: number; attempts: number; error: string };

export class Replayer {
  readonly #deps: ReplayerDeps;
  readonly #options: ReplayerOptions;
  readonly #loop: Loop;
  readonly #fetches = new Map<number, Fetch>();
  #woken = Promise.withResolvers<void>();

  constructor(deps: ReplayerDeps, options: ReplayerOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#loop = new Loop((signal) => this.drain(signal), {
      name: 'replay',
      intervalMs: 1000,
      clock: deps.clock,
      onError: (error) => deps.log.error({ error: errorMessage(error) }, 'replay step failed'),
    });
  }

  start(): void {
    this.#loop.start();
  }

  async stop(): Promise<void> {
    for (const fetch of this.#fetches.values()) fetch.abort.abort();
    await this.#loop.stop();
    await Promise.all([...this.#fetches.values()].map((fetch) => this.#dispose(fetch)));
  }

  /** The queue may have changed: more is pending, or what was pending is gone. */
  wake(): void {
    this.#woken.resolve();
    this.#woken = Promise.withResolvers();
    void this.#loop.trigger();
  }

  /** The batch that cannot be fetched and blocks what comes after it. */
  blocked(): Blocked | undefined {
    const [head] = this.#deps.state.log.pending(1);
    const fetch = head && this.#fetches.get(head.seq);
    if (!head || !fetch?.error || fetch.result) return undefined;
    return { seq: head.seq, attempts: fetch.attempts, error: fetch.error };
  }

  /** Decides what is pending until nothing is; what the loop does at every turn. */
  async drain(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const pending = this.#deps.state.log.pending(this.#options.parallel);
      await this.#forgetStale(pending);
      const head = pending[0];
      if (!head) return;
      this.#startFetches(pending);
      const fetch = this.#fetches.get(head.seq);
      if (fetch && fetch.result === undefined) {
        await Promise.race([fetch.done, this.#woken.promise]);
        continue; // the queue may have changed meanwhile
      }
      this.#decide(pending);
    }
  }

  /** A sender who may not write is refused without a download, as soon as its batch is the next. */
  #isRefused(batch: PendingBatch): boolean {
    const view = this.#deps.state.viewBefore(batch.seq);
    return isSenderRefused(view, batch.sender, batch.streamIds);
  }

  #startFetches(pending: readonly PendingBatch[]): void {
    for (const batch of pending) {
      // One who may not write now may be let in by a batch in between; that one is fetched when its turn comes.
      if (this.#fetches.has(batch.seq) || this.#isRefused(batch)) continue;
      const fetch: Fetch = {
        batch,
        attempts: 0,
        result: undefined,
        abort: new AbortController(),
        done: Promise.resolve(),
      };
      fetch.done = this.#fetch(fetch);
      this.#fetches.set(batch.seq, fetch);
    }
  }

  async #fetch(fetch: Fetch): Promise<void> {
    const { fetcher, clock, log, onFetchFailed } = this.#deps;
    const { maxDownloadRetries, retryMs, retryMsMax } = this.#options;
    const { batch } = fetch;
    const { signal } = fetch.abort;
    while (!signal.aborted) {
      try {
        fetch.result = await fetcher.fetch(batch, signal);
        return;
      } catch (error) {
        if (signal.aborted) return;
        fetch.attempts++;
        fetch.error = errorMessage(error);
        onFetchFailed?.();
        const fields = { txSeq: batch.seq, attempts: fetch.attempts, error: fetch.error };
        if (fetch.attempts % WARN_EVERY === 0) log.warn(fields, 'a batch cannot be fetched');
        else log.debug(fields, 'a batch cannot be fetched yet');
        if (maxDownloadRetries > 0 && fetch.attempts > maxDownloadRetries) {
          log.warn(fields, 'gave a batch up, as told');
          fetch.result = 'failed';
          return;
        }
        const pause = Math.min(retryMsMax, retryMs * 2 ** Math.min(fetch.attempts - 1, 20));
        await clock.sleep(pause, signal).catch(() => {});
      }
    }
  }

  /** Decides the head and what is ready behind it. Synchronous: nothing can change in between. */
  #decide(pending: readonly PendingBatch[]): void {
    const { state, onApplied, onBatch } = this.#deps;
    const decided: { fetch: Fetch | undefined; result: string; keys: number }[] = [];
    let bytes = 0;
    state.transaction(() => {
      for (const batch of pending) {
        const fetch = this.#fetches.get(batch.seq);
        if (fetch && fetch.result === undefined) break;
        // Without a fetch it was refused when it was looked at; a batch before it may have let its sender in.
        if (!fetch && !this.#isRefused(batch)) break;
        bytes += batch.size;
        if (decided.length > 0 && bytes > GROUP_BYTES_MAX) break;
        const outcome = this.#replay(batch, fetch?.result);
        const source = typeof fetch?.result === 'object' ? fetch.result.source : undefined;
        state.applyDecided(batch, outcome, source);
        decided.push({
          fetch,
          result: outcome.kind === 'commit' ? RESULT.commit : outcome.result,
          keys: outcome.kind === 'commit' ? outcome.writes.length : 0,
        });
      }
    });
    for (const { fetch, result, keys } of decided) {
      if (fetch) {
        this.#fetches.delete(fetch.batch.seq);
        if (typeof fetch.result === 'object') fetch.result[Symbol.dispose]();
      }
      onBatch?.(result, keys);
    }
    if (decided.length > 0) onApplied(state.log.applied());
  }

  #replay(batch: PendingBatch, fetched: Fetch['result']): ReplayOutcome {
    const view = this.#deps.state.viewBefore(batch.seq);
    if (typeof fetched !== 'object') {
      const isRefused = isSenderRefused(view, batch.sender, batch.streamIds);
      const result = isRefused ? RESULT.senderNoPermission : RESULT.downloadFailed;
      return { kind: 'refused', result };
    }
    const { source: data, headerBytes } = fetched;
    const { sender, streamIds } = batch;
    return replayBatch(view, { sender, streamIds, data, headerBytes });
  }

  /** Drops downloads of batches that a reorg or a dropped stream took away. */
  async #forgetStale(pending: readonly PendingBatch[]): Promise<void> {
    const wanted = new Map(pending.map((batch) => [batch.seq, batch.txHash]));
    for (const [seq, fetch] of this.#fetches) {
      if (wanted.get(seq) === fetch.batch.txHash) continue;
      this.#fetches.delete(seq);
      await this.#dispose(fetch);
    }
  }

  async #dispose(fetch: Fetch): Promise<void> {
    fetch.abort.abort();
    await fetch.done;
    if (typeof fetch.result === 'object') fetch.result[Symbol.dispose]();
  }
}
