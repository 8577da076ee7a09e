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
import { BYTES_PER_LOAD, SEALS_PER_LOAD } from '@cairn/pora';
import { BYTES_PER_SEAL, SECTORS_PER_SEAL } from '@cairn/protocol';
import {
  type Database,
  type Disk,
  openDatabase,
  SEGMENT_STORE_SCHEMA,
  SegmentStore,
} from '@cairn/store';

const MIGRATIONS = [
  `${SEGMENT_STORE_SCHEMA}
  CREATE TABLE seal_run (
    load INTEGER NOT NULL,
    start_seal INTEGER NOT NULL,
    end_seal INTEGER NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (load, start_seal)
  ) WITHOUT ROWID, STRICT;`,
];

/** Seals [start, end) of a load. */
export type SealRun = { start: number; end: number; digest: Hash32 };
/** A load as the search takes it: 256 KiB, and one bit per seal that is there. Absent seals are zero bytes. */
export type SealedLoad = { data: Uint8Array<ArrayBuffer>; present: Uint8Array };

export class SealedStore {
  readonly #db: Database;
  readonly #segments: SegmentStore;

  private constructor(db: Database, segments: SegmentStore) {
    this.#db = db;
    this.#segments = segments;
  }

  static async open(
    deps: { log: Logger; disk?: Disk | undefined },
    options: { dir: string; segmentsPerVolume: number },
  ): Promise<SealedStore> {
    await mkdir(options.dir, { recursive: true });
    const db = openDatabase(join(options.dir, 'sealed.db'), MIGRATIONS);
    try {
      return new SealedStore(db, await SegmentStore.open({ db, ...deps }, options));
    } catch (error) {
      db.close();
      throw error;
    }
  }

  /** Seals stored, over all loads. */
  get loads(): number {
    return this.#segments.stats().segments;
  }

  has(load: number, seal: number): boolean {
    const from = seal * SECTORS_PER_SEAL;
    return this.#segments.has(load, from, from + SECTORS_PER_SEAL);
  }

  holdsAny(load: number): boolean {
    return this.#segments.presentSectors(load) > 0;
  }

  /** Runs of a load, ascending. */
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

  /** The context a stored seal was sealed under. */
  digestOf(load: number, seal: number): Hash32 | undefined {
    return this.runs(load).find(({ start, end }) => start <= seal && seal < end)?.digest;
  }

  /** Stores sealed bytes of a run; durable when it resolves. `isCurrent` is asked inside the transaction. */
  async write(load: number, run: SealRun, data: Uint8Array, isCurrent: () => void): Promise<void> {
    await this.#segments.write(
      [{ segmentIndex: load, startSector: run.start * SECTORS_PER_SEAL, data }],
      () => {
        isCurrent();
        this.#db
          .prepare('INSERT OR REPLACE INTO seal_run VALUES (?, ?, ?, ?)')
          .run(load, run.start, run.end, hexToBytes(run.digest));
      },
    );
  }

  /** Forgets seals [start, end) of a load; a run they cut keeps what is left of it. */
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

  /** Forgets every seal that ends above `sector`, after a reorg. */
  async removeFrom(sector: number): Promise<void> {
    const firstSeal = Math.floor(sector / SECTORS_PER_SEAL);
    const firstLoad = Math.floor(firstSeal / SEALS_PER_LOAD);
    const loads = this.#db
      .prepare('SELECT segment_index FROM segment WHERE segment_index >= ?')
      .pluck()
      .all(firstLoad) as number[];
    for (const load of loads)
      await this.remove(load, load === firstLoad ? firstSeal % SEALS_PER_LOAD : 0, SEALS_PER_LOAD);
  }

  /** What is sealed of a load; undefined when nothing is. Damaged seals are left out (quarantined by the store). */
  async read(load: number): Promise<SealedLoad | undefined> {
    const present = new Uint8Array(SEALS_PER_LOAD / 8);
    for (let seal = 0; seal < SEALS_PER_LOAD; seal++)
      if (this.has(load, seal)) present[seal >> 3]! |= 1 << (seal & 7);
    if (present.every((byte) => byte === 0)) return undefined;
    const sectors = SEALS_PER_LOAD * SECTORS_PER_SEAL;
    if (present.every((byte) => byte === 255)) {
      const whole = await this.#segments.read(load, 0, sectors);
      if (whole) return { data: whole as Uint8Array<ArrayBuffer>, present };
    }
    const data = new Uint8Array(BYTES_PER_LOAD);
    for (const { start, end } of setRuns(present)) {
      const run = await this.#segments.read(load, start * SECTORS_PER_SEAL, end * SECTORS_PER_SEAL);
      if (run) data.set(run, start * BYTES_PER_SEAL);
      else for (let seal = start; seal < end; seal++) present[seal >> 3]! &= ~(1 << (seal & 7));
    }
    return { data, present };
  }

  async close(): Promise<void> {
    await this.#segments.close();
    this.#db.close();
  }
}

/** Maximal runs of set bits. */
function setRuns(bits: Uint8Array): { start: number; end: number }[] {
  const out: { start: number; end: number }[] = [];
  for (let i = 0; i < bits.length * 8; i++) {
    if ((bits[i >> 3]! & (1 << (i & 7))) === 0) continue;
    const last = out.at(-1);
    if (last?.end === i) last.end = i + 1;
    else out.push({ start: i, end: i + 1 });
  }
  return out;
}
