/*
 * Rebuilds what this node lacks of coded files when no peer has a copy any more (spec/storage-erasure.md section 5).
 *
 * Sync copies; this comes after it. A file that stays short of segments for `delayMs` without gaining any, and that is half of a
 * coded pair, is looked at stripe by stripe: what a peer could give is left to sync, the rest is rebuilt from any 16 fragments.
 * A stripe that still has more fragments than the threshold waits `lazyMs`, since one read of 16 then rebuilds more at once, unless
 * it needs few reads anyway (the end of a file, of which zeros are known).
 * Nodes that lack the same take turns by rank, so that the first rebuilds and the others copy from it. Progress is what the store
 * has: a kill in the middle costs the stripe that was being rebuilt.
 */
import { type Clock, CodedError, errorMessage, type Logger, Loop } from '@cairn/base';
import {
  type CodedFileKind,
  fragmentPlace,
  type ProvenSegment,
  recoverStripe,
  recoverUnused,
  STRIPE_DATA,
} from '@cairn/erasure';
import type { Kernels } from '@cairn/kernels';
import type { HashPool } from '@cairn/kernels/node';
import { type PeerService, RateLimit } from '@cairn/p2p';
import { shardsIntersect } from '@cairn/protocol';
import type { Files } from '../ingest/files.ts';
import type { Ingest } from '../ingest/ingest.ts';
import type { Reader } from '../serve/reader.ts';
import type { NodeDatabase } from '../store/node-database.ts';
import { STATE, type StoredSubmission } from '../store/submission-table.ts';
import type { Holders } from '../sync/holders.ts';
import {
  type CodedPair,
  codedFileOf,
  groupByStripe,
  lazyThreshold,
  pairsOf,
} from './coded-pair.ts';
import { rankOf } from './election.ts';
import { PeerFragments } from './peer-fragments.ts';

export type RepairerDeps = {
  database: NodeDatabase;
  files: Files;
  ingest: Ingest;
  reader: Reader;
  peers: PeerService;
  holders: Holders;
  hashPool: HashPool;
  kernels: Kernels;
  clock: Clock;
  log: Logger;
  onRead?: ((bytes: number) => void) | undefined;
  onRebuilt?: ((segments: number) => void) | undefined;
  onFailed?: (() => void) | undefined;
};
export type RepairerOptions = {
  /** Without a new segment for this long, a file is repaired. */
  delayMs: number;
  /** The same while a stripe has more fragments than the threshold. */
  lazyMs: number;
  /** How much longer the second of those that lack the same waits than the first. */
  turnMs: number;
  /** Pause between looks. */
  intervalMs: number;
  /** Bytes read from peers a second. */
  bytesPerSecond: number;
};
export const REPAIR_DEFAULTS: Pick<RepairerOptions, 'intervalMs'> = { intervalMs: 2000 };

const PAGE_FILES = 64;
const SIGHTINGS_MAX = 4096;
/** Pairs that turned out not to be one, remembered so that they are not read again. */
const REFUSED_MAX = 1024;
const RETRY_MS = 5000;
const RETRY_MS_MAX = 300_000;
/** Between looks at a file of which every lost stripe waits for more losses. */
const WAIT_MS = 30_000;

/** What one segment may cost when nothing hurries: 16 reads for 10, as at the threshold. */
const READS_PER_SEGMENT = 1.6;

type Sighting = { missing: number; changedAt: number; failures: number; retryAt: number };
type Outcome = 'whole' | 'waiting' | 'failed';

export class Repairer {
  readonly #deps: RepairerDeps;
  readonly #options: RepairerOptions;
  readonly #rate: RateLimit;
  readonly #sightings = new Map<number, Sighting>();
  readonly #refused = new Set<string>();
  readonly #loop: Loop;
  #cursor = 0;

