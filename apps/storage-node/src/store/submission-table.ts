import {
  bytesToHash32,
  concatBytes,
  type DataRoot,
  type Hash32,
  hexToBytes,
  type TxSeq,
  toTxSeq,
} from '@cairn/base';
import type { Submission, SubmissionNodeLike } from '@cairn/chain';
import type { Database } from '@cairn/store';

export const STATE = { receiving: 0, finalized: 1, pruned: 2 } as const;
export type FileState = (typeof STATE)[keyof typeof STATE];

/** One submission as the node keeps it. */
export type StoredSubmission = {
  seq: TxSeq;
  root: DataRoot;
  /** Bytes. */
  size: number;
  startSector: number;
  /** End of the padded file in the flow. */
  endSector: number;
  nodes: SubmissionNodeLike[];
  block: number;
  txHash: Hash32;
  state: FileState;
};

type Row = {
  seq: number;
  root: Buffer;
  size: number;
  start_sector: number;
  end_sector: number;
  nodes: Buffer;
  block: number;
  tx_hash: Buffer;
  state: number;
};

const CACHE_MAX = 4096;

/** Submissions by seq and by root. Nodes are packed: height u8 ‖ root. */
export class SubmissionTable {
  readonly #db: Database;
  readonly #cache = new Map<number, StoredSubmission>();
  readonly #bySeq;
  readonly #byRoot;
  readonly #insert;
  readonly #setState;

