import {
  CodedError,
  type DataRoot,
  equalBytes,
  isCodedError,
  type Logger,
  Semaphore,
} from '@cairn/base';
import type { Kernels } from '@cairn/kernels';
import type { HashPool } from '@cairn/kernels/node';
import { flowNodesOfSegment, segmentLeafCount } from '@cairn/merkle';
import { RPC_TEXT } from '@cairn/protocol';
import { serverError } from '@cairn/rpc';
import { type SegmentStore, type SegmentWrite, storeError } from '@cairn/store';
import type { NodeDatabase } from '../store/node-database.ts';
import type { StoredSubmission } from '../store/submission-table.ts';
import { type Files, placeSegment } from './files.ts';
import type { CheckedSegment, MemoryPool } from './memory-pool.ts';
import {
  checkEntry,
  checkProof,
  checkSectors,
  checkShape,
  type IncomingSegment,
} from './validate.ts';

export type IngestDeps = {
  database: NodeDatabase;
  segments: SegmentStore;
  files: Files;
  pool: MemoryPool;
  hashPool: HashPool;
  kernels: Kernels;
  log: Logger;
  onStored?: ((bytes: number) => void) | undefined;
  /** What became of segments, for the metrics. */
  onSegments?: ((outcome: SegmentOutcome, count: number) => void) | undefined;
};
export type SegmentOutcome = 'stored' | 'cached' | 'dropped' | 'duplicate' | 'refused';
export type IngestOptions = {
  /** Requests that are hashed and written at once; others wait. */
  writersMax: number;
  /** Requests that may wait before `too many data writing`. */
  waitingMax: number;
};

/** Checks segments and makes them durable. When `accept` resolves, its segments survive a kill. */
export class Ingest {
  readonly #deps: IngestDeps;
  readonly #options: IngestOptions;
  readonly #writers: Semaphore;
  /** Segments between check and disk, as `seq/index`, with the end of their write. */
  readonly #inFlight = new Map<string, Promise<void>>();

  constructor(deps: IngestDeps, options: IngestOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#writers = new Semaphore(options.writersMax, options.waitingMax);
  }

