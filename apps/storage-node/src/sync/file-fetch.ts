/*
 * Brings one file: finds who has what is missing of it, then fetches it from several of them at once, by the binary route of a peer
 * where there is one, over libp2p else. Every segment is checked against the root before it is stored.
 */
import { type Clock, CodedError, isCodedError } from '@cairn/base';
import type { Kernels } from '@cairn/kernels';
import type { HashPool } from '@cairn/kernels/node';
import { type PeerService, RateLimit } from '@cairn/p2p';
import { BYTES_PER_SEGMENT, SECTORS_PER_SEGMENT, shardHolds } from '@cairn/protocol';
import type { Files } from '../ingest/files.ts';
import type { Ingest } from '../ingest/ingest.ts';
import type { StoredSubmission } from '../store/submission-table.ts';
import type { BulkRoutes } from './bulk.ts';
import { checkFrames } from './check.ts';
import type { Holders } from './holders.ts';
import { fetchSegments } from './segment-fetch.ts';
import type { SyncTask } from './sync-task.ts';

export type FileFetchDeps = {
  files: Files;
  ingest: Ingest;
  peers: PeerService;
  /** Faster way for bulk bytes, where a peer has one. */
  bulk?: BulkRoutes | undefined;
  holders: Holders;
  hashPool: HashPool;
  kernels: Kernels;
  clock: Clock;
  onFetched?: ((bytes: number) => void) | undefined;
  /** Whether the task's file still has to be brought. */
  isOpen: (task: SyncTask) => boolean;
};
export type FileFetchOptions = {
  /**
   * Requests in flight for one file, from the question until what came is on disk; for one peer over all files, on the wire. The
   * first is several times the second, so that the wire is busy while the disk syncs.
   */
  requestsMax: number;
  requestsPerPeerMax: number;
  /** Bytes fetched a second, over all files. */
  bytesPerSecond: number;
  /** Without progress for this long a task fails and is tried again later. */
  stallMs: number;
};

/** How long a file with a holder for some of its segments waits for holders of the others. */
const COVER_MS = 3000;
const FIND_POLL_MS = 250;

export class FileFetch {
  readonly #deps: FileFetchDeps;
  readonly #options: FileFetchOptions;
  readonly #rate: RateLimit;

  constructor(deps: FileFetchDeps, options: FileFetchOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#rate = new RateLimit(deps.clock, options.bytesPerSecond);
  }

  /** Brings what is missing of the task's goal. Throws `SYNC_NO_PEERS`, store errors, or the signal's reason. */
  async run(task: SyncTask): Promise<void> {
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
          if (!this.#deps.isOpen(task)) throw noLongerOpen(file);
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
      if (waited > COVER_MS && this.sources(file, this.missingOf(task)).length > 0) return;
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
  sources(file: StoredSubmission, indexes: Iterable<number>): ReturnType<Holders['of']> {
    const first = Math.floor(file.startSector / SECTORS_PER_SEGMENT);
    const wanted = [...indexes];
    return this.#deps.holders
      .of(file)
      .filter(({ status }) => wanted.some((index) => shardHolds(status.shard, first + index)));
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
}

const noLongerOpen = (file: StoredSubmission): CodedError =>
  new CodedError({
    code: 'SYNC_ENDED',
    kind: 'cancelled',
    message: `submission ${file.seq} is finalized or gone`,
  });
