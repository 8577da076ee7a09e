import { type Hash32, hexToBytes } from '@cairn/base';
import type { Submission } from '@cairn/chain';
import {
  codedFileLayout,
  PARITY_DESCRIPTOR_BYTES,
  type ParityDescriptor,
  parseParityDescriptor,
} from '@cairn/erasure';
import type { Database } from '@cairn/store';

/** A submission whose tags say that it is the parity of a file. Whether that is true only rebuilding shows. */
export type ParityEntry = { seq: number; descriptor: ParityDescriptor };

type Row = { seq: number; tags: Buffer };

/** Submissions that carry a parity descriptor (spec/storage-erasure.md 4.3), by place and by the file they belong to. */
export class ParityTable {
  readonly #db: Database;
  readonly #insert;
  readonly #bySeq;
  readonly #ofData;

  constructor(db: Database) {
    this.#db = db;
    this.#insert = db.prepare('INSERT INTO parity VALUES (?, ?, ?)');
    this.#bySeq = db.prepare<[number], Row>('SELECT seq, tags FROM parity WHERE seq = ?');
    // What stands in the transaction of the data is its owner's word; anybody may add others later.
    this.#ofData = db.prepare<[Uint8Array, number], Row>(
      `SELECT seq, tags FROM parity JOIN submission USING (seq) WHERE data_root = ?
       ORDER BY EXISTS (
         SELECT 1 FROM submission AS data WHERE data.root = data_root AND data.tx_hash = submission.tx_hash
       ) DESC, seq
       LIMIT ?`,
    );
  }

  /** Notes the submission if it is parity; part of the transaction that notes the submission. */
  addIfParity(submission: Submission): void {
    if (submission.tags.length !== 2 + 2 * PARITY_DESCRIPTOR_BYTES) return;
    const tags = hexToBytes(submission.tags);
    try {
      const { dataRoot, dataBytes, code } = parseParityDescriptor(tags);
      if (submission.size !== codedFileLayout(dataBytes, code).parityBytes) return;
      this.#insert.run(submission.seq, hexToBytes(dataRoot), tags);
    } catch {
      // Tags are free text: these are somebody's own.
    }
  }

  bySeq(seq: number): ParityEntry | undefined {
    const row = this.#bySeq.get(seq);
    return row && decode(row);
  }

  /** Up to `limit` parities of a file, those of its own transaction first. */
  of(dataRoot: Hash32, limit: number): ParityEntry[] {
    return this.#ofData.all(hexToBytes(dataRoot), limit).map(decode);
  }

  removeFrom(seq: number): void {
    this.#db.prepare('DELETE FROM parity WHERE seq >= ?').run(seq);
  }
}

function decode({ seq, tags }: Row): ParityEntry {
  const descriptor = parseParityDescriptor(new Uint8Array(tags));
  return { seq, descriptor };
}
