/*
 * Blobs that were accepted, in SQLite, with their payloads in files beside it. Accepted means on disk: the payload is synced and
 * renamed before its entry is inserted, and the id is answered after that. What a kill interrupts is PROCESSING at the next
 * start and goes on under the same id.
 *
 *   blob      id → state, reason, length, SHA-256, header and authorization once there are any, certificate once confirmed
 *             and whether it goes to the archive: what becomes final is noted there (`ArchiveIndex`) in the same transaction
 *   attempt   (id, lookup) → certificate that was sent to the chain, written before its transaction is: whichever of them the
 *             chain took is found again by asking for its lookup, after a kill as after a reorg
 */
import { CodedError } from '@cairn/base';
import type { Database } from '@cairn/store';
import { ARCHIVE_TABLE, ArchiveIndex } from '../archive/archive-index.ts';
import { PayloadFiles } from './payload-files.ts';
import { Watchers } from './watchers.ts';

export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE blob (
     id TEXT PRIMARY KEY,
     state TEXT NOT NULL,
     reason TEXT NOT NULL DEFAULT '',
     length INTEGER NOT NULL,
     accepted_at INTEGER NOT NULL,
     accepted_block INTEGER NOT NULL,
     header BLOB,
     authorization BLOB,
     blob_key BLOB,
     commitment BLOB,
     certificate BLOB,
     lookup BLOB,
     block INTEGER
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX blob_state ON blob (state);
   CREATE INDEX blob_commitment ON blob (commitment);`,
  `ALTER TABLE blob DROP COLUMN accepted_block;
   ALTER TABLE blob ADD COLUMN digest BLOB;
   CREATE TABLE attempt (
     blob TEXT NOT NULL REFERENCES blob (id) ON DELETE CASCADE,
     lookup BLOB NOT NULL,
     header BLOB NOT NULL,
     certificate BLOB NOT NULL,
     PRIMARY KEY (blob, lookup)
   ) STRICT, WITHOUT ROWID;`,
  `ALTER TABLE blob ADD COLUMN is_fixed INTEGER NOT NULL DEFAULT 0;
   CREATE INDEX blob_key ON blob (blob_key);`,
  `ALTER TABLE blob ADD COLUMN is_archived INTEGER NOT NULL DEFAULT 0;
   ${ARCHIVE_TABLE}`,
];

export type BlobState =
  | 'PROCESSING'
  | 'CONFIRMED'
  | 'FINALIZED'
  | 'FAILED'
  | 'INSUFFICIENT_SIGNATURES';

export type QueuedBlob = {
  id: string;
  state: BlobState;
  reason: string;
  /** Bytes of the payload. */
  length: number;
  /** SHA-256 of the payload. */
  digest: Uint8Array | null;
  /** The newest header it was dispersed under; the confirmed one once there is a certificate. */
  header: Uint8Array | null;
  authorization: Uint8Array | null;
  /** Of that header. */
  key: Uint8Array | null;
  /** Its account signed the header: it is dispersed under that one or not at all. */
  isFixed: boolean;
  /** It goes to the storage lane once it is final. */
  isArchived: boolean;
  commitment: Uint8Array | null;
  certificate: Uint8Array | null;
  lookup: Uint8Array | null;
  /** Block of its confirmation, or a later one at which it was found confirmed. */
  block: number | null;
};
/** A certificate that was sent to the chain for a blob, and the lookup that asks for its fate. */
export type Attempt = { header: Uint8Array; lookup: Uint8Array; certificate: Uint8Array };
/** A header in its wire form with the signature of the account that pays. */
export type SignedHeader = {
  header: Uint8Array;
  authorization: Uint8Array;
  key: Uint8Array;
  commitment: Uint8Array;
};
type Row = {
  id: string;
  state: BlobState;
  reason: string;
  length: number;
  digest: Buffer | null;
  header: Buffer | null;
  authorization: Buffer | null;
  blob_key: Buffer | null;
  is_fixed: number;
  is_archived: number;
  commitment: Buffer | null;
  certificate: Buffer | null;
  lookup: Buffer | null;
  block: number | null;
};

const toBlob = (row: Row): QueuedBlob => ({
  id: row.id,
  state: row.state,
  reason: row.reason,
  length: row.length,
  digest: row.digest,
  header: row.header,
  authorization: row.authorization,
  key: row.blob_key,
  isFixed: row.is_fixed === 1,
  isArchived: row.is_archived === 1,
  commitment: row.commitment,
  certificate: row.certificate,
  lookup: row.lookup,
  block: row.block,
});

export class BlobQueue {
  /** Blobs that are, or are to be, in the storage lane. */
  readonly archive: ArchiveIndex;
  readonly #db: Database;
  readonly #files: PayloadFiles;
  readonly #pendingMax: number;
  /** Payloads on their way to the disk. */
  #arriving = 0;
  readonly #watchers = new Watchers();

  private constructor(db: Database, files: PayloadFiles, pendingMax: number) {
    this.archive = new ArchiveIndex(db);
    this.#db = db;
    this.#files = files;
    this.#pendingMax = pendingMax;
  }

  /** Opens the queue; payloads that a kill left without an entry are removed. */
  static async open(db: Database, dir: string, pendingMax: number): Promise<BlobQueue> {
    const isKnown = db.prepare<[string]>('SELECT 1 FROM blob WHERE id = ?');
    const files = await PayloadFiles.open(dir, (id) => isKnown.get(id) !== undefined);
    return new BlobQueue(db, files, pendingMax);
  }

  /**
   * Durable when it resolves. `signed` is the header that the paying account signed, where it did. Throws `DISPERSER_BUSY`
   * (exhausted) or `STORE_DISK_FULL`.
   */
  async accept(
    id: string,
    payload: Uint8Array,
    { unixMs, isArchived = false }: { unixMs: number; isArchived?: boolean | undefined },
    signed?: SignedHeader,
  ): Promise<void> {
    if (this.pending + this.#arriving >= this.#pendingMax)
      throw new CodedError({
        code: 'DISPERSER_BUSY',
        kind: 'exhausted',
        message: `${this.#pendingMax} blobs are being dispersed already`,
        hint: 'try again in a moment',
      });
    this.#arriving++;
    try {
      const digest = await this.#files.write(id, payload);
      this.#db
        .prepare(
          "INSERT INTO blob (id, state, length, digest, accepted_at, header, authorization, blob_key, commitment, is_fixed, is_archived) VALUES (?, 'PROCESSING', ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .run(
          ...[id, payload.length, digest, unixMs],
          ...[signed?.header, signed?.authorization, signed?.key, signed?.commitment].map(
            (value) => value ?? null,
          ),
          ...[signed, isArchived].map((is) => (is ? 1 : 0)),
        );
    } finally {
      this.#arriving--;
    }
  }

  get(id: string): QueuedBlob | undefined {
    const row = this.#db.prepare<[string], Row>('SELECT * FROM blob WHERE id = ?').get(id);
    return row && toBlob(row);
  }

  /** Newest blob that is, or was last, dispersed under a header with this key. */
  byKey(key: Uint8Array): QueuedBlob | undefined {
    const row = this.#db
      .prepare<[Uint8Array], Row>(
        'SELECT * FROM blob WHERE blob_key = ? ORDER BY accepted_at DESC LIMIT 1',
      )
      .get(key);
    return row && toBlob(row);
  }

  /** Resolves at the next change of a blob, or when the signal aborts. Throws `DISPERSER_BUSY` when too many are watched. */
  changed(id: string, signal: AbortSignal): Promise<void> {
    return this.#watchers.changed(id, signal);
  }

  /** Newest blob with this commitment. */
  byCommitment(commitment: Uint8Array): QueuedBlob | undefined {
    const row = this.#db
      .prepare<[Uint8Array], Row>(
        'SELECT * FROM blob WHERE commitment = ? ORDER BY accepted_at DESC LIMIT 1',
      )
      .get(commitment);
    return row && toBlob(row);
  }

  inState(state: BlobState): QueuedBlob[] {
    return this.#db
      .prepare<[string], Row>('SELECT * FROM blob WHERE state = ? ORDER BY accepted_at')
      .all(state)
      .map(toBlob);
  }

  /** CONFIRMED blobs whose block is `block` or older, oldest first. */
  confirmedUpTo(block: number, limit: number): QueuedBlob[] {
    return this.#db
      .prepare<[number, number], Row>(
        "SELECT * FROM blob WHERE state = 'CONFIRMED' AND block <= ? ORDER BY block LIMIT ?",
      )
      .all(block, limit)
      .map(toBlob);
  }

  get pending(): number {
    const row = this.#db
      .prepare<[], { count: number }>(
        "SELECT count(*) AS count FROM blob WHERE state = 'PROCESSING'",
      )
      .get();
    return row!.count;
  }

  /** The header that it is being dispersed under. */
  setHeader(id: string, header: SignedHeader): void {
    this.#db
      .prepare(
        'UPDATE blob SET header = ?, authorization = ?, blob_key = ?, commitment = ? WHERE id = ?',
      )
      .run(header.header, header.authorization, header.key, header.commitment, id);
  }

  /** Notes certificates that are about to be sent to the chain. Durable when it returns. */
  noteAttempts(attempts: readonly (Attempt & { id: string })[]): void {
    const insert = this.#db.prepare('INSERT OR REPLACE INTO attempt VALUES (?, ?, ?, ?)');
    this.#db.transaction(() => {
      for (const { id, lookup, header, certificate } of attempts)
        insert.run(id, lookup, header, certificate);
    })();
  }

  attemptsOf(id: string): Attempt[] {
    return this.#db
      .prepare<[string], Attempt>('SELECT header, lookup, certificate FROM attempt WHERE blob = ?')
      .all(id);
  }

  /** The chain took this attempt, whose header has this key, in `block` or before. */
  confirm(id: string, attempt: Attempt, at: { key: Uint8Array; block: number }): void {
    this.#db
      .prepare(
        "UPDATE blob SET state = 'CONFIRMED', header = ?, blob_key = ?, certificate = ?, lookup = ?, block = ? WHERE id = ?",
      )
      .run(attempt.header, at.key, attempt.certificate, attempt.lookup, at.block, id);
    this.#watchers.notify(id);
  }

  /** No block can take the confirmation back: notes the blob for the archive where that was asked for. */
  finalize({ id, key, header, isArchived }: QueuedBlob): void {
    this.#db.transaction(() => {
      this.#db.prepare("UPDATE blob SET state = 'FINALIZED', reason = '' WHERE id = ?").run(id);
      if (isArchived && key && header) this.archive.add(key, header);
    })();
    this.#watchers.notify(id);
  }

  /** The copy of a blob in the storage lane has this root now: who watches it is told. */
  archived(key: Uint8Array, root: string): void {
    this.archive.setRoot(key, root);
    const blob = this.byKey(key);
    if (blob) this.#watchers.notify(blob.id);
  }

  /** Blobs that will be, or are to be, copied to the storage lane and are not there. */
  get unarchived(): number {
    const row = this.#db
      .prepare<[], { count: number }>(
        "SELECT count(*) AS count FROM blob WHERE is_archived = 1 AND state IN ('PROCESSING', 'CONFIRMED')",
      )
      .get();
    return row!.count + this.archive.waitingCount;
  }

  setState(id: string, state: BlobState, reason = ''): void {
    this.#db.prepare('UPDATE blob SET state = ?, reason = ? WHERE id = ?').run(state, reason, id);
    this.#watchers.notify(id);
  }

  /** Bytes of a blob. Throws `DISPERSER_PAYLOAD_GONE` (corrupt) when the file is not what was accepted. */
  payload(blob: QueuedBlob): Promise<Uint8Array> {
    return this.#files.read(blob.id, blob);
  }

  /** Forgets blobs that ended before a time. */
  async prune(acceptedBeforeMs: number, limit: number): Promise<void> {
    const ended = this.#db
      .prepare<[number, number], { id: string }>(
        "SELECT id FROM blob WHERE accepted_at < ? AND state NOT IN ('PROCESSING', 'CONFIRMED') LIMIT ?",
      )
      .all(acceptedBeforeMs, limit);
    for (const { id } of ended) {
      this.#db.prepare('DELETE FROM blob WHERE id = ?').run(id);
      await this.#files.remove(id);
    }
  }
}