  constructor(db: Database) {
    this.#db = db;
    this.#bySeq = db.prepare<[number], Row>('SELECT * FROM submission WHERE seq = ?');
    this.#byRoot = db.prepare<[Uint8Array], Row>(
      'SELECT * FROM submission WHERE root = ? ORDER BY seq',
    );
    this.#insert = db.prepare('INSERT INTO submission VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)');
    this.#setState = db.prepare('UPDATE submission SET state = ? WHERE seq = ?');
  }

  get nextSeq(): number {
    return (
      ((this.#db.prepare('SELECT max(seq) FROM submission').pluck().get() as number | null) ?? -1) +
      1
    );
  }

  get receivingCount(): number {
    return this.#db
      .prepare('SELECT count(*) FROM submission WHERE state = 0')
      .pluck()
      .get() as number;
  }

  bySeq(seq: number): StoredSubmission | undefined {
    const cached = this.#cache.get(seq);
    if (cached) return cached;
    const row = this.#bySeq.get(seq);
    return row && this.#remember(decode(row));
  }

  allByRoot(root: Hash32): StoredSubmission[] {
    return this.#byRoot.all(hexToBytes(root)).map(decode);
  }

  /**
   * Which submission a root means: the first finalized one; else, when `needAvailable`, the first not pruned; else the first
   * (spec/storage-rpc.md 4.3).
   */
  byRoot(root: Hash32, needAvailable: boolean): StoredSubmission | undefined {
    const all = this.allByRoot(root);
    return (
      all.find((s) => s.state === STATE.finalized) ??
      (needAvailable ? all.find((s) => s.state !== STATE.pruned) : undefined) ??
      all[0]
    );
  }

  /** Submissions of blocks above `block`, ascending. */
  above(block: number): StoredSubmission[] {
    return this.#db
      .prepare<[number], Row>('SELECT * FROM submission WHERE block > ? ORDER BY seq')
      .all(block)
      .map(decode);
  }

  receiving(): StoredSubmission[] {
    return this.#db
      .prepare<[], Row>('SELECT * FROM submission WHERE state = 0 ORDER BY seq')
      .all()
      .map(decode);
  }

  /** Up to `limit` submissions from `seq` on that are not finalized, ascending. */
  receivingFrom(seq: number, limit: number): StoredSubmission[] {
    return this.#db
      .prepare<[number, number], Row>(
        'SELECT * FROM submission WHERE state = 0 AND seq >= ? ORDER BY seq LIMIT ?',
      )
      .all(seq, limit)
      .map(decode);
  }

  /** Up to `limit` submissions from `seq` on of which something may be stored, ascending. */
  keptFrom(seq: number, limit: number): StoredSubmission[] {
    return this.#db
      .prepare<[number, number], Row>(
        'SELECT * FROM submission WHERE state <> 2 AND seq >= ? ORDER BY seq LIMIT ?',
      )
      .all(seq, limit)
      .map(decode);
  }

  /** Up to `limit` submissions that are not pruned and overlap sectors [start, end) of the flow, ascending from place `afterSector` on. */
  keptIn(
    sectors: { start: number; end: number },
    afterSector: number,
    limit: number,
  ): StoredSubmission[] {
    return this.#db
      .prepare<[number, number, number], Row>(
        `SELECT * FROM submission INDEXED BY submission_kept_end
         WHERE state <> 2 AND end_sector > ? AND start_sector < ? ORDER BY end_sector LIMIT ?`,
      )
      .all(Math.max(sectors.start, afterSector), sectors.end, limit)
      .map(decode);
  }

  /** Pruned submissions of which segments may still be stored, ascending. */
  dropping(limit: number): StoredSubmission[] {
    return this.#db
      .prepare<[number], Row>(
        'SELECT submission.* FROM dropping JOIN submission USING (seq) ORDER BY seq LIMIT ?',
      )
      .all(limit)
      .map(decode);
  }

  /** Gives a submission up: it is pruned, and its segments have to go. Part of the caller's transaction. */
  prune(seq: number): void {
    this.setState(seq, STATE.pruned);
    this.#db.prepare('INSERT OR IGNORE INTO dropping VALUES (?)').run(seq);
  }

  /** Nothing of a pruned submission is stored any more. */
  dropped(seq: number): void {
    this.#db.prepare('DELETE FROM dropping WHERE seq = ?').run(seq);
  }

  /** Seqs in [from, to) that are finalized. */
  finalizedIn(from: number, to: number): number[] {
    return this.#db
      .prepare('SELECT seq FROM submission WHERE state = 1 AND seq >= ? AND seq < ?')
      .pluck()
      .all(from, to) as number[];
  }

  insert(submission: Submission, root: DataRoot): StoredSubmission {
    const nodes = concatBytes(
      ...submission.nodes.flatMap((node) => [Uint8Array.of(node.height), hexToBytes(node.root)]),
    );
    const endSector = submission.startSector + submission.sectors;
    this.#insert.run(
      submission.seq,
      hexToBytes(root),
      submission.size,
      submission.startSector,
      endSector,
      nodes,
      submission.blockNumber,
      hexToBytes(submission.txHash),
    );
    return {
      seq: submission.seq,
      root,
      size: submission.size,
      startSector: submission.startSector,
      endSector,
      nodes: submission.nodes,
      block: submission.blockNumber,
      txHash: submission.txHash,
      state: STATE.receiving,
    };
  }

  setState(seq: number, state: FileState): void {
    this.#setState.run(state, seq);
    this.#cache.delete(seq);
  }

  removeFrom(seq: number): void {
    this.#db.prepare('DELETE FROM submission WHERE seq >= ?').run(seq);
    this.#db.prepare('DELETE FROM dropping WHERE seq >= ?').run(seq);
    this.forget();
  }

  forget(): void {
    this.#cache.clear();
  }

  #remember(submission: StoredSubmission): StoredSubmission {
    if (this.#cache.size >= CACHE_MAX) this.#cache.delete(this.#cache.keys().next().value!);
    this.#cache.set(submission.seq, submission);
    return submission;
  }
}

function decode(row: Row): StoredSubmission {
  const packed = new Uint8Array(row.nodes);
  const nodes: SubmissionNodeLike[] = [];
  for (let at = 0; at < packed.length; at += 33)
    nodes.push({ height: packed[at]!, root: bytesToHash32(packed.subarray(at + 1, at + 33)) });
  return {
    seq: toTxSeq(row.seq),
    root: bytesToHash32(row.root) as DataRoot,
    size: row.size,
    startSector: row.start_sector,
    endSector: row.end_sector,
    nodes,
    block: row.block,
    txHash: bytesToHash32(row.tx_hash),
    state: row.state as FileState,
  };
}
