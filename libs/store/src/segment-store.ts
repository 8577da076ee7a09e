/*
 * Segments of the flow in volume files, indexed in SQLite.
 *
 *   <dir>/volumes/000000.vol   slot 0 | slot 1 | …      slot = 256 KiB, segmentsPerVolume of them
 *   table segment              segment_index → volume slot, 1024 presence bits, 64 CRC-32 (one per 4 KiB block), form
 *
 * Write: bytes go to their slot, the touched volumes are fdatasynced, then one transaction records presence and checksums
 * together with whatever the caller wants true at the same time. Only then is it acknowledged. Writes that arrive
 * meanwhile form the next group. A kill before the commit leaves bytes that nothing refers to.
 * Read: the touched blocks are checked; a mismatch quarantines their sectors (absent from then on) and throws.
 * Form: blocks may be stored in another form (`encode`), which a codec undoes on reading; checksums are of what is stored.
 * Recovery: SQLite's own. Slots in use are exactly those in the table; a free slot is reused only after the commit that
 * freed it. Volumes are sparse until written, so `du` follows the ledger.
 */
import { assert, CodedError, errorMessage, type Logger } from '@cairn/base';
import type { Database } from 'better-sqlite3';
import { storeError } from './database.ts';
import { type Disk, nodeDisk } from './disk.ts';
import { SegmentIndex } from './segment-index.ts';
import {
  type BlockRange,
  blocksOf,
  damagedBlocks,
  encodedRuns,
  formWithout,
  isSameIn,
  type SegmentCodec,
  type SegmentRow,
} from './segment-row.ts';
import {
  BLOCK_BYTES,
  BLOCKS_PER_SLOT,
  countPresent,
  isPresent,
  SECTOR_BYTES,
  SECTORS_PER_BLOCK,
  SECTORS_PER_SLOT,
  SLOT_BYTES,
  setPresence,
} from './slot.ts';
import {
  decodeRuns,
  type SectorRange,
  type SegmentRecode,
  type SegmentWrite,
  Stage,
  type StageDeps,
  type Step,
} from './stage.ts';
import { SlotPool, Volumes } from './volumes.ts';

export type SegmentStoreDeps = {
  db: Database;
  log: Logger;
  disk?: Disk | undefined;
  /** Undoes the form of encoded blocks; without one they cannot be read (`STORE_FORM`). */
  codec?: SegmentCodec | undefined;
};
export type SegmentStoreOptions = {
  /** Folder of the volumes. */
  dir: string;
  /** Slots per volume file. */
  segmentsPerVolume: number;
  /** Most slots in use; beyond it writes throw `STORE_LIMIT`. */
  maxSegments?: number | undefined;
};
export type SegmentStoreStats = { segments: number; bytesOnDisk: number; quarantined: number };
/** A row of the index with where its slot is. */
export type StoredSegment = SegmentRow & { volume: number; offset: number };

type Pending = {
  steps: readonly Step[];
  bytes: number;
  commit: (() => void) | undefined;
  resolve: () => void;
  reject: (error: unknown) => void;
};

/** Most bytes one group writes before it syncs. */
const GROUP_BYTES_MAX = 16 * 1024 * 1024;
/** Bytes that may wait; beyond it `write` throws `STORE_BUSY`. */
const QUEUE_BYTES_MAX = 256 * 1024 * 1024;

export class SegmentStore {
  readonly #log: Logger;
  readonly #dir: string;
  readonly #index: SegmentIndex;
  readonly #volumes: Volumes;
  readonly #slots: SlotPool;
  readonly #codec: SegmentCodec | undefined;
  readonly #stageDeps: StageDeps;
  readonly #queue: Pending[] = [];
  #queueBytes = 0;
  #draining: Promise<void> | undefined;
  #closed = false;

