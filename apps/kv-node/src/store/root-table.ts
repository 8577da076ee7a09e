// Accumulators of the streams after every batch that changed them.
import { type AccumulatorState, EMPTY_ACCUMULATOR } from '@cairn/kv';
import type { Database, Statement } from '@cairn/store';

export class RootTable {
  readonly #db: Database;
  readonly #at: Statement;
  readonly #insert: Statement;

  constructor(db: Database) {
    this.#db = db;
    this.#at = db.prepare(
      'SELECT count, peaks FROM root WHERE stream = ? AND version <= ? ORDER BY version DESC LIMIT 1',
    );
    this.#insert = db.prepare('INSERT INTO root VALUES (?, ?, ?, ?)');
  }

  at(stream: number, version: number): AccumulatorState {
    return (this.#at.get(stream, version) as AccumulatorState | undefined) ?? EMPTY_ACCUMULATOR;
  }

  add(stream: number, version: number, state: AccumulatorState): void {
    this.#insert.run(stream, version, state.count, state.peaks);
  }

  revert(stream: number, seq: number): void {
    this.#db.prepare('DELETE FROM root WHERE stream = ? AND version >= ?').run(stream, seq);
  }
}
