/*
 * Reads what is stored, slowly and for ever, and checks it against the roots on the chain.
 *
 * The store's checksums find bits that rotted; the root also finds bytes that are whole and wrong (a slot that was swapped, an
 * index that lies). A finalized file that lacks a segment, because some read had found it damaged, counts too. A pass goes
 * by submission; its place survives a restart, so a node that restarts often still gets around.
 */
import {
  type Clock,
  CodedError,
  errorMessage,
  forEachLimit,
  hexToBytes,
  type Logger,
  Loop,
} from '@cairn/base';
import type { Kernels } from '@cairn/kernels';
import type { HashPool } from '@cairn/kernels/node';
import { segmentLeafCount, segmentSiblingsFromFlow, verifySegmentSiblings } from '@cairn/merkle';
import { RateLimit } from '@cairn/p2p';
import type { SegmentStore } from '@cairn/store';
import { type Files, placeSegment } from '../ingest/files.ts';
import type { NodeDatabase } from '../store/node-database.ts';
import { STATE, type StoredSubmission } from '../store/submission-table.ts';
import type { Healer } from './healer.ts';

export type ScrubberDeps = {
  database: NodeDatabase;
  segments: SegmentStore;
  files: Files;
  healer: Healer;
  hashPool: HashPool;
  kernels: Kernels;
  clock: Clock;
  log: Logger;
  onChecked?: ((bytes: number) => void) | undefined;
};
export type ScrubberOptions = {
  bytesPerSecond: number;
  /** Pause between two passes, and while there is nothing. */
  passPauseMs: number;
};

const PAGE_FILES = 64;
/** Segments read ahead of the hashing. */
const READS_MAX = 4;
const CURSOR = 'scrub_next_seq';

export class Scrubber {
  readonly #deps: ScrubberDeps;
  readonly #rate: RateLimit;
  readonly #loop: Loop;
  #passBytes = 0;

  constructor(deps: ScrubberDeps, options: ScrubberOptions) {
    this.#deps = deps;
    this.#rate = new RateLimit(deps.clock, options.bytesPerSecond);
    this.#loop = new Loop((signal) => this.#pass(signal), {
      name: 'scrub',
      intervalMs: options.passPauseMs,
      clock: deps.clock,
      onError: (error) => deps.log.warn({ error: errorMessage(error) }, 'a scrub pass failed'),
    });
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  /** Runs a pass now and resolves when one that began after the call has ended. */
  trigger(): Promise<void> {
    return this.#loop.trigger();
  }

  /** One pass, from where the last one stopped to the end of the log. */
  async #pass(signal: AbortSignal): Promise<void> {
    const { database } = this.#deps;
    const started = this.#deps.clock.monotonic();
    let next = Number(database.meta(CURSOR) ?? 0);
    this.#passBytes = 0;
    for (;;) {
      const page = database.submissions.keptFrom(next, PAGE_FILES);
      if (page.length === 0) break;
      for (const file of page) {
        await forEachLimit(
          this.#deps.files.required(file),
          { limit: READS_MAX, signal },
          (index, within) => this.#check(file, index, within),
        );
        next = file.seq + 1;
      }
      database.setMeta(CURSOR, String(next));
    }
    await this.#deps.healer.settled();
    database.setMeta(CURSOR, '0');
    if (this.#passBytes === 0) return;
    const ms = Math.round(this.#deps.clock.monotonic() - started);
    this.#deps.log.info({ bytes: this.#passBytes, ms }, 'scrub pass ended');
  }

  async #check(file: StoredSubmission, index: number, signal: AbortSignal): Promise<void> {
    const { files, healer } = this.#deps;
    if (!files.isCurrent(file)) return;
    const isFinalized = this.#deps.database.submissions.bySeq(file.seq)?.state === STATE.finalized;
    if (!files.has(file, index)) {
      if (isFinalized) healer.damaged(file, index);
      return;
    }
    try {
      if (!(await this.#isSound(file, index, signal))) healer.damaged(file, index);
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      // A mismatch that a reorg or a removal in the middle caused is no damage.
      const isDamage = error.kind === 'corrupt' || error.kind === 'invalid';
      if (!isDamage) throw error;
      if (files.isCurrent(file)) healer.damaged(file, index);
    }
  }

  /** False when the segment vanished while it was read, and the file still counts on it. */
  async #isSound(file: StoredSubmission, index: number, signal: AbortSignal): Promise<boolean> {
    const { segments, database, kernels, hashPool } = this.#deps;
    const place = placeSegment(file, index);
    await this.#rate.take((place.endSector - place.startSector) * 256, signal);
    const data = await segments.read(place.segmentIndex, place.startSector, place.endSector);
    if (!data) return database.submissions.bySeq(file.seq)?.state !== STATE.finalized;
    const segmentRoot = await hashPool.segmentRoots(data, {
      lastLeafCount: segmentLeafCount(file.size, index),
      signal,
    });
    const siblings = segmentSiblingsFromFlow(
      kernels,
      { size: file.size, startSector: file.startSector, index },
      (level, node) => database.flow.node(level, node),
    );
    if (!siblings) return !this.#deps.files.isCurrent(file);
    verifySegmentSiblings(kernels, {
      root: hexToBytes(file.root),
      size: file.size,
      index,
      segmentRoot,
      siblings,
    });
    this.#passBytes += data.length;
    this.#deps.onChecked?.(data.length);
    return true;
  }
}
