/*
 * Signs receipts: when a file is finalized, so that whoever uploaded it does not wait, and when one is asked for. What was signed and
 * nobody asked for yet is in memory and binds nothing: it is noted, and binds, when it is handed out.
 *
 * Only for files that are finalized here (every segment of our shard checked and synced), only for the shard we
 * keep, only while the chain holds our stake long enough. One receipt serves everybody who asks until half its time is over, so the
 * number of serials is bounded by files and time, not by requests. Times are the chain's.
 */
import {
  bytesToHash32,
  CodedError,
  errorMessage,
  type Hash32,
  type Logger,
  type RandomSource,
} from '@cairn/base';
import type { CustodyParameters } from '@cairn/chain/custody';
import {
  BYTES_PER_SECTOR,
  type Receipt,
  type ShardConfig,
  type SignedReceipt,
  shardName,
} from '@cairn/protocol';
import type { Files } from '../ingest/files.ts';
import type { NodeDatabase } from '../store/node-database.ts';
import { STATE, type StoredSubmission } from '../store/submission-table.ts';
import type { Provider } from './provider.ts';
import type { ReceiptTable } from './receipt-table.ts';

export type IssuerDeps = {
  database: NodeDatabase;
  files: Files;
  receipts: ReceiptTable;
  provider: Provider;
  sign: (receipt: Receipt) => Promise<SignedReceipt>;
  random: RandomSource;
  /** False while the shard has to be halved and receipts are in the way: a new one would keep it so. */
  mayPromise?: (() => boolean) | undefined;
  log: Logger;
};

/** A receipt that holds for less than this share of the longest one is not worth its serial. */
const SHARE_MIN = 1 / 4;
/** Receipts that are being made at once. */
const MAKING_MAX = 256;

/** Receipts signed ahead; beyond it, and after a restart, they are signed when somebody asks. */
const AHEAD_MAX = 1024;

export class Issuer {
  readonly #deps: IssuerDeps;
  readonly #ahead = new Map<number, SignedReceipt>();
  readonly #making = new Map<number, Promise<SignedReceipt | undefined>>();

  constructor(deps: IssuerDeps) {
    this.#deps = deps;
  }

  /**
   * A receipt for a submission; undefined when it is not finalized here, or none of its segments is ours. Throws `CUSTODY_NOT_READY`
   * while the stake behind it is not locked, `CUSTODY_BUSY`.
   */
  receiptFor(txSeq: number): Promise<SignedReceipt | undefined> {
    const running = this.#making.get(txSeq);
    if (running) return running;
    if (this.#making.size >= MAKING_MAX)
      return Promise.reject(
        new CodedError({
          code: 'CUSTODY_BUSY',
          kind: 'exhausted',
          message: `${MAKING_MAX} receipts are being signed`,
          hint: 'ask again in a moment',
        }),
      );
    const making = this.#receiptFor(txSeq).finally(() => this.#making.delete(txSeq));
    this.#making.set(txSeq, making);
    return making;
  }

  /** Signs ahead of the question; a provider whose stake is not ready yet leaves it to the question. */
  async prepare(txSeq: number): Promise<void> {
    const made = await this.#sign(txSeq).catch((error: unknown) => {
      this.#deps.log.debug({ txSeq, error: errorMessage(error) }, 'no receipt was signed ahead');
    });
    if (!made) return;
    if (this.#ahead.size >= AHEAD_MAX) this.#ahead.delete(this.#ahead.keys().next().value ?? -1);
    this.#ahead.set(txSeq, made.signed);
  }

  async #receiptFor(txSeq: number): Promise<SignedReceipt | undefined> {
    const { database, files, receipts, log } = this.#deps;
    const made = await this.#sign(txSeq);
    this.#ahead.delete(txSeq);
    if (!made) return undefined;
    const { signed, boundUntil } = made;
    // What was awaited may have seen a reorg, rot, or another shard: a promise is made about what is here now.
    const file = database.submissions.bySeq(txSeq);
    const isSame =
      shardName(files.shard) === shardName(signed.receipt) &&
      database.flowRootOf(txSeq) === signed.receipt.flowRoot;
    if (!isSame || !this.#isHeld(file)) return undefined;
    const { expiry, serial } = signed.receipt;
    if (receipts.has(serial)) return signed;
    if (this.#deps.mayPromise?.() === false)
      throw new CodedError({
        code: 'CUSTODY_NOT_READY',
        kind: 'not_ready',
        message: 'this node is about to give up half of its shard',
      });
    receipts.add(signed, boundUntil);
    log.info({ txSeq, expiry, serial }, 'receipt signed');
    return signed;
  }

  /** A receipt that is good now: one that was given out, one signed ahead, or a new one. */
  async #sign(txSeq: number): Promise<{ signed: SignedReceipt; boundUntil: number } | undefined> {
    const { database, files, receipts, provider, sign, random } = this.#deps;
    const file = database.submissions.bySeq(txSeq);
    const flowRoot = database.flowRootOf(txSeq);
    if (!file || !flowRoot || !this.#isHeld(file)) return undefined;
    const { parameters, now, lockedUntil } = await provider.standing();
    const bound = (signed: SignedReceipt): { signed: SignedReceipt; boundUntil: number } => ({
      signed,
      boundUntil: signed.receipt.expiry + parameters.lockMarginSeconds,
    });
    const { shard } = files;
    const known = receipts.latest(txSeq);
    const wanted = { flowRoot, now, parameters, shard };
    if (known && this.#isGood(known, wanted)) return bound(known);
    const ahead = this.#ahead.get(txSeq);
    if (ahead && this.#isGood(ahead, wanted)) return bound(ahead);
    const expiry = Math.min(
      now + parameters.maxReceiptSeconds,
      lockedUntil - parameters.lockMarginSeconds,
    );
    if (expiry - now < parameters.maxReceiptSeconds * SHARE_MIN)
      throw new CodedError({
        code: 'CUSTODY_NOT_READY',
        kind: 'not_ready',
        message: 'the stake behind receipts is not locked yet',
        details: { lockedUntil, now },
      });
    const signed = await sign({
      txSeq,
      flowRoot,
      startPos: file.startSector,
      sectors: Math.ceil(file.size / BYTES_PER_SECTOR),
      dataRoot: file.root as Receipt['dataRoot'],
      ...shard,
      issuedAt: now,
      expiry,
      provider: provider.address,
      serial: bytesToHash32(random.bytes(32)),
    });
    return bound(signed);
  }

  #isHeld(file: StoredSubmission | undefined): boolean {
    if (file?.state !== STATE.finalized) return false;
    for (const _ of this.#deps.files.required(file)) return true;
    return false;
  }

  #isGood(
    { receipt, contract, chainId }: SignedReceipt,
    wanted: { flowRoot: Hash32; now: number; parameters: CustodyParameters; shard: ShardConfig },
  ): boolean {
    const { flowRoot, now, parameters, shard } = wanted;
    return (
      chainId === parameters.chainId &&
      contract === this.#deps.provider.contract &&
      receipt.flowRoot === flowRoot &&
      receipt.provider === this.#deps.provider.address &&
      shardName(receipt) === shardName(shard) &&
      now >= receipt.issuedAt &&
      receipt.expiry - now > (receipt.expiry - receipt.issuedAt) / 2
    );
  }
}
