/*
 * Fetches segments of one file from several peers at once. Every answer is checked against the root before it is stored;
 * who lied is reported and its segments go to others; who stays silent or lacks a segment is not asked for it again soon.
 *
 * Requests take up to 8 segments each. A peer gets a few at a time, the idlest and fastest first. Nothing is asked twice at
 * once. The file's state is only what the segment store has, so a kill in the middle loses what was in flight and no more.
 */
import { type Clock, CodedError, isAbortError, isCodedError } from '@cairn/base';
import { type PeerId, SEGMENTS_PER_REQUEST_MAX } from '@cairn/p2p';
import { type SegmentFrame, type ShardConfig, shardHolds } from '@cairn/protocol';
import type { CheckedSegment } from '../ingest/memory-pool.ts';

export type FetchPeer = {
  peer: PeerId;
  shard: ShardConfig;
  requestsInFlight: number;
  latencyMs: number;
};
export type FetchDeps = {
  clock: Clock;
  /** Peers that may be asked now. */
  peers(): readonly FetchPeer[];
  /** Segments of the file from one peer, unchecked. */
  ask(peer: PeerId, indexes: readonly number[], signal: AbortSignal): Promise<SegmentFrame[]>;
  /** Throws kind `invalid` when the bytes are not the file's. */
  check(frames: readonly SegmentFrame[], signal: AbortSignal): Promise<CheckedSegment[]>;
  /** Returns when they are on disk. */
  store(checked: readonly CheckedSegment[]): Promise<void>;
  /** Nobody reads these frames any more. */
  release?: ((frames: readonly SegmentFrame[]) => void) | undefined;
  /** Whether the segment still has to come; it may have been uploaded meanwhile. */
  isMissing(index: number): boolean;
  report(peer: PeerId, report: 'useful' | 'lied'): void;
  /** The peer did not have what it was thought to have. */
  lacks?: ((peer: PeerId) => void) | undefined;
};
export type FetchOptions = {
  /** Segment of the flow in which the file begins. */
  firstSegment: number;
  indexes: Iterable<number>;
  /** Requests in flight for this file, and for one peer over all files. */
  requestsMax: number;
  requestsPerPeerMax: number;
  /** Without a new segment for this long the fetch gives up. */
  stallMs: number;
  signal: AbortSignal;
};

/** How long a peer that refused or failed is left alone, doubling with each time. */
const REST_MS = 250;
const REST_MS_MAX = 8000;
const POLL_MS = 100;
/** How long a fetch waits when nobody is asked and nobody rests: a peer may just be coming. */
const NO_SOURCE_MS = 5000;

type Standing = {
  lacks: Set<number>;
  restUntil: number;
  failures: number;
  /** Questions of this fetch that were not answered yet, those that still wait for the rate included. */
  asking: number;
};

/** Resolves when nothing is missing any more. Throws `SYNC_NO_PEERS`, store errors, or the signal's reason. */
export async function fetchSegments(deps: FetchDeps, options: FetchOptions): Promise<void> {
  await new SegmentFetch(deps, options).run();
}

class SegmentFetch {
  readonly #deps: FetchDeps;
  readonly #options: FetchOptions;
  readonly #queue: Set<number>;
  readonly #standings = new Map<PeerId, Standing>();
  readonly #active = new Set<Promise<void>>();
  readonly #abort = new AbortController();
  #failure: { error: unknown } | undefined;
  /** Called when a peer became free: its answer is here, whatever still happens to the bytes. */
  #answered: () => void = () => {};
  #progressAt: number;

  constructor(deps: FetchDeps, options: FetchOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#queue = new Set(options.indexes);
    this.#progressAt = deps.clock.monotonic();
  }

