/*
 * Signs receipts: only for files that are finalized here (every segment of our shard checked and synced), only for the shard we
 * keep, only while the chain holds our stake long enough. One receipt serves everybody who asks until half its time is over, so the
 * number of serials is bounded by files and time, not by requests. Times are the chain's.
 */
import {
  bytesToHash32,
  CodedError,
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
  log: Logger;
};

/** A receipt that holds for less than this share of the longest one is not worth its serial. */
const SHARE_MIN = 1 / 4;
/** Receipts that are being made at once. */
const MAKING_MAX = 256;

export class Issuer {
  readonly #deps: IssuerDeps;
  readonly #shard: ShardConfig;
  readonly #making = new Map<number, Promise<SignedReceipt | undefined>>();

  constructor(deps: IssuerDeps, shard: ShardConfig) {
    this.#deps = deps;
    this.#shard = shard;
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

  async #receiptFor(txSeq: number): Promise<SignedReceipt | undefined> {
    const { database, files, receipts, provider, sign, random, log } = this.#deps;
    const file = database.submissions.bySeq(txSeq);
    const flowRoot = database.flowRootOf(txSeq);
    if (!file || !flowRoot || !this.#isHeld(file)) return undefined;
    const { parameters, now, lockedUntil } = await provider.standing();
    const known = receipts.latest(txSeq);
    if (known && this.#isGood(known, flowRoot, now, parameters)) return known;
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
      ...this.#shard,
      issuedAt: now,
      expiry,
      provider: provider.address,
      serial: bytesToHash32(random.bytes(32)),
    });
    // What was awaited may have seen a reorg or rot: a promise is made about what is here now.
    if (!files.isCurrent(file) || !this.#isHeld(database.submissions.bySeq(txSeq)))
      return undefined;
    receipts.add(signed);
    log.info({ txSeq, expiry, serial: signed.receipt.serial }, 'receipt signed');
    return signed;
  }

  #isHeld(file: StoredSubmission | undefined): boolean {
    if (file?.state !== STATE.finalized) return false;
    for (const _ of this.#deps.files.required(file)) return true;
    return false;
  }

  #isGood(
    { receipt, contract, chainId }: SignedReceipt,
    flowRoot: Hash32,
    now: number,
    parameters: CustodyParameters,
  ): boolean {
    return (
      chainId === parameters.chainId &&
      contract === this.#deps.provider.contract &&
      receipt.flowRoot === flowRoot &&
      receipt.provider === this.#deps.provider.address &&
      receipt.shardId === this.#shard.shardId &&
      receipt.numShard === this.#shard.numShard &&
      now >= receipt.issuedAt &&
      receipt.expiry - now > (receipt.expiry - receipt.issuedAt) / 2
    );
  }
}
