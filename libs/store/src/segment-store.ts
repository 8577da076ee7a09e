/*
 * Segments of the flow in volume files, indexed in SQLite.
 *
 *   <dir>/volumes/000000.vol   slot 0 | slot 1 | …      slot = 256 KiB, segmentsPerVolume of them
 *   table segment              segment_index → volume slot, 1024 presence bits, 64 CRC-32 (one per 4 KiB block)
 *
 * Write: bytes go to their slot, the touched volumes are fdatasynced, then one transaction records presence and checksums
 * together with whatever the caller wants true at the same time. Only then is it acknowledged. Writes that arrive
 * meanwhile form the next group. A kill before the commit leaves bytes that nothing refers to.
 * Read: the touched blocks are checked; a mismatch quarantines their sectors (absent from then on) and throws.
 * Recovery: SQLite's own. Slots in use are exactly those in the table; a free slot is reused only after the commit that
 * freed it. Volumes are sparse until written, so `du` follows the ledger.
 */
import { join } from 'node:path';
import { assert, CodedError, equalBytes, errorMessage, type Logger } from '@cairn/base';
import type { Database } from 'better-sqlite3';
import { storeError } from './database.ts';
import { type Disk, type DiskFile, nodeDisk } from './disk.ts';
import {
  BLOCK_BYTES,
  BLOCKS_PER_SLOT,
  blockChecksum,
  countPresent,
  emptyPresence,
  isAnyPresent,
  isPresent,
  type Presence,
  SECTOR_BYTES,
  SECTORS_PER_BLOCK,
  SECTORS_PER_SLOT,
  SLOT_BYTES,
  setPresence,
} from './slot.ts';

/** `startSector` 0..1023 inside the segment; `data` a multiple of 256 bytes that ends inside it. Not copied until written. */
export type SegmentWrite = { segmentIndex: number; startSector: number; data: Uint8Array };

export type SegmentStoreDeps = { db: Database; log: Logger; disk?: Disk | undefined };
export type SegmentStoreOptions = {
  /** Folder of the volumes. */
  dir: string;
  /** Slots per volume file. */
  segmentsPerVolume: number;
  /** Most slots in use; beyond it writes throw `STORE_LIMIT`. */
  maxSegments?: number | undefined;
};
export type SegmentStoreStats = { segments: number; bytesOnDisk: number; quarantined: number };

/** Tables of the segment store; the first migration of a database that holds one. */
export const SEGMENT_STORE_SCHEMA = `
  CREATE TABLE segment (
    segment_index INTEGER PRIMARY KEY,
    slot INTEGER NOT NULL UNIQUE,
    presence BLOB NOT NULL,
    checksums BLOB NOT NULL
  ) STRICT;
  CREATE TABLE quarantine (
    segment_index INTEGER NOT NULL,
    block INTEGER NOT NULL,
    found_at INTEGER NOT NULL
  ) STRICT;
`;

type Row = { slot: number; presence: Presence; checksums: Uint32Array };
/** What one group will commit: rows, rows that go (with their slots), slots it took, volumes it wrote to. */
type Stage = {
  rows: Map<number, Row | null>;
  removed: Map<number, number>;
  taken: Set<number>;
  touched: Set<number>;
};
/** Sectors [start, end) of one segment. */
export type SectorRange = { segmentIndex: number; startSector: number; endSector: number };

type Pending = {
  writes: readonly SegmentWrite[];
  removes: readonly SectorRange[];
  commit: (() => void) | undefined;
  resolve: () => void;
  reject: (error: unknown) => void;
};

/** Most bytes one group writes before it syncs. */
const GROUP_BYTES_MAX = 16 * 1024 * 1024;
/** Bytes that may wait; beyond it `write` throws `STORE_BUSY`. */
const QUEUE_BYTES_MAX = 256 * 1024 * 1024;
const ROW_CACHE_MAX = 8192;

