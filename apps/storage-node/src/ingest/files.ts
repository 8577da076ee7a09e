/*
 * Files in the making: which segments a submission still lacks, when it is finalized, and how equal files share bytes.
 *
 * A node needs the segments whose index in the flow is its shard's; a file with none of them is finalized at once. While a shard
 * merges it wants those of the other half too, which finality does not wait for (keep/shards.ts). When a root is finalized under one submission, its bytes are copied to every other submission of that root, and a later one
 * is finalized without an upload (spec/storage-rpc.md 4.3). States are in the database; the counts are derived from the
 * segment store when first asked and kept while the file is open.
 */
import { CodedError, errorMessage, type Logger } from '@cairn/base';
import { segmentCounts, segmentDataBytes } from '@cairn/merkle';
import {
  BYTES_PER_SECTOR,
  SECTORS_PER_SEGMENT,
  type ShardConfig,
  shardHolds,
  shardTouches,
} from '@cairn/protocol';
import type { SegmentStore } from '@cairn/store';
import type { HeldShards } from '../keep/shards.ts';
import type { NodeDatabase } from '../store/node-database.ts';
import { STATE, type StoredSubmission } from '../store/submission-table.ts';

export type FilesDeps = {
  database: NodeDatabase;
  segments: SegmentStore;
  log: Logger;
  onFinalized?: ((file: StoredSubmission) => void) | undefined;
  /** A segment of the flow gained durable bytes. */
  onStored?: ((segmentIndex: number) => void) | undefined;
};

/** Files remembered for another attempt; beyond it they are settled at the next start. */
const UNSETTLED_MAX = 10_000;

/** Where segment `index` of a file lies: segment of the flow, first sector in it, sectors with file bytes. */
export function placeSegment(
  file: { startSector: number; size: number },
  index: number,
): { segmentIndex: number; startSector: number; endSector: number } {
  const startSector = index === 0 ? file.startSector % SECTORS_PER_SEGMENT : 0;
  return {
    segmentIndex: Math.floor(file.startSector / SECTORS_PER_SEGMENT) + index,
    startSector,
    endSector: startSector + segmentDataBytes(file.size, index) / BYTES_PER_SECTOR,
  };
}

/** Segments of the flow that a file covers: `count` from `first` on. */
export function segmentsOf(file: { startSector: number; size: number }): {
  first: number;
  count: number;
} {
  const first = Math.floor(file.startSector / SECTORS_PER_SEGMENT);
  return { first, count: segmentCounts(file.size).real };
}

/** True when one of the file's segments is the shard's. */
export function fileTouches(
  file: { startSector: number; size: number },
  shard: ShardConfig,
): boolean {
  const { first, count } = segmentsOf(file);
  return shardTouches(shard, first, count);
}

export class Files {
  readonly #deps: FilesDeps;
  readonly #shards: HeldShards;
  /** Missing segment indexes of files that are open, each with the submission that they were counted for. */
  readonly #missing = new Map<number, { file: StoredSubmission; indexes: Set<number> }>();

  /** Files that could not be finalized, by a full disk for example; `retry` takes them up. */
  readonly #unsettled = new Set<number>();

  constructor(deps: FilesDeps, shards: HeldShards) {
    this.#deps = deps;
    this.#shards = shards;
  }

  /** The part of the flow that this node answers for. */
  get shard(): ShardConfig {
    return this.#shards.current;
  }

