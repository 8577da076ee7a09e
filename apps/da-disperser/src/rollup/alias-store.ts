/*
 * Names that are not certificates, kept on disk: keccak commitments and 0G's 50-byte ones, each to the certificate of its
 * input. Written before the name is given out, synced by SQLite.
 */
import { CodedError } from '@cairn/base';
import type { Database } from '@cairn/store';

export const ALIAS_MIGRATION: string = `CREATE TABLE alias (
   name BLOB PRIMARY KEY,
   certificate BLOB NOT NULL
 ) STRICT, WITHOUT ROWID;`;

export class AliasStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Durable when it returns. The newest certificate of a name counts: it is kept longest. */
  set(name: Uint8Array, certificate: Uint8Array): void {
    try {
      this.#db
        .prepare('INSERT OR REPLACE INTO alias (name, certificate) VALUES (?, ?)')
        .run(name, certificate);
    } catch (cause) {
      throw new CodedError({
        code: 'ROLLUP_STORE',
        kind: 'unavailable',
        message: 'the name of an input could not be written to disk',
        cause,
      });
    }
  }

  get(name: Uint8Array): Uint8Array | undefined {
    const row = this.#db
      .prepare<[Uint8Array], { certificate: Buffer }>(
        'SELECT certificate FROM alias WHERE name = ?',
      )
      .get(name);
    return row && new Uint8Array(row.certificate);
  }
}