export class SegmentStore {
  readonly #db: Database;
  readonly #log: Logger;
  readonly #disk: Disk;
  readonly #options: SegmentStoreOptions;
  readonly #volumes = new Map<number, DiskFile>();
  readonly #rows = new Map<number, Row>();
  readonly #queue: Pending[] = [];
  readonly #freeSlots: number[] = [];
  #nextSlot = 0;
  #used = 0;
  #queueBytes = 0;
  #draining: Promise<void> | undefined;
  #closed = false;
  readonly #select;
  readonly #upsert;
  readonly #delete;
  readonly #insertQuarantine;

  private constructor(deps: SegmentStoreDeps, options: SegmentStoreOptions) {
    this.#db = deps.db;
    this.#log = deps.log;
    this.#disk = deps.disk ?? nodeDisk;
    this.#options = options;
    this.#select = this.#db.prepare<
      [number],
      { slot: number; presence: Buffer; checksums: Buffer }
    >('SELECT slot, presence, checksums FROM segment WHERE segment_index = ?');
    this.#upsert = this.#db.prepare(
      `INSERT INTO segment VALUES (?, ?, ?, ?)
       ON CONFLICT (segment_index) DO UPDATE
       SET slot = excluded.slot, presence = excluded.presence, checksums = excluded.checksums`,
    );
    this.#delete = this.#db.prepare('DELETE FROM segment WHERE segment_index = ?');
    this.#insertQuarantine = this.#db.prepare('INSERT INTO quarantine VALUES (?, ?, unixepoch())');
  }

  /** Opens the store of `dir`. The database must contain `SEGMENT_STORE_SCHEMA`. */
  static async open(deps: SegmentStoreDeps, options: SegmentStoreOptions): Promise<SegmentStore> {
    const store = new SegmentStore(deps, options);
    await store.#disk.createFolder(join(options.dir, 'volumes'));
    const slots = deps.db
      .prepare('SELECT slot FROM segment ORDER BY slot')
      .pluck()
      .all() as number[];
    store.#used = slots.length;
    store.#nextSlot = slots.length === 0 ? 0 : slots[slots.length - 1]! + 1;
    let expected = 0;
    for (const slot of slots)
      for (; expected <= slot; expected++) if (expected < slot) store.#freeSlots.push(expected);
    await store.#checkVolumes();
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
    return this.#enqueue(writes, [], commit);
  }

  /**
   * Forgets sectors, in order with the writes around it; `commit` runs in the same transaction. The bytes stay on disk
   * until their slot is used again, but nothing refers to them.
   */
  remove(ranges: readonly SectorRange[], commit?: () => void): Promise<void> {
    return this.#enqueue([], ranges, commit);
  }

  #enqueue(
    writes: readonly SegmentWrite[],
    removes: readonly SectorRange[],
    commit: (() => void) | undefined,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ writes, removes, commit, resolve, reject });
      this.#draining ??= this.#drain();
    });
  }

  /** True when sectors [start, end) of the segment are all stored. */
  has(segmentIndex: number, startSector: number, endSector: number): boolean {
    const row = this.#row(segmentIndex);
    return row !== undefined && isPresent(row.presence, startSector, endSector);
  }

  /** Indexes of the segments of which anything is stored, ascending. */
  segmentIndexes(): number[] {
    return this.#db
      .prepare('SELECT segment_index FROM segment ORDER BY segment_index')
      .pluck()
      .all() as number[];
  }

  presentSectors(segmentIndex: number): number {
    const row = this.#row(segmentIndex);
    return row ? countPresent(row.presence) : 0;
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
    const row = this.#row(segmentIndex);
    if (!row || !isPresent(row.presence, startSector, endSector)) return undefined;
    const firstBlock = Math.floor(startSector / SECTORS_PER_BLOCK);
    const lastBlock = Math.ceil(endSector / SECTORS_PER_BLOCK);
    const { presence, checksums } = {
      presence: row.presence.slice(),
      checksums: row.checksums.slice(),
    };
    const from = firstBlock * BLOCK_BYTES;
    const bytes = await this.#readSlot(row.slot, from, lastBlock * BLOCK_BYTES - from);
    const bad: number[] = [];
    // Rows are replaced, never changed in place, so the copies above are what the bytes were written under.
    for (let block = firstBlock; block < lastBlock; block++) {
      const sum = blockChecksumAt(bytes, from, block, presence);
      if (sum !== checksums[block]) bad.push(block);
    }
    if (bad.length > 0) {
      // A write or removal during the read changes the row; then the bytes are simply not the ones that were asked for.
      const now = this.#row(segmentIndex);
      if (now !== row || !equalBytes(now.presence, presence))
        return this.read(segmentIndex, startSector, endSector);
      throw this.#quarantine(segmentIndex, row, bad);
    }
    return bytes.subarray(startSector * SECTOR_BYTES - from, endSector * SECTOR_BYTES - from);
  }

  stats(): SegmentStoreStats {
    const quarantined = this.#db.prepare('SELECT count(*) FROM quarantine').pluck().get() as number;
    return { segments: this.#used, bytesOnDisk: this.#used * SLOT_BYTES, quarantined };
  }

  /** Waits for queued writes, then closes the volumes. The database stays open. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#draining;
    for (const volume of this.#volumes.values()) await volume.close();
    this.#volumes.clear();
  }

  /* ------------------------------------------------- writing ------------------------------------------------- */

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      const group: Pending[] = [];
      let bytes = 0;
      while (this.#queue.length > 0 && (group.length === 0 || bytes < GROUP_BYTES_MAX)) {
        const next = this.#queue.shift()!;
        group.push(next);
        for (const write of next.writes) bytes += write.data.length;
      }
      await this.#writeGroup(group);
      for (const { writes } of group)
        for (const write of writes) this.#queueBytes -= write.data.length;
    }
    this.#draining = undefined; // in the same turn that found the queue empty
  }

  async #writeGroup(group: Pending[]): Promise<void> {
    let stage = emptyStage();
    const alive: Pending[] = [];
    for (const pending of group) {
      // On a copy: a call that fails half-way leaves nothing in the group. A single step stages its row last.
      const isOneStep = pending.writes.length + pending.removes.length <= 1;
      const trial = isOneStep ? stage : copyStage(stage);
      try {
        await this.#writeBytes(pending.writes, trial);
        await this.#stageRemovals(pending.removes, trial);
        stage = trial;
        alive.push(pending);
      } catch (error) {
        for (const slot of trial.taken) if (!stage.taken.has(slot)) this.#freeSlots.push(slot);
        pending.reject(storeError(error, this.#options.dir));
      }
    }
    const failed = new Map<Pending, unknown>();
    try {
      await Promise.all(
        [...stage.touched].map(async (volume) => (await this.#volume(volume)).datasync()),
      );
      this.#db.transaction(() => {
        for (const pending of alive) {
          try {
            pending.commit?.();
          } catch (error) {
            failed.set(pending, error);
          }
        }
        if (failed.size > 0) throw new CommitRefused();
        for (const [segmentIndex, row] of stage.rows) {
          if (row) this.#upsert.run(segmentIndex, row.slot, ...columns(row));
          else this.#delete.run(segmentIndex);
        }
      })();
    } catch (error) {
      this.#freeSlots.push(...stage.taken);
      if (error instanceof CommitRefused) {
        // Rolled back as one; those that were refused fail, the others go again without them.
        for (const [pending, reason] of failed) pending.reject(reason);
        await this.#writeGroup(alive.filter((pending) => !failed.has(pending)));
        return;
      }
      for (const pending of alive) {
        pending.reject(storeError(error, this.#options.dir));
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
        if (stage.taken.delete(row.slot)) this.#used++;
        this.#remember(segmentIndex, row);
      } else this.#rows.delete(segmentIndex);
    }
    for (const slot of stage.removed.values()) {
      this.#used--;
      this.#freeSlots.push(slot);
    }
    this.#freeSlots.push(...stage.taken); // taken and given up within the group
  }

  async #writeBytes(writes: readonly SegmentWrite[], stage: Stage): Promise<void> {
    for (const { segmentIndex, startSector, data } of writes) {
      const endSector = startSector + data.length / SECTOR_BYTES;
      const known = this.#staged(segmentIndex, stage);
      if (known && isAnyPresent(known.presence, startSector, endSector)) {
        await this.#refuseOtherBytes(segmentIndex, known, startSector, data);
        if (isPresent(known.presence, startSector, endSector)) continue;
      }
      const row: Row = known
        ? { slot: known.slot, presence: known.presence.slice(), checksums: known.checksums.slice() }
        : {
            slot: this.#takeSlot(stage.taken),
            presence: emptyPresence(),
            checksums: new Uint32Array(BLOCKS_PER_SLOT),
          };
      const { volume, offset } = this.#locate(row.slot);
      await (await this.#volume(volume)).write(data, offset + startSector * SECTOR_BYTES);
      stage.touched.add(volume);
      setPresence(row.presence, startSector, endSector, true);
      await this.#updateChecksums(row, startSector, endSector, data);
      stage.rows.set(segmentIndex, row);
    }
  }

  async #refuseOtherBytes(
    segmentIndex: number,
    known: Row,
    startSector: number,
    data: Uint8Array,
  ): Promise<void> {
    const stored = await this.#readSlot(known.slot, startSector * SECTOR_BYTES, data.length);
    for (let at = 0; at < data.length; at += SECTOR_BYTES) {
      const sector = startSector + at / SECTOR_BYTES;
      if (!isPresent(known.presence, sector, sector + 1)) continue;
      if (equalBytes(stored.subarray(at, at + SECTOR_BYTES), data.subarray(at, at + SECTOR_BYTES)))
        continue;
      throw new CodedError({
        code: 'STORE_CONFLICT',
        kind: 'conflict',
        message: `segment ${segmentIndex} already holds other bytes`,
        details: { segmentIndex, sector },
      });
    }
  }

  async #stageRemovals(removes: readonly SectorRange[], stage: Stage): Promise<void> {
    for (const { segmentIndex, startSector, endSector } of removes) {
      const known = this.#staged(segmentIndex, stage);
      if (!known || !isAnyPresent(known.presence, startSector, endSector)) continue;
      const row: Row = {
        slot: known.slot,
        presence: known.presence.slice(),
        checksums: known.checksums.slice(),
      };
      setPresence(row.presence, startSector, endSector, false);
      if (countPresent(row.presence) === 0) {
        stage.rows.set(segmentIndex, null);
        if (!stage.taken.has(row.slot)) stage.removed.set(segmentIndex, row.slot);
        continue;
      }
      await this.#updateChecksums(row, startSector, endSector, new Uint8Array(0));
      stage.rows.set(segmentIndex, row);
    }
  }

  #staged(segmentIndex: number, stage: Stage): Row | undefined {
    const staged = stage.rows.get(segmentIndex);
    return staged === undefined ? this.#row(segmentIndex) : (staged ?? undefined);
  }

  /** Checksums of the blocks that [start, end) touches; edge blocks shared with older sectors are read back. */
  async #updateChecksums(
    row: Row,
    startSector: number,
    endSector: number,
    data: Uint8Array,
  ): Promise<void> {
    const from = startSector * SECTOR_BYTES;
    for (
      let block = Math.floor(startSector / SECTORS_PER_BLOCK);
      block * SECTORS_PER_BLOCK < endSector;
      block++
    ) {
      const blockStart = block * BLOCK_BYTES;
      const isWhole = blockStart >= from && blockStart + BLOCK_BYTES <= from + data.length;
      const bytes = isWhole
        ? data.subarray(blockStart - from, blockStart - from + BLOCK_BYTES)
        : await this.#readSlot(row.slot, blockStart, BLOCK_BYTES);
      row.checksums[block] = blockChecksumAt(bytes, blockStart, block, row.presence);
    }
  }

  #takeSlot(taken: Set<number>): number {
    const limit = this.#options.maxSegments;
    if (limit !== undefined && this.#used + taken.size >= limit) {
      throw new CodedError({
        code: 'STORE_LIMIT',
        kind: 'exhausted',
        message: `the node holds its limit of ${limit} segments`,
        hint: 'raise maxSegments, or use a smaller shard',
      });
    }
    const slot = this.#freeSlots.pop() ?? this.#nextSlot++;
    taken.add(slot);
    return slot;
  }

  /* ------------------------------------------------- reading ------------------------------------------------- */

  async #readSlot(slot: number, from: number, length: number): Promise<Uint8Array> {
    const { volume, offset } = this.#locate(slot);
    const out = new Uint8Array(length);
    await (await this.#volume(volume)).read(out, offset + from); // beyond the end: zeros, which the checksum judges
    return out;
  }

  #quarantine(segmentIndex: number, row: Row, blocks: number[]): CodedError {
    const presence = row.presence.slice();
    for (const block of blocks)
      setPresence(presence, block * SECTORS_PER_BLOCK, (block + 1) * SECTORS_PER_BLOCK, false);
    this.#log.error({ segmentIndex, blocks }, 'stored bytes are damaged, quarantined');
    try {
      this.#db.transaction(() => {
        for (const block of blocks) this.#insertQuarantine.run(segmentIndex, block);
        this.#save(segmentIndex, { ...row, presence });
      })();
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

  /* -------------------------------------------------- index -------------------------------------------------- */

  #row(segmentIndex: number): Row | undefined {
    const cached = this.#rows.get(segmentIndex);
    if (cached) return cached;
    const found = this.#select.get(segmentIndex);
    if (!found) return undefined;
    const row: Row = {
      slot: found.slot,
      presence: new Uint8Array(found.presence),
      checksums: new Uint32Array(new Uint8Array(found.checksums).buffer),
    };
    this.#remember(segmentIndex, row);
    return row;
  }

  #remember(segmentIndex: number, row: Row): void {
    this.#rows.delete(segmentIndex);
    this.#rows.set(segmentIndex, row);
    if (this.#rows.size > ROW_CACHE_MAX) this.#rows.delete(this.#rows.keys().next().value!);
  }

  #save(segmentIndex: number, row: Row): void {
    this.#upsert.run(segmentIndex, row.slot, ...columns(row));
    this.#remember(segmentIndex, row);
  }

  /* ------------------------------------------------- volumes ------------------------------------------------- */

  #locate(slot: number): { volume: number; offset: number } {
    const { segmentsPerVolume } = this.#options;
    return {
      volume: Math.floor(slot / segmentsPerVolume),
      offset: (slot % segmentsPerVolume) * SLOT_BYTES,
    };
  }

  async #volume(index: number): Promise<DiskFile> {
    const open = this.#volumes.get(index);
    if (open) return open;
    const file = await this.#disk.open(
      join(this.#options.dir, 'volumes', `${String(index).padStart(6, '0')}.vol`),
    );
    const raced = this.#volumes.get(index);
    if (raced) {
      await file.close();
      return raced;
    }
    this.#volumes.set(index, file);
    return file;
  }

  /** A volume shorter than its ledger lost acknowledged bytes: say so now, the checksums will name the segments. */
  async #checkVolumes(): Promise<void> {
    const last = new Map<number, number>();
    for (const slot of this.#db.prepare('SELECT slot FROM segment').pluck().all() as number[]) {
      const { volume, offset } = this.#locate(slot);
      last.set(volume, Math.max(last.get(volume) ?? 0, offset));
    }
    for (const [volume, offset] of last) {
      const size = await (await this.#volume(volume)).size();
      if (size <= offset)
        this.#log.error(
          { volume, size, expected: offset },
          'a volume file is shorter than its index says',
        );
    }
  }
}

const emptyStage = (): Stage => ({
  rows: new Map(),
  removed: new Map(),
  taken: new Set(),
  touched: new Set(),
});
const copyStage = (stage: Stage): Stage => ({
  rows: new Map(stage.rows),
  removed: new Map(stage.removed),
  taken: new Set(stage.taken),
  touched: new Set(stage.touched),
});

/** Rolls a group back because a caller's commit threw. */
class CommitRefused extends Error {}

function columns(row: Row): [Buffer, Buffer] {
  const { buffer, byteOffset, byteLength } = row.checksums;
  return [Buffer.from(row.presence), Buffer.from(buffer, byteOffset, byteLength)];
}

function blockChecksumAt(
  bytes: Uint8Array,
  from: number,
  block: number,
  presence: Presence,
): number {
  const shifted = bytes.subarray(
    block * BLOCK_BYTES - from,
    block * BLOCK_BYTES - from + BLOCK_BYTES,
  );
  return blockChecksum(shifted, 0, presence.subarray((block * SECTORS_PER_BLOCK) / 8));
}
