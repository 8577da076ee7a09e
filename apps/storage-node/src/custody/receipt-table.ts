// The index of receipts that this node signed: what it owes, until when (table `receipt` in store/schema.ts).
import { type SignedReceipt, signedReceiptSchema } from '@cairn/protocol';
import type { Database } from '@cairn/store';

export class ReceiptTable {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /**
   * Durable when it returns: a receipt is handed out only after that. `boundUntil`: Unix seconds of the chain until which its bytes may
   * have to be proven.
   */
  add(signed: SignedReceipt, boundUntil: number): void {
    const { serial, txSeq, expiry } = signed.receipt;
    this.#db
      .prepare('INSERT INTO receipt VALUES (?, ?, ?, ?, ?)')
      .run(serial, txSeq, expiry, JSON.stringify(signed), boundUntil);
  }

  has(serial: string): boolean {
    return this.#db.prepare('SELECT 1 FROM receipt WHERE serial = ?').get(serial) !== undefined;
  }

  /** The receipt of a submission that holds longest. */
  latest(txSeq: number): SignedReceipt | undefined {
    const text = this.#db
      .prepare('SELECT signed FROM receipt WHERE seq = ? ORDER BY expiry DESC LIMIT 1')
      .pluck()
      .get(txSeq) as string | undefined;
    return text === undefined ? undefined : signedReceiptSchema.parse(JSON.parse(text));
  }

  /** True when bytes of the submission may still have to be proven at `time`: they must not go. */
  binds(txSeq: number, time: number): boolean {
    return (
      this.#db
        .prepare('SELECT 1 FROM receipt WHERE seq = ? AND bound_until >= ? LIMIT 1')
        .get(txSeq, time) !== undefined
    );
  }

  /** Submissions that `binds` says yes to, ascending, each once. */
  boundSeqs(time: number): number[] {
    return this.#db
      .prepare('SELECT DISTINCT seq FROM receipt WHERE bound_until >= ? ORDER BY seq')
      .pluck()
      .all(time) as number[];
  }

  /** Forgets what no longer binds at `time`. */
  prune(time: number): void {
    this.#db.prepare('DELETE FROM receipt WHERE bound_until < ?').run(time);
  }
}
