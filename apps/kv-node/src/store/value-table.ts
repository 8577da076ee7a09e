// Values of all versions, and which keys are live now.
import { type BatchSource, readPadded } from '@cairn/kv';
import type { Database, Statement } from '@cairn/store';

/** Longer values go to value_part: rows of the key tree stay small enough for four on a page. */
export const INLINE_BYTES = 512;
export const PART_BYTES = 65_536;

/** One version of a key. */
export type ValueRow = { version: number; size: number; entry: number; data: Uint8Array | null };
export type KeyedValueRow = ValueRow & { key: Uint8Array };

const COLUMNS = 'version, size, entry, data';

export class ValueTable {
  readonly #db: Database;
  readonly #at: Statement;
  readonly #latest: Statement;
  readonly #history: Statement;
  readonly #insert: Statement;
  readonly #insertPart: Statement;
  readonly #parts: Statement;
  readonly #live: Statement;
  readonly #kill: Statement;
  readonly #steps: Record<'next' | 'prev', Record<'live' | 'any', [Statement, Statement]>>;

  constructor(db: Database) {
    this.#db = db;
    this.#at = db.prepare(
      `SELECT ${COLUMNS} FROM value WHERE stream = ? AND key = ? AND version <= ? ORDER BY version DESC LIMIT 1`,
    );
    this.#latest = db.prepare(
      'SELECT version, size FROM value WHERE stream = ? AND key = ? ORDER BY version DESC LIMIT 1',
    );
    this.#history = db.prepare(
      'SELECT version, size FROM value WHERE stream = ? AND key = ? AND version < ? ORDER BY version DESC LIMIT ?',
    );
    this.#insert = db.prepare('INSERT INTO value VALUES (?, ?, ?, ?, ?, ?)');
    this.#insertPart = db.prepare('INSERT INTO value_part VALUES (?, ?, ?, ?, ?)');
    this.#parts = db.prepare(
      'SELECT part, data FROM value_part WHERE stream = ? AND version = ? AND entry = ? AND part BETWEEN ? AND ? ORDER BY part',
    );
    this.#live = db.prepare('INSERT OR IGNORE INTO live VALUES (?, ?)');
    this.#kill = db.prepare('DELETE FROM live WHERE stream = ? AND key = ?');
    const step = (table: string, compare: string, order: string): Statement =>
      db.prepare(
        `SELECT key FROM ${table} WHERE stream = ? AND key ${compare} ? ORDER BY key ${order} LIMIT 1`,
      );
    const both = (table: string, sign: string, order: string): [Statement, Statement] => [
      step(table, sign, order),
      step(table, `${sign}=`, order),
    ];
    this.#steps = {
      next: { live: both('live', '>', 'ASC'), any: both('value', '>', 'ASC') },
      prev: { live: both('live', '<', 'DESC'), any: both('value', '<', 'DESC') },
    };
  }

  /** The value with the largest version at or below `version`. */
  at(stream: number, key: Uint8Array, version: number): ValueRow | undefined {
    return this.#at.get(stream, key, version) as ValueRow | undefined;
  }

  latestVersion(stream: number, key: Uint8Array): number {
    const row = this.#latest.get(stream, key) as { version: number } | undefined;
    return row?.version ?? 0;
  }

  /** Versions of a key below `before`, newest first. */
  history(
    stream: number,
    key: Uint8Array,
    before: number,
    limit: number,
  ): { version: number; size: number }[] {
    return this.#history.all(stream, key, before, limit) as { version: number; size: number }[];
  }

  /**
   * The nearest key before or after `key` (or it, when `isInclusive`): among live keys, or among all that ever were.
   * Without a key: the first or the last one.
   */
  neighbour(
    stream: number,
    key: Uint8Array | undefined,
    options: { direction: 'next' | 'prev'; among: 'live' | 'any'; isInclusive: boolean },
  ): Uint8Array | undefined {
    const { direction, among, isInclusive } = options;
    if (key === undefined && direction === 'prev') return this.#lastKey(stream, among);
    const statement = this.#steps[direction][among][isInclusive ? 1 : 0];
    const row = statement.get(stream, key ?? new Uint8Array()) as { key: Uint8Array } | undefined;
    return row?.key;
  }

  #lastKey(stream: number, among: 'live' | 'any'): Uint8Array | undefined {
    const row = this.#db
      .prepare(
        `SELECT key FROM ${among === 'live' ? 'live' : 'value'} WHERE stream = ? ORDER BY key DESC LIMIT 1`,
      )
      .get(stream) as { key: Uint8Array } | undefined;
    return row?.key;
  }

  /** Bytes [start, end) of a value; a new array or a view of the row. */
  read(stream: number, row: ValueRow, start: number, end: number): Uint8Array {
    if (row.data) return row.data.subarray(start, end);
    const out = new Uint8Array(end - start);
    if (end === start) return out;
    const first = Math.floor(start / PART_BYTES);
    const last = Math.floor((end - 1) / PART_BYTES);
    const parts = this.#parts.all(stream, row.version, row.entry, first, last) as {
      part: number;
      data: Uint8Array;
    }[];
    for (const { part, data } of parts) {
      const base = part * PART_BYTES;
      const from = Math.max(start, base);
      const to = Math.min(end, base + data.length);
      out.set(data.subarray(from - base, to - base), from - start);
    }
    return out;
  }

  /** Stores bytes [valueStart, valueEnd) of a batch as the key's newest version. */
  write(
    source: BatchSource,
    write: { key: Uint8Array; valueStart: number; valueEnd: number },
    at: { stream: number; version: number; entry: number },
  ): void {
    const { key, valueStart, valueEnd } = write;
    const { stream, version, entry } = at;
    const size = valueEnd - valueStart;
    const isInline = size <= INLINE_BYTES;
    const data = isInline ? readPadded(source, valueStart, valueEnd) : null;
    this.#insert.run(stream, key, version, size, entry, data);
    for (let part = 0; !isInline && part * PART_BYTES < size; part++) {
      const start = valueStart + part * PART_BYTES;
      const bytes = readPadded(source, start, Math.min(valueEnd, start + PART_BYTES));
      this.#insertPart.run(stream, version, entry, part, bytes);
    }
    if (size > 0) this.#live.run(stream, key);
    else this.#kill.run(stream, key);
  }

  /** Undoes every version of a key from `seq` on. */
  revert(stream: number, key: Uint8Array, seq: number): void {
    this.#db
      .prepare('DELETE FROM value WHERE stream = ? AND key = ? AND version >= ?')
      .run(stream, key, seq);
    const row = this.#latest.get(stream, key) as { version: number; size: number } | undefined;
    if (row && row.size > 0) this.#live.run(stream, key);
    else this.#kill.run(stream, key);
  }

  revertParts(stream: number, seq: number): void {
    this.#db.prepare('DELETE FROM value_part WHERE stream = ? AND version >= ?').run(stream, seq);
  }
}
