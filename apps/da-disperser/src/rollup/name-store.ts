/*
 * Names that are not certificates, kept on disk: keccak commitments and 0G's 50-byte ones, each to the certificate of its
 * input. Written before the name is given out, synced by SQLite.
 *
 *   alias   name → certificate, and when nobody can have its blob any more (unix seconds; null: as long as the archive has it)
 *
 * At its end a name of 0G's goes, since the chain finds it again. A keccak name stays, 33 bytes with an empty certificate: this server
 * must go on knowing that it stored it, or it would answer "never stored", which halts op-node.
 */
import { CodedError } from '@cairn/base';
import type { Database } from '@cairn/store';
import { ARCHIVE_TABLE } from '../archive/archive-index.ts';

export const NAME_MIGRATIONS: readonly string[] = [
  `CREATE TABLE alias (
     name BLOB PRIMARY KEY,
     certificate BLOB NOT NULL
   ) STRICT, WITHOUT ROWID;`,
  // Earlier versions kept the archive's index here; `ArchiveIndex.adopt` empties it.
  ARCHIVE_TABLE,
  `ALTER TABLE alias ADD COLUMN ends_at INTEGER;
   CREATE INDEX alias_end ON alias (ends_at) WHERE ends_at IS NOT NULL;`,
];

/** First byte of keccak commitments. */
const KECCAK_TYPE = Uint8Array.of(0);

export type StoredName =
  | { kind: 'known'; certificate: Uint8Array }
  /** It was stored once, and its time is over. */
  | { kind: 'ended' };

export class NameStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Durable when it returns. The newest certificate of a name counts: it is kept longest. */
  set(name: Uint8Array, certificate: Uint8Array, endsAt?: number): void {
    try {
      this.#db
        .prepare('INSERT OR REPLACE INTO alias (name, certificate, ends_at) VALUES (?, ?, ?)')
        .run(name, certificate, endsAt ?? null);
    } catch (cause) {
      throw new CodedError({
        code: 'ROLLUP_STORE',
        kind: 'unavailable',
        message: 'the name of an input could not be written to disk',
        cause,
      });
    }
  }

  get(name: Uint8Array): StoredName | undefined {
    const row = this.#db
      .prepare<[Uint8Array], { certificate: Buffer }>(
        'SELECT certificate FROM alias WHERE name = ?',
      )
      .get(name);
    if (!row) return undefined;
    const { certificate } = row;
    return certificate.length === 0
      ? { kind: 'ended' }
      : { kind: 'known', certificate: new Uint8Array(certificate) };
  }

  /** Ends names whose time is over at `unixSeconds`, up to `limit`. */
  prune(unixSeconds: number, limit: number): void {
    const over = 'SELECT name FROM alias WHERE ends_at <= ? ORDER BY ends_at LIMIT ?';
    this.#db.transaction(() => {
      const names = this.#db
        .prepare<[number, number], { name: Buffer }>(over)
        .all(unixSeconds, limit);
      const end = this.#db.prepare(
        "UPDATE alias SET certificate = x'', ends_at = NULL WHERE name = ? AND substr(name, 1, 1) = ?",
      );
      const remove = this.#db.prepare('DELETE FROM alias WHERE name = ? AND ends_at IS NOT NULL');
      for (const { name } of names) {
        end.run(name, KECCAK_TYPE);
        remove.run(name);
      }
    })();
  }
}