  async run(): Promise<void> {
    const { clock } = this.#deps;
    const signal = AbortSignal.any([this.#options.signal, this.#abort.signal]);
    try {
      for (;;) {
        signal.throwIfAborted();
        this.#fill(signal);
        if (this.#active.size === 0 && this.#queue.size === 0) return;
        const idleMs = clock.monotonic() - this.#progressAt;
        if (idleMs > this.#options.stallMs) throw this.#noPeers();
        if (idleMs > NO_SOURCE_MS && this.#active.size === 0 && !this.#isAnyResting())
          throw this.#noPeers();
        // A peer may come, or end its rest, while others are busy.
        await this.#nextEvent(signal);
        if (this.#failure) throw this.#failure.error;
      }
    } finally {
      this.#abort.abort(
        new CodedError({ code: 'SYNC_ENDED', kind: 'cancelled', message: 'the fetch ended' }),
      );
      await Promise.all(this.#active);
    }
  }

  #fill(signal: AbortSignal): void {
    while (this.#active.size < this.#options.requestsMax) {
      const next = this.#choose();
      if (!next) return;
      for (const index of next.indexes) this.#queue.delete(index);
      const task = this.#request(next.peer, next.indexes, signal).finally(() =>
        this.#active.delete(task),
      );
      this.#active.add(task);
    }
  }

  /** The idlest peer that holds something that is wanted, and what to ask it for. */
  #choose(): { peer: PeerId; indexes: number[] } | undefined {
    const now = this.#deps.clock.monotonic();
    const busy = ({ peer, requestsInFlight }: FetchPeer): number =>
      Math.max(requestsInFlight, this.#standings.get(peer)?.asking ?? 0);
    const ready = this.#deps
      .peers()
      .filter(
        (one) =>
          busy(one) < this.#options.requestsPerPeerMax &&
          (this.#standings.get(one.peer)?.restUntil ?? 0) <= now,
      )
      .toSorted((a, b) => busy(a) - busy(b) || a.latencyMs - b.latencyMs);
    for (const { peer, shard } of ready) {
      const lacks = this.#standings.get(peer)?.lacks;
      const indexes: number[] = [];
      for (const index of this.#queue) {
        if (!this.#deps.isMissing(index)) {
          this.#queue.delete(index);
          continue;
        }
        if (lacks?.has(index) || !shardHolds(shard, this.#options.firstSegment + index)) continue;
        indexes.push(index);
        if (indexes.length === SEGMENTS_PER_REQUEST_MAX) break;
      }
      if (indexes.length > 0) return { peer, indexes };
    }
    return undefined;
  }

  async #request(peer: PeerId, indexes: readonly number[], signal: AbortSignal): Promise<void> {
    const standing = this.#standing(peer);
    let stored: readonly CheckedSegment[] = [];
    let frames: readonly SegmentFrame[] | undefined;
    try {
      standing.asking++;
      frames = await this.#deps.ask(peer, indexes, signal).finally(() => {
        standing.asking--;
      });
      this.#answered();
      const checked = await this.#checked(peer, frames, signal);
      if (checked.length > 0) await this.#stored(checked);
      stored = checked;
      if (stored.length > 0) {
        standing.failures = 0;
        this.#progressAt = this.#deps.clock.monotonic();
        this.#deps.report(peer, 'useful');
      }
      const got = new Set(stored.map(({ index }) => index));
      for (const index of indexes) if (!got.has(index)) standing.lacks.add(index);
      if (got.size < indexes.length) this.#deps.lacks?.(peer);
    } catch (error) {
      if (!isAbortError(error)) {
        standing.failures++;
        standing.restUntil =
          this.#deps.clock.monotonic() +
          Math.min(REST_MS_MAX, REST_MS * 2 ** (standing.failures - 1));
      }
    } finally {
      if (frames) this.#deps.release?.(frames);
      const got = new Set(stored.map(({ index }) => index));
      for (const index of indexes) if (!got.has(index)) this.#queue.add(index);
    }
  }

  async #checked(
    peer: PeerId,
    frames: readonly SegmentFrame[],
    signal: AbortSignal,
  ): Promise<CheckedSegment[]> {
    try {
      return await this.#deps.check(frames, signal);
    } catch (error) {
      if (isCodedError(error) && error.kind === 'invalid') this.#deps.report(peer, 'lied');
      throw error;
    }
  }

  /** A failure to store is ours, not the peer's: it ends the fetch. */
  async #stored(checked: readonly CheckedSegment[]): Promise<void> {
    try {
      await this.#deps.store(checked);
    } catch (error) {
      this.#failure ??= { error };
      throw error;
    }
  }

  async #nextEvent(signal: AbortSignal): Promise<void> {
    const wake = new AbortController();
    const pause = this.#deps.clock
      .sleep(POLL_MS, AbortSignal.any([signal, wake.signal]))
      .catch(() => {});
    const answered = new Promise<void>((resolve) => {
      this.#answered = resolve;
    });
    await Promise.race([...this.#active, answered, pause]);
    wake.abort();
    await pause;
  }

  #isAnyResting(): boolean {
    const now = this.#deps.clock.monotonic();
    return [...this.#standings.values()].some(({ restUntil }) => restUntil > now);
  }

  #standing(peer: PeerId): Standing {
    let standing = this.#standings.get(peer);
    if (!standing) {
      standing = { lacks: new Set(), restUntil: 0, failures: 0, asking: 0 };
      this.#standings.set(peer, standing);
    }
    return standing;
  }

  #noPeers(): CodedError {
    return new CodedError({
      code: 'SYNC_NO_PEERS',
      kind: 'unavailable',
      message: `no peer gives the ${this.#queue.size} segments that are still missing`,
      details: { missing: this.#queue.size },
    });
  }
}