  /**
   * Takes segments of one request, in order; the first refused one ends it, those before it are stored. Returns how many
   * were accepted. `skipDuplicates` passes over segments that are stored already (batch upload by txSeq); otherwise they
   * are refused with the text clients match.
   */
  async accept(
    segments: readonly IncomingSegment[],
    options: {
      txSeq?: number | undefined;
      skipDuplicates: boolean;
      signal?: AbortSignal | undefined;
    },
  ): Promise<number> {
    try {
      return await this.#writers.run(() => this.#accept(segments, options));
    } catch (error) {
      if (isCodedError(error, 'BASE_QUEUE_FULL') || isCodedError(error, 'STORE_BUSY'))
        throw serverError(RPC_TEXT.tooManyWriting(this.#options.writersMax));
      throw storeError(error, 'the node database');
    }
  }

  /** Moves what the memory pool has of a file that just appeared in the log. */
  async flushPool(file: StoredSubmission): Promise<void> {
    const { pool } = this.#deps;
    const checked = pool.take(file.root, file.size);
    if (checked.length === 0) return;
    try {
      await this.#write(file, checked, true);
    } catch (error) {
      // A full disk, say: what was accepted waits for the next attempt, as long as its time lasts.
      for (const segment of checked) pool.add(file.root, file.size, segment);
      throw error;
    }
  }

  /** Makes segments durable that were checked against the file's root; those that are here already are passed over. */
  store(file: StoredSubmission, checked: readonly CheckedSegment[]): Promise<void> {
    return this.#write(file, checked, true);
  }

  async #accept(
    segments: readonly IncomingSegment[],
    options: {
      txSeq?: number | undefined;
      skipDuplicates: boolean;
      signal?: AbortSignal | undefined;
    },
  ): Promise<number> {
    const { database, pool } = this.#deps;
    let failure: { error: unknown } | undefined;
    const writes: CheckedSegment[] = [];
    let entry: StoredSubmission | undefined;
    const roots = await this.#hash(segments, options.signal);
    for (const [i, segment] of segments.entries()) {
      try {
        checkSectors(segment.data);
        const found =
          options.txSeq === undefined
            ? database.submissions.byRoot(segment.root, false)
            : database.submissions.bySeq(options.txSeq);
        const path = checkEntry(segment, found, pool.has(segment.root, segment.fileSize));
        checkShape(segment);
        const segmentRoot = roots[i]!;
        const siblings = checkProof(this.#deps.kernels, segment, segmentRoot);
        const checked: CheckedSegment = {
          index: segment.index,
          data: segment.data,
          segmentRoot,
          siblings,
        };
        if (path === 'cache') {
          pool.add(segment.root, segment.fileSize, checked);
          this.#count('cached', 1);
          // The log entry may have arrived between the look and the add.
          if (found) await this.flushPool(found);
          continue;
        }
        if (entry && entry !== found) {
          await this.#write(entry, writes.splice(0), options.skipDuplicates);
        }
        entry = found!;
        writes.push(checked);
      } catch (error) {
        failure = { error };
        this.#count('refused', segments.length - i);
        break;
      }
    }
    if (entry) await this.#write(entry, writes, options.skipDuplicates);
    if (failure) throw failure.error;
    return segments.length;
  }

  /** Segment roots, all at once in the worker threads; hopeless ones are left out and refused by the checks. */
  #hash(
    segments: readonly IncomingSegment[],
    signal: AbortSignal | undefined,
  ): Promise<Uint8Array[]> {
    return Promise.all(
      segments.map(async (segment) => {
        try {
          checkSectors(segment.data);
          checkShape(segment);
        } catch {
          return new Uint8Array(32); // the ordered checks below give the error that the client must see
        }
        return this.#deps.hashPool.segmentRoots(segment.data, {
          lastLeafCount: segmentLeafCount(segment.fileSize, segment.index),
          signal,
        });
      }),
    );
  }

  /**
   * Makes segments of a known file durable. What another request is writing at this moment is waited for, so that "skipped
   * as a duplicate" still means "on disk". Without `skipDuplicates` the first duplicate is refused and those before it stored.
   */
  async #write(
    file: StoredSubmission,
    checked: readonly CheckedSegment[],
    skipDuplicates: boolean,
  ): Promise<void> {
    const { files } = this.#deps;
    if (!files.isCurrent(file)) throw serverError(RPC_TEXT.reverted);
    let left = checked.filter((segment) => files.isOurs(file, segment.index));
    this.#count('dropped', checked.length - left.length);
    while (left.length > 0) {
      const fresh: CheckedSegment[] = [];
      const waiting: { segment: CheckedSegment; end: Promise<void> }[] = [];
      let isRefused = false;
      const end = Promise.withResolvers<void>();
      const keys: string[] = [];
      for (const segment of left) {
        const key = `${file.seq}/${segment.index}`;
        const other = this.#inFlight.get(key);
        if (!other && !files.has(file, segment.index)) {
          this.#inFlight.set(key, end.promise);
          keys.push(key);
          fresh.push(segment);
        } else if (!skipDuplicates) {
          isRefused = true;
          break;
        } else if (other) waiting.push({ segment, end: other });
      }
      let again: CheckedSegment[] = [];
      try {
        if (fresh.length > 0) await this.#store(file, fresh);
      } catch (error) {
        // The shard changed on the way to the disk: what it gave up is dropped, the rest goes again.
        if (!isCodedError(error, 'INGEST_NOT_OURS')) throw error;
        again = fresh.filter(({ index }) => files.accepts(file, index));
        this.#count('dropped', fresh.length - again.length);
      } finally {
        for (const key of keys) this.#inFlight.delete(key);
        end.resolve();
      }
      this.#count('duplicate', left.length - fresh.length - waiting.length);
      if (isRefused) throw serverError(RPC_TEXT.duplicate);
      await Promise.all(waiting.map((other) => other.end));
      left = waiting
        .map((other) => other.segment)
        .concat(again)
        .filter(({ index }) => files.isOurs(file, index) && !files.has(file, index));
    }
  }

  async #store(file: StoredSubmission, fresh: readonly CheckedSegment[]): Promise<void> {
    const { segments, files } = this.#deps;
    const writes = fresh.map((segment): SegmentWrite => {
      const { segmentIndex, startSector } = placeSegment(file, segment.index);
      return { segmentIndex, startSector, data: segment.data };
    });
    await segments.write(writes, () => {
      if (!files.isCurrent(file)) throw serverError(RPC_TEXT.revertedWhile);
      if (fresh.some(({ index }) => !files.accepts(file, index))) throw notOurs(file);
      for (const segment of fresh) this.#learn(file, segment);
    });
    this.#count('stored', fresh.length);
    for (const segment of fresh) {
      this.#deps.onStored?.(segment.data.length);
      await files.stored(file, segment.index);
    }
  }

  #count(outcome: SegmentOutcome, count: number): void {
    if (count > 0) this.#deps.onSegments?.(outcome, count);
  }

  /** Keeps the tree nodes that the segment's proof taught, so that it can be proven later. */
  #learn(file: StoredSubmission, segment: CheckedSegment): void {
    const { flow, nodes } = this.#deps.database;
    const taught = flowNodesOfSegment({
      size: file.size,
      startSector: file.startSector,
      index: segment.index,
      segmentRoot: segment.segmentRoot,
      siblings: segment.siblings,
    });
    for (const node of taught) {
      // What a verified proof says stands above a stored node that rotted.
      const known = nodes.get(node.level, node.index);
      if (!known || !equalBytes(known, node.hash)) flow.setNode(node.level, node.index, node.hash);
    }
  }

  /** Keeps finalized bytes of a reverted file in memory, for when it is mined again. */
  keep(root: DataRoot, size: number, segment: CheckedSegment): void {
    this.#deps.pool.add(root, size, segment);
  }
}

/** Taken back inside `Ingest`. */
function notOurs(file: StoredSubmission): CodedError {
  return new CodedError({
    code: 'INGEST_NOT_OURS',
    kind: 'conflict',
    message: `a segment of submission ${file.seq} is no longer kept here`,
    details: { txSeq: file.seq },
  });
}
