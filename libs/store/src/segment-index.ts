/*
 * The table of segments, with the rows that were used last in memory.
 *
 * SQLite does not check what it reads, and a checksum of stored bytes does not say whose they are: a flipped bit in a key would
 * serve them under another place. So a row carries a checksum over all of it, its key included. A row that fails it is taken
 * out and its segment counts as absent; its slot is not used again before the next start, as the row may name a wrong one.
 */
import { crc32 } from 'node:zlib';
import { errorMessage, type Logger } from '@cairn/base';
import type { Database } from 'better-sqlite3';
import type { SegmentRow } from './segment-row.ts';
import { BLOCKS_PER_SLOT } from './slot.ts';

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
/** A later migration of the same: blocks that are stored in another form (8 bytes: which; then the codec's tag). */
export const SEGMENT_FORM_SCHEMA = `
  ALTER TABLE segment ADD COLUMN form BLOB;
  CREATE INDEX segment_encoded ON segment (segment_index) WHERE form IS NOT NULL;
`;
/** A later migration of the same: a checksum over each row, from its next write on. */
export const SEGMENT_CHECK_SCHEMA = 'ALTER TABLE segment ADD COLUMN row_checksum INTEGER;';

const ROW_CACHE_MAX = 8192;
const FORM_BLOCKS_BYTES = BLOCKS_PER_SLOT / 8;

type Columns = { slot: number; presence: Buffer; checksums: Buffer; form: Buffer | null };
type CheckedColumns = Columns & { row_checksum: number | null };

export class SegmentIndex {
  readonly #db: Database;
  readonly #log: Logger;
  readonly #rows = new Map<number, SegmentRow>();
  readonly #select;
  readonly #upsert;
  readonly #delete;
  readonly #insertQuarantine;

  constructor(db: Database, log: Logger) {
    this.#db = db;
    this.#log = log;
    this.#select = db.prepare<[number], CheckedColumns>(
      'SELECT slot, presence, checksums, form, row_checksum FROM segment WHERE segment_index = ?',
    );
    this.#upsert = db.prepare(
      `INSERT INTO segment (segment_index, slot, presence, checksums, form, row_checksum) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (segment_index) DO UPDATE SET slot = excluded.slot, presence = excluded.presence,
         checksums = excluded.checksums, form = excluded.form, row_checksum = excluded.row_checksum`,
    );
    this.#delete = db.prepare('DELETE FROM segment WHERE segment_index = ?');
    this.#insertQuarantine = db.prepare('INSERT INTO quarantine VALUES (?, ?, unixepoch())');
  }

  get(segmentIndex: number): SegmentRow | undefined {
    const cached = this.#rows.get(segmentIndex);
    if (cached) return cached;
    const found = this.#select.get(segmentIndex);
    if (!found) return undefined;
    const { row_checksum: checksum } = found;
    if (checksum !== null && checksum !== checksumOfRow(segmentIndex, found)) {
      this.#takeOut(segmentIndex);
      return undefined;
    }
    const row = rowOf(found);
    this.remember(segmentIndex, row);
    return row;
  }

  /** Slots in use, ascending. */
  slots(): number[] {
    return this.#db.prepare('SELECT slot FROM segment ORDER BY slot').pluck().all() as number[];
  }

  /** Indexes of the segments of which anything is stored, ascending, from `start` on; the first `limit` of them. */
  segmentIndexes(start: number, limit: number): number[] {
    return this.#db
      .prepare(
        'SELECT segment_index FROM segment WHERE segment_index >= ? ORDER BY segment_index LIMIT ?',
      )
      .pluck()
      .all(start, limit) as number[];
  }

  /** Indexes of the segments with blocks in another form, ascending, from `start` on. */
  encodedIndexes(start: number): number[] {
    return this.#db
      .prepare(
        'SELECT segment_index FROM segment WHERE segment_index >= ? AND form IS NOT NULL ORDER BY segment_index',
      )
      .pluck()
      .all(start) as number[];
  }

  get encodedCount(): number {
    return this.#db
      .prepare('SELECT count(*) FROM segment WHERE form IS NOT NULL')
      .pluck()
      .get() as number;
  }

  get quarantined(): number {
    return this.#db.prepare('SELECT count(*) FROM quarantine').pluck().get() as number;
  }

  /** Writes a row, or deletes it when null. Inside the caller's transaction; `remember` or `forget` follow the commit. */
  write(segmentIndex: number, row: SegmentRow | null): void {
    if (!row) {
      this.#delete.run(segmentIndex);
      return;
    }
    const columns = columnsOf(row);
    const { slot, presence, checksums, form } = columns;
    const checksum = checksumOfRow(segmentIndex, columns);
    this.#upsert.run(segmentIndex, slot, presence, checksums, form, checksum);
  }

  #takeOut(segmentIndex: number): void {
    this.#log.error(
      { segmentIndex },
      'a row of the index is damaged, its segment counts as absent',
    );
    try {
      this.#db.transaction(() => {
        this.noteDamage(segmentIndex, [...Array(BLOCKS_PER_SLOT).keys()]);
        this.#delete.run(segmentIndex);
        // The index of slots may know the row by another slot than it names.
        this.#db.exec('REINDEX segment');
      })();
    } catch (error) {
      // It stays and is found again: nothing of it is given out either way.
      this.#log.warn({ segmentIndex, error: errorMessage(error) }, 'a damaged row stays for now');
    }
  }

  noteDamage(segmentIndex: number, blocks: readonly number[]): void {
    for (const block of blocks) this.#insertQuarantine.run(segmentIndex, block);
  }

  remember(segmentIndex: number, row: SegmentRow): void {
    this.#rows.delete(segmentIndex);
    this.#rows.set(segmentIndex, row);
    if (this.#rows.size > ROW_CACHE_MAX) this.#rows.delete(this.#rows.keys().next().value!);
  }

  forget(segmentIndex: number): void {
    this.#rows.delete(segmentIndex);
  }

  transaction(run: () => void): void {
    this.#db.transaction(run)();
  }
}

function rowOf({ slot, presence, checksums, form }: Columns): SegmentRow {
  return {
    slot,
    presence: new Uint8Array(presence),
    checksums: new Uint32Array(new Uint8Array(checksums).buffer),
    form: form
      ? {
          blocks: new Uint8Array(form.subarray(0, FORM_BLOCKS_BYTES)),
          tag: new Uint8Array(form.subarray(FORM_BLOCKS_BYTES)),
        }
      : undefined,
  };
}

function columnsOf({ slot, presence, checksums, form }: SegmentRow): Columns {
  const { buffer, byteOffset, byteLength } = checksums;
  return {
    slot,
    presence: Buffer.from(presence),
    checksums: Buffer.from(buffer, byteOffset, byteLength),
    form: form ? Buffer.concat([form.blocks, form.tag]) : null,
  };
}

/** CRC-32 over key, slot (64-bit floats, exact below 2^53) and the other columns of a row. */
function checksumOfRow(segmentIndex: number, { slot, presence, checksums, form }: Columns): number {
  const numbers = new Float64Array([segmentIndex, slot, presence.length, form ? form.length : -1]);
  let sum = crc32(new Uint8Array(numbers.buffer));
  for (const bytes of [presence, checksums, form]) if (bytes) sum = crc32(bytes, sum);
  return sum;
}
