// What of the chain's log is kept: remembered blocks and batches that wait for their replay.
import {
  type Address,
  bytesToHash32,
  bytesToHex,
  CodedError,
  concatBytes,
  type Hash32,
  hexToBytes,
} from '@cairn/base';
import type { BlockRef } from '@cairn/chain';
import type { Database, Statement } from '@cairn/store';

/** A batch on chain: where it stands, who signed it, which streams it names. */
export type PendingBatch = {
  seq: number;
  root: Hash32;
  size: number;
  startSector: number;
  txHash: Hash32;
  sender: Address;
  streamIds: Hash32[];
  block: number;
};

/** Blocks remembered for walking back a reorg; below them everything is replayed anew. */
const BLOCKS_KEPT = 4096;

/** Waiting batches read at once: several turns of the replayer. */
const FRONT_BATCHES = 64;

type PendingRow = {
  seq: number;
  root: Uint8Array;
  size: number;
  start_sector: number;
  tx_hash: Uint8Array;
  sender: Uint8Array;
  streams: Uint8Array;
  block: number;
};
type BlockRow = { number: number; hash: Uint8Array; next_seq: number };

export class LogTable {
  readonly #db: Database;
  readonly #newest: Statement;
  readonly #lowest: Statement;
  readonly #hashOf: Statement;
  readonly #remove: Statement;
  readonly #pending: Statement;
  readonly #addPending: Statement;
  readonly #addBlock: Statement;
  readonly #forgetBlocks: Statement;
  /** The first waiting batches as the table has them; `isWhole` when it has no others. */
  #front: { batches: PendingBatch[]; isWhole: boolean } | undefined;

  constructor(db: Database) {
    this.#db = db;
    this.#newest = db.prepare('SELECT * FROM block ORDER BY number DESC LIMIT 1');
    this.#lowest = db.prepare('SELECT min(seq) AS seq FROM pending');
    this.#hashOf = db.prepare('SELECT tx_hash FROM pending WHERE seq = ?');
    this.#remove = db.prepare('DELETE FROM pending WHERE seq = ?');
    this.#pending = db.prepare('SELECT * FROM pending ORDER BY seq LIMIT ?');
    this.#addPending = db.prepare('INSERT INTO pending VALUES (?, ?, ?, ?, ?, ?, ?, ?)');
    this.#addBlock = db.prepare('INSERT OR REPLACE INTO block VALUES (?, ?, ?)');
    this.#forgetBlocks = db.prepare('DELETE FROM block WHERE number < ?');
  }

  /** Binds the database to one chain and contract. Throws `KV_OTHER_NETWORK`. */
  bindNetwork(chainId: number, flow: Address): void {
    const name = `${chainId}/${flow}`;
    const known = this.#meta('network');
    if (known === undefined) this.#setMeta('network', name);
    else if (known !== name)
      throw new CodedError({
        code: 'KV_OTHER_NETWORK',
        kind: 'invalid',
        message: `the data folder belongs to ${known}, not to ${name}`,
        hint: 'use the folder of this network, or an empty one',
      });
  }

  progress(): BlockRef | undefined {
    const row = this.#newestBlock();
    return row && { number: row.number, hash: bytesToHash32(row.hash) };
  }

  previousBlock(number: number): BlockRef | undefined {
    const row = this.#db
      .prepare('SELECT number, hash FROM block WHERE number < ? ORDER BY number DESC LIMIT 1')
      .get(number) as BlockRow | undefined;
    return row && { number: row.number, hash: bytesToHash32(row.hash) };
  }

  /** The submission that must come next; undefined when any may be the first. */
  nextSeq(): number | undefined {
    const row = this.#newestBlock();
    if (row && row.next_seq > 0) return row.next_seq;
    return undefined;
  }

  /** First txSeq this node ever saw; undefined before. */
  firstSeq(): number | undefined {
    const text = this.#meta('first_seq');
    return text === undefined ? undefined : Number(text);
  }

  noteFirstSeq(seq: number): void {
    if (this.firstSeq() === undefined) this.#setMeta('first_seq', String(seq));
  }

