/*
 * Blobs that were accepted, in SQLite, with their payloads in files beside it. Accepted means on disk: the payload is synced and
 * renamed before its entry is inserted, and the id is answered after that. What a kill interrupts is PROCESSING at the next
 * start and goes on under the same id.
 *
 *   blob      id → state, reason, length, SHA-256, header and authorization once there are any, certificate once confirmed
 *   attempt   (id, lookup) → certificate that was sent to the chain, written before its transaction is: whichever of them the
 *             chain took is found again by asking for its lookup, after a kill as after a reorg
 */
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CodedError, equalBytes } from '@cairn/base';
import { type Database, storeError } from '@cairn/store';

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
  /** Its account signed the header: it is dispersed under that one or not at all. */
  isFixed: boolean;
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
/** Blobs that may be watched at once. */
const WATCHERS_MAX = 1024;
type Row = {
  id: string;
  state: BlobState;
  reason: string;
  length: number;
  digest: Buffer | null;
  header: Buffer | null;
  authorization: Buffer | null;
  is_fixed: number;
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
  isFixed: row.is_fixed === 1,
  commitment: row.commitment,
  certificate: row.certificate,
  lookup: row.lookup,
  block: row.block,
});

export class BlobQueue {
  readonly #db: Database;
  readonly #dir: string;
  readonly #pendingMax: number;
  /** Payloads on their way to the disk. */
  #arriving = 0;
  /** Who waits for news of a blob. */
  readonly #watchers = new Map<string, Set<() => void>>();

  private constructor(db: Database, dir: string, pendingMax: number) {
    this.#db = db;
    this.#dir = dir;
    this.#pendingMax = pendingMax;
  }

  /** Opens the queue; payloads that a kill left without an entry are removed. */
  static async open(db: Database, dir: string, pendingMax: number): Promise<BlobQueue> {
    await mkdir(dir, { recursive: true });
    const queue = new BlobQueue(db, dir, pendingMax);
    for (const name of await readdir(dir))
      if (!queue.get(name.replace(/\.bin$/, ''))) await rm(join(dir, name), { force: true });
    return queue;
  }

  /**
   * Durable when it resolves. `signed` is the header that the paying account signed, where it did. Throws `DISPERSER_BUSY`
   * (exhausted) or `STORE_DISK_FULL`.
   */
  async accept(
    id: string,
    payload: Uint8Array,
    at: { unixMs: number },
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
      const digest = await sha256(payload);
      await this.#write(id, payload);
      this.#db
        .prepare(
          "INSERT INTO blob (id, state, length, digest, accepted_at, header, authorization, blob_key, commitment, is_fixed) VALUES (?, 'PROCESSING', ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .run(
          ...[id, payload.length, digest, at.unixMs],
          ...[signed?.header, signed?.authorization, signed?.key, signed?.commitment].map(
            (value) => value ?? null,
          ),
          signed ? 1 : 0,
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

  /** Resolves at the next change of a blob, or when the signal aborts. Throws `DISPERSER_BUSY` beyond `WATCHERS_MAX`. */
  changed(id: string, signal: AbortSignal): Promise<void> {
    if (this.#watchers.size >= WATCHERS_MAX && !this.#watchers.has(id))
      throw new CodedError({
        code: 'DISPERSER_BUSY',
        kind: 'exhausted',
        message: `${WATCHERS_MAX} blobs are being watched already`,
        hint: 'ask for the status instead',
      });
    const watchers = this.#watchers.get(id) ?? new Set();
    this.#watchers.set(id, watchers);
    return new Promise((resolve) => {
      const done = (): void => {
        watchers.delete(done);
        if (watchers.size === 0) this.#watchers.delete(id);
        signal.removeEventListener('abort', done);
        resolve();
      };
      watchers.add(done);
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted) done();
    });
  }

  #notify(id: string): void {
    for (const done of [...(this.#watchers.get(id) ?? [])]) done();
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

  /** The chain took this attempt, in `block` or before. */
  confirm(id: string, attempt: Attempt, block: number): void {
    this.#db
      .prepare(
        "UPDATE blob SET state = 'CONFIRMED', header = ?, certificate = ?, lookup = ?, block = ? WHERE id = ?",
      )
      .run(attempt.header, attempt.certificate, attempt.lookup, block, id);
    this.#notify(id);
  }

  setState(id: string, state: BlobState, reason = ''): void {
    this.#db.prepare('UPDATE blob SET state = ?, reason = ? WHERE id = ?').run(state, reason, id);
    this.#notify(id);
  }

  /** Bytes of a blob. Throws `DISPERSER_PAYLOAD_GONE` (corrupt) when the file is not what was accepted. */
  async payload(blob: QueuedBlob): Promise<Uint8Array> {
    const bytes = await readFile(this.#path(blob.id)).catch(() => undefined);
    if (
      bytes?.length === blob.length &&
      blob.digest &&
      equalBytes(await sha256(bytes), blob.digest)
    )
      return bytes;
    throw new CodedError({
      code: 'DISPERSER_PAYLOAD_GONE',
      kind: 'corrupt',
      message: `the payload of ${blob.id} is not on disk any more`,
    });
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
      await rm(this.#path(id), { force: true });
    }
  }

  async #write(id: string, payload: Uint8Array): Promise<void> {
    const path = this.#path(id);
    try {
      const file = await open(`${path}.new`, 'w');
      try {
        await file.writeFile(payload);
        await file.datasync();
      } finally {
        await file.close();
      }
      await rename(`${path}.new`, path);
      const folder = await open(this.#dir, 'r');
      try {
        await folder.sync();
      } finally {
        await folder.close();
      }
    } catch (error) {
      await rm(`${path}.new`, { force: true });
      throw storeError(error, this.#dir);
    }
  }

  #path(id: string): string {
    return join(this.#dir, `${id}.bin`);
  }
}

/** Off this thread. */
async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>));
}
