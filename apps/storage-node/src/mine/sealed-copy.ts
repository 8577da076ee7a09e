/*
 * The sealed copy of one miner id: <dataDir>/sealed/<id>/{volumes, sealed.db}.
 *
 * It is a SegmentStore of its own (libs/store: volumes, presence and checksums per 4 KiB, write → sync → commit), in which a seal
 * is 16 sectors at the place of its data; present means sealed. Beside it, in the same transaction:
 *
 *   seal_run   (load, start seal) → end seal, context digest      which context the seals [start, end) were sealed under
 *
 * Recovery: a kill leaves a seal present with its run, or absent; what is absent is sealed again from the raw data.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { bytesToHash32, type Hash32, hexToBytes, type Logger } from '@cairn/base';
import { SEALS_PER_LOAD } from '@cairn/pora';
import { SECTORS_PER_SEAL } from '@cairn/protocol';
import {
  type Database,
  type Disk,
  openDatabase,
  SEGMENT_CHECK_SCHEMA,
  SEGMENT_FORM_SCHEMA,
  SEGMENT_STORE_SCHEMA,
  SegmentStore,
} from '@cairn/store';
import type { SlotTicket } from '@cairn/store/slot-reader';
import {
  checkLoad,
  removeSealsFrom,
  type SealDraft,
  type SealedData,
  type SealRun,
} from './sealed-data.ts';

const MIGRATIONS = [
  `${SEGMENT_STORE_SCHEMA}
  CREATE TABLE seal_run (
    load INTEGER NOT NULL,
    start_seal INTEGER NOT NULL,
    end_seal INTEGER NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (load, start_seal)
  ) WITHOUT ROWID, STRICT;`,
  SEGMENT_FORM_SCHEMA,
  SEGMENT_CHECK_SCHEMA,
];

/** Loads looked at in one turn of the event loop. */
const LOADS_PER_PAGE = 256;

export class SealedCopy implements SealedData {
  readonly dir: string;
  readonly #db: Database;
  readonly #segments: SegmentStore;

  private constructor(dir: string, db: Database, segments: SegmentStore) {
    this.dir = dir;
    this.#db = db;
    this.#segments = segments;
  }

  static async open(
    deps: { log: Logger; disk?: Disk | undefined },
    options: { dir: string; segmentsPerVolume: number },
  ): Promise<SealedCopy> {
    await mkdir(options.dir, { recursive: true });
    const db = openDatabase(join(options.dir, 'sealed.db'), MIGRATIONS);
    try {
      return new SealedCopy(options.dir, db, await SegmentStore.open({ db, ...deps }, options));
    } catch (error) {
      db.close();
      throw error;
    }
  }

  get loads(): number {
    return this.#segments.stats().segments;
  }

  has(load: number, seal: number): boolean {
    const from = seal * SECTORS_PER_SEAL;
    return this.#segments.has(load, from, from + SECTORS_PER_SEAL);
  }

  runs(load: number): SealRun[] {
    const rows = this.#db
      .prepare<[number], { start_seal: number; end_seal: number; digest: Buffer }>(
        'SELECT start_seal, end_seal, digest FROM seal_run WHERE load = ? ORDER BY start_seal',
      )
      .all(load);
    return rows.map((row) => ({
      start: row.start_seal,
      end: row.end_seal,
      digest: bytesToHash32(row.digest),
    }));
  }

  digestOf(load: number, seal: number): Hash32 | undefined {
    return this.runs(load).find(({ start, end }) => start <= seal && seal < end)?.digest;
  }

  place(load: number): SlotTicket | undefined {
    const stored = this.#segments.stored(load);
    if (!stored) return undefined;
    const { presence, volume, offset, checksums } = stored;
    const blocks = new Uint8Array(SEALS_PER_LOAD / 8);
    for (let seal = 0; seal < SEALS_PER_LOAD; seal++) {
      const isWhole = presence[2 * seal] === 255 && presence[2 * seal + 1] === 255;
      if (isWhole) blocks[seal >> 3]! |= 1 << (seal & 7);
    }
    return { volume, offset, blocks, checksums };
  }

  isForeign(): boolean {
    return false;
  }

  /** The raw bytes are in another store: what changes there is for `isCurrent` to know. */
  draft(load: number): SealDraft {
    return {
      write: (run, data, isCurrent) =>
        this.#segments.write(
          [{ segmentIndex: load, startSector: run.start * SECTORS_PER_SEAL, data }],
          () => {
            isCurrent();
            this.#db
              .prepare('INSERT OR REPLACE INTO seal_run VALUES (?, ?, ?, ?)')
              .run(load, run.start, run.end, hexToBytes(run.digest));
          },
        ),
    };
  }

  /** A run that is cut keeps what is left of it. */
  async remove(load: number, start: number, end: number): Promise<void> {
    const range = {
      segmentIndex: load,
      startSector: start * SECTORS_PER_SEAL,
      endSector: end * SECTORS_PER_SEAL,
    };
    await this.#segments.remove([range], () => {
      const insert = this.#db.prepare('INSERT INTO seal_run VALUES (?, ?, ?, ?)');
      for (const run of this.runs(load)) {
        if (run.end <= start || run.start >= end) continue;
        this.#db
          .prepare('DELETE FROM seal_run WHERE load = ? AND start_seal = ?')
          .run(load, run.start);
        const digest = hexToBytes(run.digest);
        if (run.start < start) insert.run(load, run.start, start, digest);
        if (run.end > end) insert.run(load, end, run.end, digest);
      }
    });
  }

  drop(load: number, start: number, end: number): Promise<void> {
    return this.remove(load, start, end);
  }

  async keepOnly(holds: (load: number) => boolean, signal: AbortSignal): Promise<void> {
    for (let from = 0; ; ) {
      signal.throwIfAborted();
      const page = this.#segments.segmentIndexes(from, LOADS_PER_PAGE);
      const last = page.at(-1);
      if (last === undefined) return;
      for (const load of page) if (!holds(load)) await this.remove(load, 0, SEALS_PER_LOAD);
      from = last + 1;
      await new Promise(setImmediate);
    }
  }

  removeFrom(sector: number): Promise<void> {
    return removeSealsFrom(this, (first) => this.#segments.segmentIndexes(first), sector);
  }

  check(load: number): Promise<void> {
    return checkLoad(this.#segments, load);
  }

  async close(): Promise<void> {
    await this.#segments.close();
    this.#db.close();
  }
}
