// Which streams this node watches, from which submission on. Kept in memory; the table is read once.
import { bytesToHash32, CodedError, type Hash32, hexToBytes } from '@cairn/base';
import type { Database } from '@cairn/store';

export type WatchedStream = {
  /** Short name in the other tables. Never used again. */
  id: number;
  streamId: Hash32;
  fromSeq: number;
  /** `config` follows the configuration; `runtime` was added by `admin_addStream`. */
  origin: 'config' | 'runtime';
};

type Row = { id: number; stream_id: Uint8Array; from_seq: number; origin: 'config' | 'runtime' };

export class StreamTable {
  readonly #db: Database;
  readonly #max: number;
  readonly #watched = new Map<Hash32, WatchedStream>();

  constructor(db: Database, options: { max: number }) {
    this.#db = db;
    this.#max = options.max;
    for (const row of db.prepare('SELECT * FROM stream WHERE state = 0').all() as Row[]) {
      const streamId = bytesToHash32(row.stream_id);
      const { id, from_seq: fromSeq, origin } = row;
      this.#watched.set(streamId, { id, streamId, fromSeq, origin });
    }
  }

  get(streamId: Hash32): WatchedStream | undefined {
    return this.#watched.get(streamId);
  }

  /** Watched streams in ascending order of their ids. */
  all(): WatchedStream[] {
    return [...this.#watched.values()].sort((a, b) => (a.streamId < b.streamId ? -1 : 1));
  }

  isWatchedAt(streamId: Hash32, seq: number): boolean {
    const stream = this.#watched.get(streamId);
    return stream !== undefined && stream.fromSeq <= seq;
  }

  /** Watches a stream. False when it is watched already. Throws `KV_TOO_MANY_STREAMS`. */
  add(streamId: Hash32, fromSeq: number, origin: WatchedStream['origin']): boolean {
    if (this.#watched.has(streamId)) return false;
    if (this.#watched.size >= this.#max)
      throw new CodedError({
        code: 'KV_TOO_MANY_STREAMS',
        kind: 'exhausted',
        message: `this node watches ${this.#max} streams and takes no more`,
        hint: 'raise --max-streams, or drop a stream',
      });
    const { lastInsertRowid } = this.#db
      .prepare('INSERT INTO stream (stream_id, from_seq, origin) VALUES (?, ?, ?)')
      .run(hexToBytes(streamId), fromSeq, origin);
    this.#watched.set(streamId, { id: Number(lastInsertRowid), streamId, fromSeq, origin });
    return true;
  }

  /** Stops watching at once; what is stored of it is left to the purge. False when it is not watched. */
  drop(streamId: Hash32): boolean {
    const stream = this.#watched.get(streamId);
    if (!stream) return false;
    this.#db.prepare('UPDATE stream SET state = 1 WHERE id = ?').run(stream.id);
    this.#watched.delete(streamId);
    return true;
  }

  /** A dropped stream whose rows are still there. */
  nextDropped(): number | undefined {
    const row = this.#db.prepare('SELECT id FROM stream WHERE state = 1 LIMIT 1').get() as
      | { id: number }
      | undefined;
    return row?.id;
  }

  forgetDropped(id: number): void {
    this.#db.prepare('DELETE FROM stream WHERE id = ? AND state = 1').run(id);
  }

  /** After the log was forgotten, every stream is replayed from the start. */
  watchAllFromStart(): void {
    this.#db.prepare('UPDATE stream SET from_seq = 0 WHERE state = 0').run();
    for (const stream of this.#watched.values()) stream.fromSeq = 0;
  }
}
