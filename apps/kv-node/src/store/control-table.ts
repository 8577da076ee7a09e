// Role operations of all versions.
import { type Address, bytesToHex, type Hash32, hexToBytes } from '@cairn/base';
import {
  CONTROL,
  CONTROL_GROUP,
  type ControlGroup,
  type ControlOp,
  controlGroup,
  type StreamControl,
} from '@cairn/kv';
import type { Database, Statement } from '@cairn/store';

export class ControlTable {
  readonly #db: Database;
  readonly #any: Statement;
  readonly #newest: Statement;
  readonly #specials: Statement;
  readonly #insert: Statement;

  constructor(db: Database) {
    this.#db = db;
    this.#any = db.prepare('SELECT 1 FROM control WHERE stream = ? AND version <= ? LIMIT 1');
    this.#newest = db.prepare(
      'SELECT op FROM control WHERE stream = ? AND role = ? AND account = ? AND key = ? AND version <= ? ORDER BY version DESC LIMIT 1',
    );
    // SQLite takes the bare column `op` from the row that has the maximum.
    this.#specials = db.prepare(
      `SELECT 1 FROM (
         SELECT op, max(version) FROM control
         WHERE stream = ? AND role = ${CONTROL_GROUP.specialWriter} AND account = ? AND version <= ? GROUP BY key
       ) WHERE op = ${CONTROL.grantSpecialWriter} LIMIT 1`,
    );
    this.#insert = db.prepare('INSERT INTO control VALUES (?, ?, ?, ?, ?, ?, ?, ?)');
  }

  hasAny(stream: number, version: number): boolean {
    return this.#any.get(stream, version) !== undefined;
  }

  newestOp(
    stream: number,
    about: { group: ControlGroup; key: Uint8Array; account: Address },
    version: number,
  ): ControlOp | undefined {
    const row = this.#newest.get(
      stream,
      about.group,
      hexToBytes(about.account),
      about.key,
      version,
    ) as { op: ControlOp } | undefined;
    return row?.op;
  }

  isSpecialWriterOfAny(stream: number, account: Address, version: number): boolean {
    return this.#specials.get(stream, hexToBytes(account), version) !== undefined;
  }

  add(stream: number, version: number, entry: number, control: StreamControl): void {
    const { op, key, account, operator } = control;
    this.#insert.run(
      stream,
      version,
      entry,
      op,
      controlGroup(op),
      key,
      hexToBytes(account),
      hexToBytes(operator),
    );
  }

  /** Entries of a stream in order, for dumps. */
  *all(
    stream: number,
    streamId: Hash32,
  ): Generator<StreamControl & { version: number; entry: number }> {
    const rows = this.#db
      .prepare('SELECT * FROM control WHERE stream = ? ORDER BY version, entry')
      .iterate(stream) as Iterable<{
      version: number;
      entry: number;
      op: ControlOp;
      key: Uint8Array;
      account: Uint8Array;
      operator: Uint8Array;
    }>;
    for (const { version, entry, op, key, account, operator } of rows)
      yield {
        version,
        entry,
        op,
        streamId,
        key: new Uint8Array(key),
        account: bytesToHex(account) as Address,
        operator: bytesToHex(operator) as Address,
      };
  }

  revert(stream: number, seq: number): void {
    this.#db.prepare('DELETE FROM control WHERE stream = ? AND version >= ?').run(stream, seq);
  }
}
