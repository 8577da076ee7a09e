/*
 * Which final blobs are, or are to be, files in the storage lane; a table of the queue's database, so that a blob becomes final and
 * is noted here in one transaction. Entries outlive the queue's: a file's root is of use for as long as the storage network has it.
 *
 *   archived   blob key → header, file root once the storage nodes have it
 */
import { bytesToHex, hexToBytes } from '@cairn/base';
import { type BlobHeader, decodeHeader } from '@cairn/quorum';
import type { Database } from '@cairn/store';

export const ARCHIVE_TABLE: string = `CREATE TABLE archived (
   blob_key BLOB PRIMARY KEY,
   header BLOB NOT NULL,
   root BLOB
 ) STRICT, WITHOUT ROWID;
 CREATE INDEX to_archive ON archived (blob_key) WHERE root IS NULL;`;

type Row = { blob_key: Uint8Array; header: Uint8Array; root: Uint8Array | null };

export class ArchiveIndex {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Notes a blob that is to be copied. Durable when the transaction around it is, or when it returns. */
  add(key: Uint8Array, header: Uint8Array): void {
    this.#db
      .prepare('INSERT OR IGNORE INTO archived (blob_key, header) VALUES (?, ?)')
      .run(key, header);
  }

  /** Some of the blobs that wait for their copy; any, so that one that fails does not hold up the others. */
  waiting(limit: number): { key: Uint8Array; header: BlobHeader }[] {
    return this.#db
      .prepare<[number], Row>('SELECT * FROM archived WHERE root IS NULL ORDER BY random() LIMIT ?')
      .all(limit)
      .map((row) => ({ key: row.blob_key, header: decodeHeader(new Uint8Array(row.header)) }));
  }

  get waitingCount(): number {
    const row = this.#db
      .prepare<[], { count: number }>('SELECT count(*) AS count FROM archived WHERE root IS NULL')
      .get();
    return row!.count;
  }

  setRoot(key: Uint8Array, root: string): void {
    this.#db.prepare('UPDATE archived SET root = ? WHERE blob_key = ?').run(hexToBytes(root), key);
  }

  /** Undefined for a blob that is not noted here; `root` undefined while it waits. */
  get(key: Uint8Array): { root: string | undefined } | undefined {
    const row = this.#db
      .prepare<[Uint8Array], Pick<Row, 'root'>>('SELECT root FROM archived WHERE blob_key = ?')
      .get(key);
    return row && { root: row.root ? bytesToHex(row.root) : undefined };
  }

  /** Takes over entries that an earlier version kept in a database of its own. */
  adopt(old: Database): void {
    const rows = old.prepare<[], Row>('SELECT * FROM archived').all();
    const insert = this.#db.prepare('INSERT OR IGNORE INTO archived VALUES (?, ?, ?)');
    this.#db.transaction(() => {
      for (const { blob_key, header, root } of rows) insert.run(blob_key, header, root);
    })();
    old.prepare('DELETE FROM archived').run();
  }
}
