/*
 * Takes away what this node no longer keeps: segments outside of its shard, segments of submissions that were pruned. Slowly, so that
 * serving does not suffer: a batch, a pause, a batch.
 *
 * What has to go was decided in a transaction before (keep/shards.ts, `SubmissionTable.prune`) and is derived from there after a
 * kill. Sealed copies go first: raw bytes without a seal are looked at again, a seal without raw bytes would not be.
 */
import { type Clock, CodedError, isCodedError, type Logger } from '@cairn/base';
import { SECTORS_PER_SEGMENT, shardHolds } from '@cairn/protocol';
import type { SectorRange, SegmentStore } from '@cairn/store';
import { type Files, placeSegment, segmentsOf } from '../ingest/files.ts';
import type { NodeDatabase } from '../store/node-database.ts';
import { STATE, type StoredSubmission } from '../store/submission-table.ts';
import type { ShardState } from './shards.ts';

export type DropperDeps = {
  database: NodeDatabase;
  segments: SegmentStore;
  files: Files;
  shards: ShardState;
  /** Forgets the sealed copies of these sectors; durable when it resolves. */
  unseal: (ranges: readonly SectorRange[]) => Promise<void>;
  clock: Clock;
  log: Logger;
  onDropped?: ((reason: DropReason, segments: number) => void) | undefined;
  /** There is room that was not there. */
  onRoom?: (() => void) | undefined;
};
export type DropReason = 'shard' | 'pruned';
export type DropperOptions = {
  /** Segments of one transaction. */
  batchSegments: number;
  pauseMs: number;
};
export const DROPPER_DEFAULTS: DropperOptions = { batchSegments: 256, pauseMs: 200 };

const PRUNED_PAGE = 64;

export class Dropper {
  readonly #deps: DropperDeps;
  readonly #options: DropperOptions;

  constructor(deps: DropperDeps, options: DropperOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Resolves when nothing is left to take away. */
  async run(signal: AbortSignal): Promise<void> {
    const isDue = this.isDue;
    await this.#dropPruned(signal);
    await this.#dropOutside(signal);
    if (isDue) this.#deps.onRoom?.();
  }

  /** Whether something may be left. */
  get isDue(): boolean {
    const { shards, database } = this.#deps;
    return shards.dropNext !== undefined || database.submissions.dropping(1).length > 0;
  }

  async #dropOutside(signal: AbortSignal): Promise<void> {
    const { shards, segments, log } = this.#deps;
    let dropped = 0;
    for (let next = shards.dropNext; next !== undefined; next = shards.dropNext) {
      signal.throwIfAborted();
      const page = segments.segmentIndexes(next, this.#options.batchSegments);
      const last = page.at(-1);
      if (last === undefined) {
        shards.dropNext = undefined;
        if (dropped > 0) log.info({ segments: dropped }, 'segments of other shards are gone');
        return;
      }
      const outside = page.filter((index) => !shardHolds(shards.wanted, index));
      if (outside.length === 0) {
        shards.dropNext = last + 1;
        await new Promise(setImmediate); // nothing to pace, others get their turn
        continue;
      }
      const ranges = outside.map((segmentIndex) => ({
        segmentIndex,
        startSector: 0,
        endSector: SECTORS_PER_SEGMENT,
      }));
      await this.#remove(ranges, 'shard', () => {
        shards.dropNext = last + 1;
      });
      dropped += outside.length;
      await this.#pause(signal);
    }
  }

  async #dropPruned(signal: AbortSignal): Promise<void> {
    const { database } = this.#deps;
    for (;;) {
      const page = database.submissions.dropping(PRUNED_PAGE);
      if (page.length === 0) return;
      for (const file of page) await this.#dropFile(file, signal);
    }
  }

  async #dropFile(file: StoredSubmission, signal: AbortSignal): Promise<void> {
    const { database, segments, files } = this.#deps;
    const { count } = segmentsOf(file);
    const assertPruned = (): void => {
      // After a reorg another file may have its bytes at this place.
      const isPruned = database.submissions.bySeq(file.seq)?.state === STATE.pruned;
      if (!isPruned || !files.isCurrent(file)) throw reverted(file);
    };
    let batch: SectorRange[] = [];
    try {
      for (let index = 0; index < count; index++) {
        signal.throwIfAborted();
        const place = placeSegment(file, index);
        if (segments.presentSectors(place.segmentIndex) > 0) batch.push(place);
        if (batch.length < this.#options.batchSegments) continue;
        await this.#remove(batch, 'pruned', assertPruned);
        batch = [];
        await this.#pause(signal);
      }
      await this.#remove(batch, 'pruned', () => {
        assertPruned();
        database.submissions.dropped(file.seq);
      });
    } catch (error) {
      if (!isCodedError(error, 'KEEP_REVERTED')) throw error;
    }
  }

  async #remove(
    ranges: readonly SectorRange[],
    reason: DropReason,
    commit: () => void,
  ): Promise<void> {
    const { segments, unseal } = this.#deps;
    if (ranges.length > 0) await unseal(ranges);
    await segments.remove(ranges, commit);
    if (ranges.length === 0) return;
    await unseal(ranges); // what a sealer made in between
    this.#deps.onDropped?.(reason, ranges.length);
  }

  #pause(signal: AbortSignal): Promise<void> {
    return this.#deps.clock.sleep(this.#options.pauseMs, signal);
  }
}

function reverted(file: StoredSubmission): CodedError {
  return new CodedError({
    code: 'KEEP_REVERTED',
    kind: 'conflict',
    message: `submission ${file.seq} was reverted while its segments were taken away`,
    details: { txSeq: file.seq },
  });
}