  /** Blocks ascend; each has the first submission above it. */
  addBlocks(blocks: readonly (BlockRef & { nextSeq: number })[]): void {
    for (const { number, hash, nextSeq } of blocks)
      this.#addBlock.run(number, hexToBytes(hash), nextSeq);
    const last = blocks.at(-1);
    if (last) this.#forgetBlocks.run(last.number - BLOCKS_KEPT);
  }

  /** Forgets what is above a block; returns the first submission that is gone. */
  revert(number: number): number {
    this.forget();
    this.#db.prepare('DELETE FROM block WHERE number > ?').run(number);
    const seq = this.#newestBlock()?.next_seq ?? 0;
    this.#db.prepare('DELETE FROM pending WHERE seq >= ?').run(seq);
    const first = this.firstSeq();
    if (first !== undefined && first >= seq)
      this.#db.prepare("DELETE FROM meta WHERE key = 'first_seq'").run();
    return seq;
  }

  addPending(batch: PendingBatch): void {
    this.forget();
    this.#addPending.run(
      batch.seq,
      hexToBytes(batch.root),
      batch.size,
      batch.startSector,
      hexToBytes(batch.txHash),
      hexToBytes(batch.sender),
      concatBytes(...batch.streamIds.map((id) => hexToBytes(id))),
      batch.block,
    );
  }

  removePending(seq: number): void {
    if (this.#front?.batches[0]?.seq === seq) this.#front.batches.shift();
    else this.forget();
    this.#remove.run(seq);
  }

  /** Forgets waiting batches that name a stream. */
  removePendingOf(streamId: Hash32): void {
    for (const { seq, streamIds } of this.#read(Number.MAX_SAFE_INTEGER))
      if (streamIds.includes(streamId)) this.removePending(seq);
  }

  /** Forgets everything seen on chain, so that the follower starts over. */
  reset(): void {
    this.forget();
    this.#db.exec(
      "DELETE FROM block; DELETE FROM pending; DELETE FROM meta WHERE key = 'first_seq'",
    );
  }

  /** The next batches in order. */
  pending(limit: number): PendingBatch[] {
    if (!this.#front || (this.#front.batches.length < limit && !this.#front.isWhole)) {
      const asked = Math.max(limit, FRONT_BATCHES);
      const batches = this.#read(asked);
      this.#front = { batches, isWhole: batches.length < asked };
    }
    return this.#front.batches.slice(0, limit);
  }

  #read(limit: number): PendingBatch[] {
    return (this.#pending.all(limit) as PendingRow[]).map(pendingOf);
  }

  /** Drops what is remembered of the queue: a transaction that changed it was rolled back. */
  forget(): void {
    this.#front = undefined;
  }

  isPending(batch: PendingBatch): boolean {
    const row = this.#hashOf.get(batch.seq) as { tx_hash: Uint8Array } | undefined;
    return row !== undefined && bytesToHex(row.tx_hash) === batch.txHash;
  }

  /** Every submission below is decided. */
  applied(): number {
    const row = this.#lowest.get() as { seq: number | null };
    return row.seq ?? this.nextSeq() ?? 0;
  }

  #newestBlock(): BlockRow | undefined {
    return this.#newest.get() as BlockRow | undefined;
  }

  #meta(key: string): string | undefined {
    const row = this.#db.prepare('SELECT value FROM meta WHERE key = ?').get(key) as
      | { value: string }
      | undefined;
    return row?.value;
  }

  #setMeta(key: string, value: string): void {
    this.#db.prepare('INSERT INTO meta VALUES (?, ?)').run(key, value);
  }
}

/** Ids packed 32 bytes each. */
export function unpackIds(bytes: Uint8Array): Hash32[] {
  const out: Hash32[] = [];
  for (let at = 0; at < bytes.length; at += 32)
    out.push(bytesToHash32(bytes.subarray(at, at + 32)));
  return out;
}

function pendingOf(row: PendingRow): PendingBatch {
  return {
    seq: row.seq,
    root: bytesToHash32(row.root),
    size: row.size,
    startSector: row.start_sector,
    txHash: bytesToHash32(row.tx_hash),
    sender: bytesToHex(row.sender) as Address,
    streamIds: unpackIds(row.streams),
    block: row.block,
  };
}