  /** Indexes of the file's segments that this node's shard holds. */
  required(file: StoredSubmission): Generator<number> {
    return indexesIn(file, this.#shards.current);
  }

  /** Whether the log still has the file at this place; a reorg may have put another there while something was awaited. */
  isCurrent(file: StoredSubmission): boolean {
    const now = this.#deps.database.submissions.bySeq(file.seq);
    return now !== undefined && isSame(now, file);
  }

  /** Whether this node stores that segment of the file. */
  isOurs(file: StoredSubmission, index: number): boolean {
    return shardHolds(
      this.#shards.wanted,
      Math.floor(file.startSector / SECTORS_PER_SEGMENT) + index,
    );
  }

  /** Whether bytes of the segment may be stored now: the file is where it was and not given up, the segment ours. */
  accepts(file: StoredSubmission, index: number): boolean {
    const now = this.#deps.database.submissions.bySeq(file.seq);
    return (
      now !== undefined &&
      isSame(now, file) &&
      now.state !== STATE.pruned &&
      this.isOurs(file, index)
    );
  }

  has(file: StoredSubmission, index: number): boolean {
    const { segmentIndex, startSector, endSector } = placeSegment(file, index);
    return this.#deps.segments.has(segmentIndex, startSector, endSector);
  }

  /** Segments that this node stores of the file and that are not here. */
  missing(file: StoredSubmission): ReadonlySet<number> {
    return this.#open(file);
  }

  /** The shard changed: what files lack is counted anew, and those that are whole now are finalized, as far as the disk lets them. */
  async resharded(): Promise<void> {
    this.#missing.clear();
    for (const file of this.#deps.database.submissions.receiving())
      await this.settle(file).catch((error: unknown) => {
        // It is noted for `retry`.
        const { seq } = file;
        this.#deps.log.warn({ txSeq: seq, error: errorMessage(error) }, 'could not settle a file');
      });
  }

  /** Notes that a segment is durable; finalizes the file when it was the last one. */
  async stored(file: StoredSubmission, index: number): Promise<void> {
    this.#deps.onStored?.(placeSegment(file, index).segmentIndex);
    if (!this.isCurrent(file)) return;
    const missing = this.#open(file);
    missing.delete(index);
    if (missing.size === 0) this.#missing.delete(file.seq);
    if (this.#isWhole(file, missing)) await this.#orLater(file, () => this.#finalize(file));
  }

  /** Finalizes what can be: nothing required, all present, or the same root finalized elsewhere. */
  settle(file: StoredSubmission): Promise<void> {
    return this.#orLater(file, async () => {
      if (this.#isWhole(file, this.#open(file))) return this.#finalize(file);
      const twin = this.#deps.database.submissions
        .allByRoot(file.root)
        .find((s) => s.state === STATE.finalized && isTwin(s, file));
      if (twin) await this.#copy(twin, file);
    });
  }

  /** Settles again what failed before; throws at the first that fails still. */
  async retry(): Promise<void> {
    for (const seq of [...this.#unsettled]) {
      const file = this.#deps.database.submissions.bySeq(seq);
      if (file?.state === STATE.receiving) await this.settle(file);
      this.#unsettled.delete(seq);
    }
  }

  async #orLater(file: StoredSubmission, run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      if (this.#unsettled.size < UNSETTLED_MAX) this.#unsettled.add(file.seq);
      throw error;
    }
  }

  /**
   * A stored segment turned out to be damaged: what is stored of it goes, and a finalized file is open again until the
   * segment came back, from a copy here or from elsewhere.
   */
  async reopen(file: StoredSubmission, index: number): Promise<void> {
    const { submissions } = this.#deps.database;
    await this.#deps.segments.remove([placeSegment(file, index)], () => {
      if (!this.isCurrent(file)) throw reverted(file);
      if (submissions.bySeq(file.seq)?.state === STATE.finalized)
        submissions.setState(file.seq, STATE.receiving);
    });
    this.#missing.delete(file.seq);
    const open = submissions.bySeq(file.seq);
    if (open) await this.settle(open);
  }

  /** Forgets open files from `seq` on, after a reorg. */
  revert(seq: number): void {
    for (const open of this.#missing.keys()) if (open >= seq) this.#missing.delete(open);
  }

  #open(file: StoredSubmission): Set<number> {
    const open = this.#missing.get(file.seq);
    if (open && isSame(open.file, file)) return open.indexes;
    const indexes = new Set<number>();
    for (const index of indexesIn(file, this.#shards.wanted))
      if (!this.has(file, index)) indexes.add(index);
    if (indexes.size > 0 && this.isCurrent(file)) this.#missing.set(file.seq, { file, indexes });
    return indexes;
  }

  /** Whether all that the node answers for is here. */
  #isWhole(file: StoredSubmission, missing: ReadonlySet<number>): boolean {
    const { current, wanted } = this.#shards;
    if (missing.size === 0 || current.numShard === wanted.numShard) return missing.size === 0;
    const { first } = segmentsOf(file);
    for (const index of missing) if (shardHolds(current, first + index)) return false;
    return true;
  }

  async #finalize(file: StoredSubmission): Promise<void> {
    const { submissions } = this.#deps.database;
    const now = submissions.bySeq(file.seq);
    if (!now || !isSame(now, file) || now.state !== STATE.receiving) return;
    submissions.setState(file.seq, STATE.finalized);
    this.#missing.delete(file.seq);
    this.#deps.log.info({ txSeq: file.seq, root: file.root, bytes: file.size }, 'file finalized');
    this.#deps.onFinalized?.(file);
    for (const other of submissions.allByRoot(file.root)) {
      if (other.state === STATE.receiving && isTwin(other, file)) await this.#copy(file, other);
    }
  }

  /** Copies what `to` needs from `from`, segment by segment; what we do not hold stays missing. */
  async #copy(from: StoredSubmission, to: StoredSubmission): Promise<void> {
    for (const index of [...this.#open(to)]) {
      if (!this.has(from, index)) continue;
      const source = placeSegment(from, index);
      const data = await this.#deps.segments.read(
        source.segmentIndex,
        source.startSector,
        source.endSector,
      );
      if (!data) continue;
      const target = placeSegment(to, index);
      if (!this.isCurrent(to)) return;
      await this.#deps.segments.write(
        [{ segmentIndex: target.segmentIndex, startSector: target.startSector, data }],
        () => {
          if (!this.accepts(to, index)) throw reverted(to);
        },
      );
      await this.stored(to, index);
    }
  }
}

/** Indexes of the file's segments that a shard holds, ascending. */
function* indexesIn(file: StoredSubmission, shard: ShardConfig): Generator<number> {
  const { first, count } = segmentsOf(file);
  const { shardId, numShard } = shard;
  const start = (((shardId - first) % numShard) + numShard) % numShard;
  for (let index = start; index < count; index += numShard) yield index;
}

/** Whether the bytes are the same: a root leaves open how many of the zeros at the end belong to the file. */
function isTwin(a: StoredSubmission, b: StoredSubmission): boolean {
  return a.root === b.root && a.size === b.size;
}

function isSame(a: StoredSubmission, b: StoredSubmission): boolean {
  return a.seq === b.seq && a.txHash === b.txHash && a.startSector === b.startSector;
}

function reverted(file: StoredSubmission): CodedError {
  return new CodedError({
    code: 'NODE_REVERTED',
    kind: 'conflict',
    message: `submission ${file.seq} was reverted while its bytes were copied`,
    details: { txSeq: file.seq },
  });
}
