/*
 * What the node promised, in SQLite beside the row files:
 *
 *   blob    key → header, member, state (0 stored, 1 confirmed and paid), newest reference block it was signed for
 *   lapse   (account, epoch) → headers that were stored, never confirmed, and dropped in that epoch
 *   challenge   id → blob, block it was opened in; until its end is final
 *   served  (epoch, quorum, member) → a paid blob obliges us there: its reward is not claimed yet
 *   meta    key → value        network, last block whose events are in
 *
 * A row is inserted after its file is durable and removed before its file is, so a key here always has its rows.
 */
import {
  type Address,
  bytesToHash32,
  bytesToHex,
  CodedError,
  type Hash32,
  hexToBytes,
} from '@cairn/base';
import { type BlobHeader, decodeHeader, encodeHeader } from '@cairn/quorum';
import type { Database } from '@cairn/store';

export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
   CREATE TABLE blob (
     key BLOB PRIMARY KEY,
     header BLOB NOT NULL,
     account BLOB NOT NULL,
     epoch INTEGER NOT NULL,
     quorum INTEGER NOT NULL,
     member INTEGER NOT NULL,
     expiry INTEGER NOT NULL,
     bytes INTEGER NOT NULL,
     block INTEGER NOT NULL,
     state INTEGER NOT NULL DEFAULT 0
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX blob_account ON blob (account, state);
   CREATE INDEX blob_expiry ON blob (expiry);
   CREATE TABLE lapse (account BLOB, epoch INTEGER, count INTEGER NOT NULL, PRIMARY KEY (account, epoch)) STRICT, WITHOUT ROWID;`,
  `CREATE TABLE challenge (id BLOB PRIMARY KEY, blob BLOB NOT NULL, block INTEGER NOT NULL) STRICT, WITHOUT ROWID;`,
  `CREATE TABLE served (
     epoch INTEGER, quorum INTEGER, member INTEGER, PRIMARY KEY (epoch, quorum, member)
   ) STRICT, WITHOUT ROWID;
   INSERT OR IGNORE INTO served SELECT epoch, quorum, member FROM blob WHERE state = 1;`,
];

export const BLOB_STATE = { stored: 0, confirmed: 1 } as const;

export type IndexedBlob = {
  key: Hash32;
  header: BlobHeader;
  member: number;
  /** Newest block that the blob counts from: when it came, or the reference of a batch signed since. */
  block: number;
  isConfirmed: boolean;
  /** Length of its file. */
  bytes: number;
};
/** Unix seconds and a block. */
export type ExpiryLimits = { expiryBefore: number; unconfirmedBefore: number };
const EXPIRED = 'expiry < ? OR (state = 0 AND block < ?)';
type Row = {
  key: Buffer;
  header: Buffer;
  member: number;
  block: number;
  state: number;
  bytes: number;
};

const toBlob = (row: Row): IndexedBlob => ({
  key: bytesToHash32(row.key),
  header: decodeHeader(new Uint8Array(row.header)),
  member: row.member,
  block: row.block,
  isConfirmed: row.state === BLOB_STATE.confirmed,
  bytes: row.bytes,
});

export class BlobIndex {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Binds the folder to one network; throws `DA_OTHER_NETWORK` when it belongs to another. */
  bindNetwork(network: string): void {
    const known = this.meta('network');
    if (known === undefined) this.setMeta('network', network);
    else if (known !== network)
      throw new CodedError({
        code: 'DA_OTHER_NETWORK',
        kind: 'invalid',
        message: `the data folder belongs to another network (${known}), not ${network}`,
        hint: 'use the folder of this network, or an empty one',
        details: { known, network },
      });
  }

  meta(key: string): string | undefined {
    return this.#db.prepare('SELECT value FROM meta WHERE key = ?').pluck().get(key) as
      | string
      | undefined;
  }

  setMeta(key: string, value: string): void {
    this.#db
      .prepare('INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value')
      .run(key, value);
  }

  get(key: Hash32): IndexedBlob | undefined {
    const row = this.#db
      .prepare<[Uint8Array], Row>('SELECT * FROM blob WHERE key = ?')
      .get(hexToBytes(key));
    return row && toBlob(row);
  }

  /** Blobs by key, those after `after`; at most `limit`. */
  page(after: Hash32 | undefined, limit: number): IndexedBlob[] {
    return this.#db
      .prepare<[Uint8Array, number], Row>('SELECT * FROM blob WHERE key > ? ORDER BY key LIMIT ?')
      .all(after ? hexToBytes(after) : new Uint8Array(0), limit)
      .map(toBlob);
  }

  /** The rows of a blob were written again. False when it is not here any more. */
  noteBytes(key: Hash32, bytes: number): boolean {
    return (
      this.#db.prepare('UPDATE blob SET bytes = ? WHERE key = ?').run(bytes, hexToBytes(key))
        .changes > 0
    );
  }

  /** Notes a blob whose file is durable; one that is here already keeps all but the length of its file. */
  insert(
    key: Hash32,
    header: BlobHeader,
    at: { member: number; bytes: number; block: number },
  ): void {
    this.#db
      .prepare(
        `INSERT INTO blob VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT DO UPDATE SET bytes = excluded.bytes`,
      )
      .run(
        hexToBytes(key),
        encodeHeader(header),
        hexToBytes(header.account),
        header.epoch,
        header.quorum,
        at.member,
        header.expiry,
        at.bytes,
        at.block,
      );
  }

  /** Notes that a batch with these blobs was signed: they count from its reference block on. */
  touch(keys: readonly Hash32[], block: number): void {
    const update = this.#db.prepare('UPDATE blob SET block = max(block, ?) WHERE key = ?');
    this.#db.transaction(() => {
      for (const key of keys) update.run(block, hexToBytes(key));
    })();
  }

  /** The blob is paid for: from now on it obliges, and earns. False when it is not here. */
  confirm(key: Hash32): boolean {
    const bytes = hexToBytes(key);
    return this.#db.transaction(() => {
      // Events come again after a restart: what was confirmed once is not owed twice.
      const { changes } = this.#db
        .prepare('UPDATE blob SET state = 1 WHERE key = ? AND state = 0')
        .run(bytes);
      if (changes > 0)
        this.#db
          .prepare(
            'INSERT OR IGNORE INTO served SELECT epoch, quorum, member FROM blob WHERE key = ?',
          )
          .run(bytes);
      return (
        changes > 0 || this.#db.prepare('SELECT 1 FROM blob WHERE key = ?').get(bytes) !== undefined
      );
    })();
  }

  /** Memberships whose reward is not claimed yet, oldest first. */
  served(max: number): { epoch: number; quorum: number; member: number }[] {
    return this.#db
      .prepare<[number], { epoch: number; quorum: number; member: number }>(
        'SELECT epoch, quorum, member FROM served ORDER BY epoch, quorum, member LIMIT ?',
      )
      .all(max);
  }

  dropServed({ epoch, quorum, member }: { epoch: number; quorum: number; member: number }): void {
    this.#db
      .prepare('DELETE FROM served WHERE epoch = ? AND quorum = ? AND member = ?')
      .run(epoch, quorum, member);
  }

  remove(key: Hash32): void {
    this.#db.prepare('DELETE FROM blob WHERE key = ?').run(hexToBytes(key));
  }

  /** Σ maxFee of an account's headers that are neither confirmed nor lapsed. Wei. */
  pendingFees(account: Address): bigint {
    const rows = this.#db
      .prepare<[Uint8Array], { header: Buffer }>(
        'SELECT header FROM blob WHERE account = ? AND state = 0',
      )
      .all(hexToBytes(account));
    return rows.reduce((sum, row) => sum + decodeHeader(new Uint8Array(row.header)).maxFee, 0n);
  }

  /** Headers of an account that lapsed in an epoch. */
  lapses(account: Address, epoch: number): number {
    return (
      (this.#db
        .prepare('SELECT count FROM lapse WHERE account = ? AND epoch = ?')
        .pluck()
        .get(hexToBytes(account), epoch) as number | undefined) ?? 0
    );
  }

  /** Blobs whose obligation is over, and those that nobody confirmed in time. At most `limit`; none that is challenged. */
  expired(limits: ExpiryLimits & { limit: number }): IndexedBlob[] {
    return this.#db
      .prepare<[number, number, number], Row>(
        `SELECT * FROM blob WHERE (${EXPIRED}) AND key NOT IN (SELECT blob FROM challenge) LIMIT ?`,
      )
      .all(limits.expiryBefore, limits.unconfirmedBefore, limits.limit)
      .map(toBlob);
  }

  /** Removes a blob if it is expired still: false when it was signed for, confirmed or removed meanwhile. */
  removeExpired(key: Hash32, limits: ExpiryLimits): boolean {
    return (
      this.#db
        .prepare<[Uint8Array, number, number]>(`DELETE FROM blob WHERE key = ? AND (${EXPIRED})`)
        .run(hexToBytes(key), limits.expiryBefore, limits.unconfirmedBefore).changes > 0
    );
  }

  /** A challenge against this operator; its blob stays until it is dropped. */
  noteChallenge(id: Hash32, blobKey: Hash32, block: number): void {
    this.#db
      .prepare('INSERT OR REPLACE INTO challenge VALUES (?, ?, ?)')
      .run(hexToBytes(id), hexToBytes(blobKey), block);
  }

  dropChallenge(id: Hash32): void {
    this.#db.prepare('DELETE FROM challenge WHERE id = ?').run(hexToBytes(id));
  }

  /** Block of the oldest challenge that is not dropped. */
  oldestChallenge(): number | undefined {
    const row = this.#db
      .prepare<[], { block: number | null }>('SELECT min(block) AS block FROM challenge')
      .get();
    return row?.block ?? undefined;
  }

  noteLapse(account: Address, epoch: number): void {
    this.#db
      .prepare('INSERT INTO lapse VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET count = count + 1')
      .run(hexToBytes(account), epoch);
    this.#db.prepare('DELETE FROM lapse WHERE epoch < ?').run(epoch - 4);
  }

  stats(): { blobs: number; bytes: number } {
    return this.#db
      .prepare('SELECT count(*) AS blobs, coalesce(sum(bytes), 0) AS bytes FROM blob')
      .get() as { blobs: number; bytes: number };
  }

  keys(): Set<string> {
    return new Set(
      (this.#db.prepare('SELECT key FROM blob').pluck().all() as Buffer[]).map((key) =>
        bytesToHex(key),
      ),
    );
  }
}
