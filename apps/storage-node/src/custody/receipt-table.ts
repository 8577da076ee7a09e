// The index of receipts that this node signed: what it owes, until when (table `receipt` in store/schema.ts).
import { type SignedReceipt, signedReceiptSchema } from '@cairn/protocol';
import type { Database } from '@cairn/store';

export class ReceiptTable {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Durable when it returns: a receipt is handed out only after that. */
  add(signed: SignedReceipt): void {
    const { serial, txSeq, expiry } = signed.receipt;
    this.#db
      .prepare('INSERT INTO receipt VALUES (?, ?, ?, ?)')
      .run(serial, txSeq, expiry, JSON.stringify(signed));
  }

  /** The receipt of a submission that holds longest. */
  latest(txSeq: number): SignedReceipt | undefined {
    const text = this.#db
      .prepare('SELECT signed FROM receipt WHERE seq = ? ORDER BY expiry DESC LIMIT 1')
      .pluck()
      .get(txSeq) as string | undefined;
    return text === undefined ? undefined : signedReceiptSchema.parse(JSON.parse(text));
  }

  /** Forgets what ended before `time`. */
  prune(time: number): void {
    this.#db.prepare('DELETE FROM receipt WHERE expiry < ?').run(time);
  }
}
