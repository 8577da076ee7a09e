// Decided batches: result, sender, and the keys that each wrote.
import { type Address, bytesToHash32, bytesToHex, type Hash32, hexToBytes } from '@cairn/base';
import type { Database, Statement } from '@cairn/store';
import { unpackIds } from './log-table.ts';

export type Change = { stream: number; key: Uint8Array };
export type DecidedBatch = {
  seq: number;
  result: string;
  txHash: Hash32;
  sender: Address;
  streamIds: Hash32[];
  changes: Change[];
};
type Row = {
  seq: number;
  result: string;
  tx_hash: Uint8Array;
  sender: Uint8Array;
  streams: Uint8Array;
  changes: Uint8Array;
};

export class BatchTable {
  readonly #db: Database;
  readonly #insert: Statement;
  readonly #result: Statement;
  readonly #changing: Statement;

  constructor(db: Database) {
    this.#db = db;
    this.#insert = db.prepare('INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?)');
    this.#result = db.prepare('SELECT result FROM batch WHERE seq = ?');
    this.#changing = db.prepare(
      'SELECT batch.* FROM root JOIN batch ON batch.seq = root.version WHERE root.stream = ? AND root.version >= ? ORDER BY root.version LIMIT ?',
    );
  }

  add(batch: Omit<DecidedBatch, 'streamIds'> & { streams: Uint8Array }): void {
    this.#insert.run(
      batch.seq,
      batch.result,
      hexToBytes(batch.txHash),
      hexToBytes(batch.sender),
      batch.streams,
      packChanges(batch.changes),
    );
  }

  result(seq: number): string | undefined {
    const row = this.#result.get(seq) as { result: string } | undefined;
    return row?.result;
  }

  /** Committed batches that changed a stream, from `seq` on, in order. */
  changing(stream: number, seq: number, limit: number): DecidedBatch[] {
    return (this.#changing.all(stream, seq, limit) as Row[]).map(batchOf);
  }

  /** Newest first, from `seq` on: what a reorg undoes. */
  *from(seq: number): Generator<DecidedBatch> {
    const rows = this.#db
      .prepare('SELECT * FROM batch WHERE seq >= ? ORDER BY seq DESC')
      .all(seq) as Row[];
    for (const row of rows) yield batchOf(row);
  }

  removeFrom(seq: number): void {
    this.#db.prepare('DELETE FROM batch WHERE seq >= ?').run(seq);
  }
}

function packChanges(changes: readonly Change[]): Uint8Array {
  const out = new Uint8Array(changes.reduce((sum, { key }) => sum + 8 + key.length, 0));
  const view = new DataView(out.buffer);
  let at = 0;
  for (const { stream, key } of changes) {
    view.setUint32(at, stream);
    view.setUint32(at + 4, key.length);
    out.set(key, at + 8);
    at += 8 + key.length;
  }
  return out;
}

function unpackChanges(bytes: Uint8Array): Change[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const out: Change[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = view.getUint32(at + 4);
    out.push({ stream: view.getUint32(at), key: bytes.subarray(at + 8, at + 8 + length) });
    at += 8 + length;
  }
  return out;
}

function batchOf(row: Row): DecidedBatch {
  return {
    seq: row.seq,
    result: row.result,
    txHash: bytesToHash32(row.tx_hash),
    sender: bytesToHex(row.sender) as Address,
    streamIds: unpackIds(row.streams),
    changes: unpackChanges(row.changes),
  };
}
