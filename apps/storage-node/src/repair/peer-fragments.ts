import { type Clock, CodedError, isAbortError } from '@cairn/base';
import type { CodedFileKind, FragmentSource, ProvenSegment } from '@cairn/erasure';
import type { Kernels } from '@cairn/kernels';
import type { HashPool } from '@cairn/kernels/node';
import { segmentLeafCount } from '@cairn/merkle';
import {
  type KnownPeer,
  type PeerId,
  type PeerService,
  type RateLimit,
  SEGMENTS_PER_REQUEST_MAX,
} from '@cairn/p2p';
import {
  BYTES_PER_SEGMENT,
  SECTORS_PER_SEGMENT,
  type ShardConfig,
  shardHolds,
} from '@cairn/protocol';
import type { Files } from '../ingest/files.ts';
import type { Reader } from '../serve/reader.ts';
import type { StoredSubmission } from '../store/submission-table.ts';
import { checkFrames } from '../sync/check.ts';
import type { Holders } from '../sync/holders.ts';
import type { CodedPair } from './coded-pair.ts';

export type PeerFragmentsDeps = {
  files: Files;
  reader: Reader;
  peers: PeerService;
  holders: Holders;
  hashPool: HashPool;
  kernels: Kernels;
  clock: Clock;
  rate: RateLimit;
  /** Bytes that came from a peer, checked. */
  onRead?: ((bytes: number) => void) | undefined;
};

type Holder = { known: KnownPeer; shard: ShardConfig };

/**
 * Fragments of a coded file from the own disk and from peers that have their part of it finalized. A peer that lies is reported, one
 * that fails or lacks something is not asked again by this source; make one for each repair.
 */
export class PeerFragments implements FragmentSource {
  readonly #deps: PeerFragmentsDeps;
  readonly #pair: CodedPair;
  readonly #failed = new Set<PeerId>();
  /** Who has what, as of now: a repair is short. */
  readonly #holders: Record<CodedFileKind, readonly Holder[]>;

  constructor(deps: PeerFragmentsDeps, pair: CodedPair) {
    this.#deps = deps;
    this.#pair = pair;
    // The entries live on, and lose their status when their peer goes.
    const holdersOf = (file: StoredSubmission): Holder[] =>
      deps.holders.of(file).map((known) => ({ known, shard: known.status.shard }));
    this.#holders = { data: holdersOf(pair.data), parity: holdersOf(pair.parity) };
  }

  has(kind: CodedFileKind, index: number): boolean {
    return this.#isHere(this.#pair[kind], index) || this.#peersWith(kind, index).length > 0;
  }

  /** Whether a peer has the segment, so that copying it is enough. */
  isElsewhere(kind: CodedFileKind, index: number): boolean {
    return this.#peersWith(kind, index).length > 0;
  }

  async fetch(
    kind: CodedFileKind,
    indexes: readonly number[],
    signal: AbortSignal,
  ): Promise<ProvenSegment[]> {
    const file = this.#pair[kind];
    const here = indexes.filter((index) => this.#isHere(file, index));
    const out = (await Promise.all(here.map((index) => this.#read(file, index, signal)))).filter(
      (segment) => segment !== undefined,
    );
    let left = indexes.filter((index) => !out.some((segment) => segment.index === index));
    while (left.length > 0) {
      const asked = new Map<PeerId, number[]>();
      for (const index of left) {
        // The peer that already gets most of this request, so that few are asked; then the idlest.
        const [best] = this.#peersWith(kind, index).toSorted(
          (a, b) =>
            (asked.get(b.peer)?.length ?? 0) - (asked.get(a.peer)?.length ?? 0) ||
            a.requestsInFlight - b.requestsInFlight,
        );
        if (!best) continue;
        const mine = asked.get(best.peer) ?? [];
        asked.set(best.peer, mine);
        if (mine.length < SEGMENTS_PER_REQUEST_MAX) mine.push(index);
      }
      if (asked.size === 0) break;
      const parts = await Promise.all(
        [...asked].map(([peer, mine]) => this.#ask(file, peer, mine, signal)),
      );
      out.push(...parts.flat());
      const got = new Set(out.map(({ index }) => index));
      left = left.filter((index) => !got.has(index));
    }
    return out;
  }

  #isHere(file: StoredSubmission, index: number): boolean {
    return this.#deps.files.isOurs(file, index) && this.#deps.files.has(file, index);
  }

  #peersWith(kind: CodedFileKind, index: number): KnownPeer[] {
    const { startSector } = this.#pair[kind];
    const flowSegment = Math.floor(startSector / SECTORS_PER_SEGMENT) + index;
    return this.#holders[kind]
      .filter(({ known, shard }) => !this.#failed.has(known.peer) && shardHolds(shard, flowSegment))
      .map(({ known }) => known);
  }

  async #read(
    file: StoredSubmission,
    index: number,
    signal: AbortSignal,
  ): Promise<ProvenSegment | undefined> {
    const frame = await this.#deps.reader.segment(file, index);
    if (!frame) return undefined;
    const lastLeafCount = segmentLeafCount(file.size, index);
    const segmentRoot = await this.#deps.hashPool.segmentRoots(frame.data, {
      lastLeafCount,
      signal,
    });
    return { ...frame, segmentRoot };
  }

  /** What the peer gives of the segments; nothing when it fails. */
  async #ask(
    file: StoredSubmission,
    peer: PeerId,
    indexes: readonly number[],
    signal: AbortSignal,
  ): Promise<ProvenSegment[]> {
    const { rate, peers, kernels, hashPool } = this.#deps;
    const { exchange } = peers;
    try {
      await rate.take(indexes.length * BYTES_PER_SEGMENT, signal);
      const request = { txSeq: file.seq, root: file.root, indexes };
      const frames = await exchange.segments(peer, request, { signal });
      const checked = await checkFrames({ kernels, hashPool }, file, frames, signal).catch(
        (error: unknown) => {
          if (error instanceof CodedError && error.kind === 'invalid')
            exchange.report(peer, 'lied');
          throw error;
        },
      );
      if (checked.length > 0) exchange.report(peer, 'useful');
      if (checked.length < indexes.length) this.#failed.add(peer);
      this.#deps.onRead?.(checked.reduce((sum, { data }) => sum + data.length, 0));
      return checked;
    } catch (error) {
      signal.throwIfAborted();
      if (isAbortError(error) || !(error instanceof CodedError)) throw error;
      this.#failed.add(peer);
      return [];
    }
  }
}