  private constructor(deps: SegmentStoreDeps, options: SegmentStoreOptions) {
    this.#log = deps.log;
    this.#dir = options.dir;
    this.#codec = deps.codec;
    this.#index = new SegmentIndex(deps.db, deps.log);
    this.#volumes = new Volumes(deps.disk ?? nodeDisk, options);
    this.#slots = new SlotPool(this.#index.slots(), options.maxSegments);
    this.#stageDeps = {
      index: this.#index,
      volumes: this.#volumes,
      slots: this.#slots,
      codec: deps.codec,
      log: deps.log,
    };
  }

  /** Opens the store of `dir`. The database must contain the three `SEGMENT_…_SCHEMA`. */
  static async open(deps: SegmentStoreDeps, options: SegmentStoreOptions): Promise<SegmentStore> {
    const store = new SegmentStore(deps, options);
    await store.#volumes.createFolder();
    await store.#volumes.check(store.#index.slots(), deps.log);
    return store;
  }

  /**
   * Writes sectors; durable when it resolves. `commit` runs inside the same transaction: when it throws, this call
   * fails alone. Sectors that are already present with the same bytes are left as they are.
   * Throws `STORE_CONFLICT` (present with other bytes), `STORE_DISK_FULL`, `STORE_LIMIT`, `STORE_BUSY`.
   */
  write(writes: readonly SegmentWrite[], commit?: () => void): Promise<void> {
    let bytes = 0;
    for (const write of writes) {
      assert(
        write.data.length > 0 && write.data.length % SECTOR_BYTES === 0,
        'data is whole sectors',
      );
      assert(
        write.startSector >= 0 &&
          write.startSector * SECTOR_BYTES + write.data.length <= SLOT_BYTES,
        'data ends inside the segment',
      );
      assert(Number.isSafeInteger(write.segmentIndex) && write.segmentIndex >= 0, 'segment index');
      bytes += write.data.length;
    }
    const steps = writes.map((write): Step => ({ kind: 'write', ...write }));
    return this.#enqueue(steps, bytes, commit);
  }

  /**
   * Forgets sectors, in order with the writes around it; `commit` runs in the same transaction. The bytes stay on disk
   * until their slot is used again, but nothing refers to them.
   */
  remove(ranges: readonly SectorRange[], commit?: () => void): Promise<void> {
    const steps = ranges.map((range): Step => ({ kind: 'remove', ...range }));
    return this.#enqueue(steps, 0, commit);
  }

  /**
   * Replaces whole blocks by another form of the same bytes; durable when it resolves, and until then the old form stands.
   * The caller made `data` from what it read when `stored` gave `base`; throws `STORE_CONFLICT` when blocks of it changed since.
   */
  encode(recode: SegmentRecode, commit?: () => void): Promise<void> {
    const { startBlock, data, base } = recode;
    const end = startBlock + data.length / BLOCK_BYTES;
    assert(data.length > 0 && data.length % BLOCK_BYTES === 0, 'a form is of whole blocks');
    assert(startBlock >= 0 && end <= BLOCKS_PER_SLOT, 'the form ends inside the segment');
    assert(encodedRuns(base.form, { start: startBlock, end }).length === 0, 'not encoded twice');
    return this.#enqueue([{ kind: 'encode', ...recode }], data.length, commit);
  }

  /** Puts blocks [start, end) back into the form they were written in; `commit` runs in the same transaction. */
  restore(segmentIndex: number, blocks: BlockRange, commit?: () => void): Promise<void> {
    return this.#enqueue([{ kind: 'restore', segmentIndex, ...blocks }], SLOT_BYTES, commit);
  }

  #enqueue(steps: readonly Step[], bytes: number, commit: (() => void) | undefined): Promise<void> {
    if (this.#closed)
      return Promise.reject(
        new CodedError({ code: 'STORE_CLOSED', kind: 'cancelled', message: 'the store is closed' }),
      );
    if (this.#queueBytes + bytes > QUEUE_BYTES_MAX) {
      return Promise.reject(
        new CodedError({
          code: 'STORE_BUSY',
          kind: 'exhausted',
          message: 'too much data waits to be written',
        }),
      );
    }
    this.#queueBytes += bytes;
    return new Promise((resolve, reject) => {
      this.#queue.push({ steps, bytes, commit, resolve, reject });
      this.#draining ??= this.#drain();
    });
  }

  /** True when sectors [start, end) of the segment are all stored. */
  has(segmentIndex: number, startSector: number, endSector: number): boolean {
    const row = this.#index.get(segmentIndex);
    return row !== undefined && isPresent(row.presence, startSector, endSector);
  }

  /** Indexes of the segments of which anything is stored, ascending, from `start` on; the first `limit` of them. */
  segmentIndexes(start = 0, limit: number = Number.MAX_SAFE_INTEGER): number[] {
    return this.#index.segmentIndexes(start, limit);
  }

  /** Indexes of the segments with encoded blocks, ascending, from `start` on. */
  encodedIndexes(start = 0): number[] {
    return this.#index.encodedIndexes(start);
  }

  /** How many segments have encoded blocks. */
  get encodedCount(): number {
    return this.#index.encodedCount;
  }

  /** Times that something was refused with `STORE_LIMIT`. */
  get limitRefusals(): number {
    return this.#slots.refusals;
  }

  /** Slots in use. */
  get segmentCount(): number {
    return this.#slots.used;
  }

  presentSectors(segmentIndex: number): number {
    const row = this.#index.get(segmentIndex);
    return row ? countPresent(row.presence) : 0;
  }

  /** What the index says of a segment now; not to be written to. Undefined when nothing of it is stored. */
  stored(segmentIndex: number): StoredSegment | undefined {
    const row = this.#index.get(segmentIndex);
    return row && { ...row, ...this.#volumes.locate(row.slot) };
  }

  /**
   * Bytes of sectors [start, end), a new array, or undefined when one is absent.
   * Throws `STORE_CHECKSUM` (kind `corrupt`) after quarantining the damaged blocks.
   */
  async read(
    segmentIndex: number,
    startSector: number,
    endSector: number,
  ): Promise<Uint8Array | undefined> {
    assert(
      startSector >= 0 && startSector < endSector && endSector <= SECTORS_PER_SLOT,
      'sector range',
    );
    const row = this.#index.get(segmentIndex);
    if (!row || !isPresent(row.presence, startSector, endSector)) return undefined;
    const blocks = blocksOf(startSector, endSector);
    const bytes = await this.#readChecked(segmentIndex, row, blocks);
    if (!bytes) return this.read(segmentIndex, startSector, endSector);
    await decodeRuns(this.#codec, segmentIndex, row, blocks, bytes);
    const from = blocks.start * BLOCK_BYTES;
    return bytes.subarray(startSector * SECTOR_BYTES - from, endSector * SECTOR_BYTES - from);
  }

  /** Checks what is stored of a segment, in its present form. Throws `STORE_CHECKSUM` after quarantining the damaged blocks. */
  async check(segmentIndex: number): Promise<void> {
    const row = this.#index.get(segmentIndex);
    if (row) await this.#readChecked(segmentIndex, row, { start: 0, end: BLOCKS_PER_SLOT });
  }

  stats(): SegmentStoreStats {
    const { used } = this.#slots;
    return {
      segments: used,
      bytesOnDisk: used * SLOT_BYTES,
      quarantined: this.#index.quarantined,
    };
  }

  /** Waits for queued writes, then closes the volumes. The database stays open. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#draining;
    await this.#volumes.close();
  }

  /* ------------------------------------------------- writing ------------------------------------------------- */

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const group: Pending[] = [];
      let bytes = 0;
      while (this.#queue.length > 0 && (group.length === 0 || bytes < GROUP_BYTES_MAX)) {
        const next = this.#queue.shift()!;
        group.push(next);
        bytes += next.bytes;
      }
      await this.#writeGroup(group);
      this.#queueBytes -= bytes;
    }
    this.#draining = undefined; // in the same turn that found the queue empty
  }

  async #writeGroup(group: Pending[]): Promise<void> {
    let stage = new Stage(this.#stageDeps);
    const alive: Pending[] = [];
    for (const pending of group) {
      // On a copy: a call that fails half-way leaves nothing in the group. A single step stages last what it changes.
      const trial = pending.steps.length <= 1 ? stage : new Stage(this.#stageDeps, stage);
      try {
        for (const step of pending.steps) await trial.add(step);
        stage = trial;
        alive.push(pending);
      } catch (error) {
        for (const slot of trial.taken) if (!stage.taken.has(slot)) this.#slots.giveBack([slot]);
        pending.reject(storeError(error, this.#dir));
      }
    }
    const failed = new Map<Pending, unknown>();
    try {
      await this.#volumes.datasync(stage.touched);
      this.#index.transaction(() => {
        for (const pending of alive) {
          try {
            pending.commit?.();
          } catch (error) {
            failed.set(pending, error);
          }
        }
        if (failed.size > 0) throw new CommitRefused();
        for (const [segmentIndex, row] of stage.rows) this.#index.write(segmentIndex, row);
        for (const [segmentIndex, blocks] of stage.damaged)
          this.#index.noteDamage(segmentIndex, blocks);
      });
    } catch (error) {
      this.#slots.giveBack(stage.taken);
      if (error instanceof CommitRefused) {
        // Rolled back as one; those that were refused fail, the others go again without them.
        for (const [pending, reason] of failed) pending.reject(reason);
        await this.#writeGroup(alive.filter((pending) => !failed.has(pending)));
        return;
      }
      for (const pending of alive) {
        pending.reject(storeError(error, this.#dir));
      }
      return;
    }
    this.#adopt(stage);
    for (const pending of alive) pending.resolve();
  }

  /** Takes a committed stage into memory; only now may freed slots be used again. */
  #adopt(stage: Stage): void {
    for (const [segmentIndex, row] of stage.rows) {
      if (row) {
        if (stage.taken.delete(row.slot)) this.#slots.use();
        this.#index.remember(segmentIndex, row);
      } else this.#index.forget(segmentIndex);
    }
    this.#slots.release(stage.freed);
    this.#slots.giveBack(stage.taken); // taken and given up within the group
  }

  /* ------------------------------------------------- reading ------------------------------------------------- */

  /** Stored bytes of blocks, a new array; undefined when the row was replaced while they were read and they are of neither. */
  async #readChecked(
    segmentIndex: number,
    row: SegmentRow,
    blocks: BlockRange,
  ): Promise<Uint8Array | undefined> {
    const from = blocks.start * BLOCK_BYTES;
    const bytes = await this.#volumes.read(row.slot, from, blocks.end * BLOCK_BYTES - from);
    const damaged = damagedBlocks(bytes, blocks, row);
    if (damaged.length === 0) return bytes;
    // A write or removal during the read changes the row; then the bytes are simply not the ones that were asked for.
    const now = this.#index.get(segmentIndex);
    if (now?.slot !== row.slot || !isSameIn(blocks, now, row)) return undefined;
    throw this.#quarantine(segmentIndex, now, damaged);
  }

  #quarantine(segmentIndex: number, row: SegmentRow, blocks: number[]): CodedError {
    const presence = row.presence.slice();
    let { form } = row;
    for (const block of blocks) {
      setPresence(presence, block * SECTORS_PER_BLOCK, (block + 1) * SECTORS_PER_BLOCK, false);
      form = formWithout(form, { start: block, end: block + 1 });
    }
    this.#log.error({ segmentIndex, blocks }, 'stored bytes are damaged, quarantined');
    const left: SegmentRow = { ...row, presence, form };
    try {
      this.#index.transaction(() => {
        this.#index.noteDamage(segmentIndex, blocks);
        this.#index.write(segmentIndex, left);
      });
      this.#index.remember(segmentIndex, left);
    } catch (error) {
      // Nothing wrong is served either way: the next read finds the damage again.
      this.#log.warn({ segmentIndex, error: errorMessage(error) }, 'quarantine could not be noted');
    }
    return new CodedError({
      code: 'STORE_CHECKSUM',
      kind: 'corrupt',
      message: `stored bytes of segment ${segmentIndex} are damaged`,
      details: { segmentIndex, blocks },
    });
  }
}

/** Rolls a group back because a caller's commit threw. */
class CommitRefused extends Error {}
