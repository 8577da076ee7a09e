/*
 * Blobs that were accepted, in SQLite, with their payloads in files beside it. Accepted means on disk: the payload is synced and
 * renamed before its entry is inserted, and the id is answered after that. What a kill interrupts is PROCESSING at the next
 * start and goes on under the same id.
 *
 *   blob   id → state, reason, length, header and authorization once there are any, certificate once confirmed
 */
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CodedError } from '@cairn/base';
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
  length: number;
  /** Block at which it was accepted: its confirmation is looked for from there on. */
  acceptedBlock: number;
  header: Uint8Array | null;
  authorization: Uint8Array | null;
  commitment: Uint8Array | null;
  certificate: Uint8Array | null;
  lookup: Uint8Array | null;
  /** Block of its confirmation. */
  block: number | null;
};
type Row = {
  id: string;
  state: BlobState;
  reason: string;
  length: number;
  accepted_block: number;
  header: Buffer | null;
  authorization: Buffer | null;
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
  acceptedBlock: row.accepted_block,
  header: row.header,
  authorization: row.authorization,
  commitment: row.commitment,
  certificate: row.certificate,
  lookup: row.lookup,
  block: row.block,
});

export class BlobQueue {
  readonly #db: Database;
  readonly #dir: string;
  readonly #pendingMax: number;

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

  /** Durable when it resolves. Throws `DISPERSER_BUSY` (exhausted) or `STORE_DISK_FULL`. */
  async accept(
    id: string,
    payload: Uint8Array,
    at: { block: number; unixMs: number },
  ): Promise<void> {
    if (this.pending >= this.#pendingMax)
      throw new CodedError({
        code: 'DISPERSER_BUSY',
        kind: 'exhausted',
        message: `${this.#pendingMax} blobs are being dispersed already`,
        hint: 'try again in a moment',
      });
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
    this.#db
      .prepare(
        "INSERT INTO blob (id, state, length, accepted_at, accepted_block) VALUES (?, 'PROCESSING', ?, ?, ?)",
      )
      .run(id, payload.length, at.unixMs, at.block);
  }

  get(id: string): QueuedBlob | undefined {
    const row = this.#db.prepare<[string], Row>('SELECT * FROM blob WHERE id = ?').get(id);
    return row && toBlob(row);
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

  get pending(): number {
    return this.#db
      .prepare("SELECT count(*) FROM blob WHERE state = 'PROCESSING'")
      .pluck()
      .get() as number;
  }

  /** The header that it is being dispersed under. */
  setHeader(
    id: string,
    header: {
      header: Uint8Array;
      authorization: Uint8Array;
      key: Uint8Array;
      commitment: Uint8Array;
    },
  ): void {
    this.#db
      .prepare(
        'UPDATE blob SET header = ?, authorization = ?, blob_key = ?, commitment = ? WHERE id = ?',
      )
      .run(header.header, header.authorization, header.key, header.commitment, id);
  }

  confirm(
    id: string,
    proof: { certificate: Uint8Array | null; lookup: Uint8Array | null; block: number },
  ): void {
    this.#db
      .prepare(
        "UPDATE blob SET state = 'CONFIRMED', certificate = ?, lookup = ?, block = ? WHERE id = ?",
      )
      .run(proof.certificate, proof.lookup, proof.block, id);
  }

  setState(id: string, state: BlobState, reason = ''): void {
    this.#db.prepare('UPDATE blob SET state = ?, reason = ? WHERE id = ?').run(state, reason, id);
  }

  /** Bytes of a blob. Throws `DISPERSER_PAYLOAD_GONE` (corrupt) when the file is not what was accepted. */
  async payload(blob: QueuedBlob): Promise<Uint8Array> {
    const bytes = await readFile(this.#path(blob.id)).catch(() => undefined);
    if (bytes?.length === blob.length) return bytes;
    throw new CodedError({
      code: 'DISPERSER_PAYLOAD_GONE',
      kind: 'corrupt',
      message: `the payload of ${blob.id} is not on disk any more`,
    });
  }

  /** Forgets blobs that ended before a time. */
  async prune(acceptedBeforeMs: number, limit: number): Promise<void> {
    const ids = this.#db
      .prepare<[number, number], string>(
        "SELECT id FROM blob WHERE accepted_at < ? AND state NOT IN ('PROCESSING', 'CONFIRMED') LIMIT ?",
      )
      .pluck()
      .all(acceptedBeforeMs, limit) as unknown as string[];
    for (const id of ids) {
      this.#db.prepare('DELETE FROM blob WHERE id = ?').run(id);
      await rm(this.#path(id), { force: true });
    }
  }

  #path(id: string): string {
    return join(this.#dir, `${id}.bin`);
  }
}