  constructor(deps: RepairerDeps, options: RepairerOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#rate = new RateLimit(deps.clock, options.bytesPerSecond);
    this.#loop = new Loop((signal) => this.#look(signal), {
      name: 'repair',
      intervalMs: options.intervalMs,
      clock: deps.clock,
      onError: (error) => deps.log.warn({ error: errorMessage(error) }, 'repairing failed'),
    });
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  /** One look: a page of open files; those that are due are repaired one after the other. */
  async #look(signal: AbortSignal): Promise<void> {
    const { submissions } = this.#deps.database;
    for (const seq of this.#sightings.keys())
      if (submissions.bySeq(seq)?.state !== STATE.receiving) this.#sightings.delete(seq);
    const page = submissions.receivingFrom(this.#cursor, PAGE_FILES);
    this.#cursor = page.length === PAGE_FILES ? page.at(-1)!.seq + 1 : 0;
    for (const file of page) {
      signal.throwIfAborted();
      const quietMs = this.#quietMs(file);
      if (quietMs < this.#options.delayMs) continue;
      const pair = pairsOf(this.#deps.database, file).find((one) => !this.#refused.has(key(one)));
      if (!pair) continue;
      // Every wait is longer by our turn, so that who comes first has time to be copied from.
      const waitedMs = quietMs - this.#turn(pair) * this.#options.turnMs;
      if (waitedMs >= this.#options.delayMs) await this.#repair(file, pair, waitedMs, signal);
    }
  }

  /** How long the file gained nothing; 0 while it is not to be tried again yet. */
  #quietMs(file: StoredSubmission): number {
    const now = this.#deps.clock.monotonic();
    const missing = this.#deps.files.missing(file).size;
    const seen = this.#sightings.get(file.seq);
    if (seen?.missing === missing) return seen.retryAt > now ? 0 : now - seen.changedAt;
    if (!seen && this.#sightings.size >= SIGHTINGS_MAX)
      this.#sightings.delete(this.#sightings.keys().next().value ?? -1);
    this.#sightings.set(file.seq, { missing, changedAt: now, failures: 0, retryAt: 0 });
    return 0;
  }

  /** Place among the connected nodes of our shard that lack the data or the parity too. */
  #turn({ data, parity }: CodedPair): number {
    const { peers, holders, files, kernels } = this.#deps;
    const whole = [data, parity].map((file) => new Set(holders.of(file).map(({ peer }) => peer)));
    const others = peers.book
      .ready()
      .filter(
        ({ peer, status }) =>
          shardsIntersect(status.shard, files.shard) && !whole.every((set) => set.has(peer)),
      )
      .map(({ peer }) => peer as string);
    return rankOf(kernels, { self: peers.peerId, others }, data.root);
  }

  async #repair(
    file: StoredSubmission,
    pair: CodedPair,
    waitedMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, log, holders } = this.#deps;
    await Promise.all([holders.refresh(pair.data, signal), holders.refresh(pair.parity, signal)]);
    const started = clock.monotonic();
    const outcome = await this.#rebuild(pair, waitedMs, signal);
    const fields = { txSeq: pair.data.seq, parityTxSeq: pair.parity.seq };
    if (outcome === 'whole')
      log.info({ ...fields, ms: Math.round(clock.monotonic() - started) }, 'coded file repaired');
    const seen = this.#sightings.get(file.seq);
    if (outcome === 'failed') this.#deps.onFailed?.();
    if (outcome === 'whole' || !seen) return;
    if (outcome === 'failed') seen.failures++;
    const pauseMs =
      outcome === 'failed'
        ? Math.min(RETRY_MS_MAX, RETRY_MS * 2 ** Math.min(20, seen.failures - 1))
        : Math.min(WAIT_MS, Math.max(0, this.#options.lazyMs - waitedMs));
    seen.retryAt = clock.monotonic() + pauseMs;
  }

  async #rebuild(pair: CodedPair, waitedMs: number, signal: AbortSignal): Promise<Outcome> {
    const { files, log, hashPool, kernels } = this.#deps;
    const { layout } = pair;
    const source = new PeerFragments({ ...this.#deps, rate: this.#rate }, pair);
    const lacking = (kind: CodedFileKind): number[] =>
      this.#isOpen(pair[kind])
        ? [...files.missing(pair[kind])].filter((index) => !source.isElsewhere(kind, index))
        : [];
    const { stripes, unused } = groupByStripe(layout, {
      data: lacking('data'),
      parity: lacking('parity'),
    });
    const deps = {
      kernels,
      source,
      segmentRoot: (data: Uint8Array, lastLeafCount: number, within: AbortSignal) =>
        hashPool.segmentRoots(data, { lastLeafCount, signal: within }),
    };
    let outcome: Outcome = 'whole';
    for (const [stripe, wanted] of stripes) {
      signal.throwIfAborted();
      const isUrgent = waitedMs >= this.#options.lazyMs || isWorthIt(pair, source, stripe, wanted);
      if (!isUrgent) {
        if (outcome === 'whole') outcome = 'waiting';
        continue;
      }
      try {
        const rebuilt = await recoverStripe(deps, codedFileOf(pair), { stripe, wanted, signal });
        await this.#store(pair, 'data', rebuilt.data);
        await this.#store(pair, 'parity', rebuilt.parity);
      } catch (error) {
        if (!this.#isExpected(error, pair, signal)) throw error;
        log.debug({ stripe, error: errorMessage(error) }, 'a stripe cannot be rebuilt yet');
        if (this.#refused.has(key(pair))) return 'failed';
        outcome = 'failed';
      }
    }
    if (unused.length > 0 && outcome === 'whole')
      await this.#store(
        pair,
        'parity',
        await recoverUnused(deps, codedFileOf(pair), unused, signal),
      );
    return outcome;
  }

  /** Failures that time or another parity may mend; notes a pair that is none. */
  #isExpected(error: unknown, pair: CodedPair, signal: AbortSignal): boolean {
    if (signal.aborted || !(error instanceof CodedError)) return false;
    if (error.code === 'ERASURE_PARITY') {
      const { data, parity } = pair;
      if (this.#refused.size >= REFUSED_MAX)
        this.#refused.delete(this.#refused.keys().next().value ?? '');
      this.#refused.add(key(pair));
      const fields = { txSeq: data.seq, parityTxSeq: parity.seq };
      this.#deps.log.warn(fields, 'a submission says it is the parity of a file and is not');
    }
    return (
      error.kind === 'not_ready' || error.kind === 'conflict' || error.code === 'ERASURE_PARITY'
    );
  }

  async #store(
    pair: CodedPair,
    kind: CodedFileKind,
    segments: readonly ProvenSegment[],
  ): Promise<void> {
    if (segments.length === 0 || !this.#isOpen(pair[kind])) return;
    await this.#deps.ingest.store(pair[kind], segments);
    this.#deps.onRebuilt?.(segments.length);
  }

  #isOpen(file: StoredSubmission): boolean {
    const { database, files } = this.#deps;
    return files.isCurrent(file) && database.submissions.bySeq(file.seq)?.state === STATE.receiving;
  }
}

/** Whether a stripe is repaired without waiting for more losses: it is in danger, or reading for it costs little. */
function isWorthIt(
  { layout }: CodedPair,
  source: PeerFragments,
  stripe: number,
  wanted: readonly number[],
): boolean {
  let [present, zeros] = [0, 0];
  for (let position = 0; position < layout.code; position++) {
    const place = fragmentPlace(layout, { stripe, position });
    if (place.kind === 'zero') zeros++;
    else if (source.has(place.kind, place.segmentIndex)) present++;
  }
  const reads = STRIPE_DATA - zeros;
  return (
    present + zeros <= lazyThreshold(layout.code) || reads <= READS_PER_SEGMENT * wanted.length
  );
}

const key = ({ data, parity }: CodedPair): string => `${data.root}/${parity.root}`;
