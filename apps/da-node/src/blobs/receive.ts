/*
 * Takes the rows of a blob: admits the header, reads exactly the assigned rows out of a bounded budget, checks them in the
 * protocol's order, makes the custody rows durable. Only then is it acknowledged. Samples are checked and dropped.
 */
import {
  type Address,
  Budget,
  CodedError,
  type Hash32,
  hexToBytes,
  type Logger,
  log2Exact,
  withTimeout,
} from '@cairn/base';
import {
  BlobAssignment,
  type DaEpoch,
  type DaQuorum,
  type DaReader,
  memberOf,
  servingQuorum,
} from '@cairn/chain/da';
import { parseBlobFormat, RLC_BYTES, rowCountOf } from '@cairn/erasure';
import { type BlobHeader, blobKey, type Domain } from '@cairn/quorum';
import type { RowChecker } from '../check/checker.ts';
import type { BlobIndex } from '../store/blob-index.ts';
import type { RowFiles } from '../store/row-files.ts';
import type { Admission } from './admission.ts';

export type ReceiverDeps = {
  reader: Pick<DaReader, 'head' | 'parameters' | 'serving'>;
  admission: Pick<Admission, 'admit'>;
  index: Pick<BlobIndex, 'get' | 'insert'>;
  files: Pick<RowFiles, 'isWhole' | 'write'>;
  checker: RowChecker;
  entrance: Domain;
  operator: Address;
  log: Logger;
};
export type ReceiverOptions = {
  /** Bytes of rows in memory at once; an eighth of it per account. */
  inFlightBytesMax: number;
  /** How long a blob may take to come in: a sender that stalls must not hold memory. */
  receiveTimeoutMs: number;
};
/** A blob as it is offered. */
export type Offer = {
  header: BlobHeader;
  authorization: Uint8Array;
  member: number;
  /**
   * Brings rows and proof once there is memory for them: rows of exactly `rowsBytes`, combinations and siblings as they came, of
   * any length. The arrays are the caller's. Throws what is wrong with them, or the signal's reason.
   */
  take(
    lengths: { rlcBytes: number; rowsBytes: number; siblingsMax: number },
    signal: AbortSignal,
  ): Promise<OfferedRows>;
};
export type OfferedRows = {
  rowRoot: Uint8Array;
  rlc: Uint8Array;
  siblings: Uint8Array;
  rows: Uint8Array;
};

const WAITING_MAX = 256;
const ACCOUNTS_SHARE = 8;

export class Receiver {
  readonly #deps: ReceiverDeps;
  readonly #options: ReceiverOptions;
  readonly #budget: Budget;
  readonly #ofAccount = new Map<Address, number>();
  /** Blobs on their way in: a second offer of one waits for the first. */
  readonly #arriving = new Map<Hash32, Promise<unknown>>();
  #inFlightBytes = 0;

  constructor(deps: ReceiverDeps, options: ReceiverOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#budget = new Budget(options.inFlightBytesMax, WAITING_MAX);
  }

  get inFlightBytes(): number {
    return this.#inFlightBytes;
  }

  /** Resolves when the rows are durable; true when they were here already. Throws the error that names what is wrong. */
  async receive(offer: Offer, signal: AbortSignal): Promise<boolean> {
    const key = blobKey(this.#deps.entrance, offer.header);
    for (let before = this.#arriving.get(key); before; before = this.#arriving.get(key))
      await before.catch(() => {}); // a failed first offer says nothing about this one
    const mine = this.#inTime(signal, (limited) => this.#store(key, offer, limited));
    this.#arriving.set(key, mine);
    try {
      return await mine;
    } finally {
      if (this.#arriving.get(key) === mine) this.#arriving.delete(key);
    }
  }

  async #inTime<T>(signal: AbortSignal, work: (limited: AbortSignal) => Promise<T>): Promise<T> {
    const { receiveTimeoutMs } = this.#options;
    const limited = withTimeout(signal, receiveTimeoutMs);
    try {
      return await work(limited);
    } catch (error) {
      if (error !== limited.reason || signal.aborted) throw error;
      throw new CodedError({
        code: 'DA_TOO_SLOW',
        kind: 'timeout',
        message: `the rows did not come in within ${receiveTimeoutMs} ms`,
      });
    }
  }

  /** True when the rows were here already. Those whose file went missing are taken again. */
  async #store(key: Hash32, offer: Offer, signal: AbortSignal): Promise<boolean> {
    const { reader, admission, index, files } = this.#deps;
    const known = index.get(key);
    if (known && (await files.isWhole(key, known.bytes))) return true;
    const { header } = offer;
    const [head, parameters] = await Promise.all([reader.head(), reader.parameters()]);
    const { epoch, quorum } = await servingQuorum(reader, header, head.number);
    const settle = await admission.admit(header, offer.authorization, {
      head,
      parameters,
      memberCount: quorum.members.length,
    });
    try {
      await this.#take(key, offer, { epoch, quorum, block: head.number }, signal);
    } finally {
      settle();
    }
    return false;
  }

  async #take(
    key: Hash32,
    offer: Offer,
    at: { epoch: DaEpoch; quorum: DaQuorum; block: number },
    signal: AbortSignal,
  ): Promise<void> {
    const { checker, files, index, entrance, operator, log } = this.#deps;
    const { header } = offer;
    const assignment = new BlobAssignment(entrance, at.epoch, at.quorum, header);
    const { member, custody, assigned } = assignment.rowsOf(memberOf(at.quorum, operator));
    if (offer.member !== member.index)
      throw new CodedError({
        code: 'DA_WRONG_MEMBER',
        kind: 'invalid',
        message: `these rows are for member ${offer.member}, this is member ${member.index}`,
        details: { expected: member.index, actual: offer.member },
      });
    const format = parseBlobFormat({ ...header, rowBytes: header.rowSize });
    const bytes = assigned.length * format.rowBytes;
    const release = await this.#reserve(header.account, bytes, signal);
    try {
      const { siblings, rowRoot, rlc, rows } = await offer.take(
        {
          rlcBytes: format.shape.dataRows * RLC_BYTES,
          rowsBytes: bytes,
          // A path for each row; what they have in common is there once, so fewer come.
          siblingsMax: assigned.length * log2Exact(rowCountOf(format.shape)),
        },
        signal,
      );
      const checked = await checker.check({
        ...{ format, assigned, custody, siblings, rowRoot, rlc, rows },
        commitment: hexToBytes(header.commitment),
      });
      // Durable from here on: the time is not looked at any more.
      const onDisk = await files.write(key, {
        ...{ rowRoot, rlc, indices: custody, rowBytes: format.rowBytes },
        pathBytes: checked.pathBytes,
        row: (row) => checked.rowWithPath(row),
      });
      index.insert(key, header, { member: member.index, bytes: onDisk, block: at.block });
      log.debug({ blobKey: key, rows: custody.length, bytes: onDisk }, 'rows stored');
    } finally {
      release();
    }
  }

  /** Memory for rows: waits for the whole. An account has its share in memory at most; what waits holds none of it. */
  async #reserve(account: Address, bytes: number, signal: AbortSignal): Promise<() => void> {
    this.#checkShare(account, bytes);
    const release = await this.#budget.acquire(bytes, signal);
    try {
      this.#checkShare(account, bytes); // others of the account may have come in first
    } catch (error) {
      release();
      throw error;
    }
    this.#ofAccount.set(account, (this.#ofAccount.get(account) ?? 0) + bytes);
    this.#inFlightBytes += bytes;
    return () => {
      release();
      this.#inFlightBytes -= bytes;
      const left = (this.#ofAccount.get(account) ?? 0) - bytes;
      if (left > 0) this.#ofAccount.set(account, left);
      else this.#ofAccount.delete(account);
    };
  }

  /** One blob may always come in; more only within the share. */
  #checkShare(account: Address, bytes: number): void {
    const share = Math.floor(this.#options.inFlightBytesMax / ACCOUNTS_SHARE);
    const held = this.#ofAccount.get(account) ?? 0;
    if (held === 0 || held + bytes <= share) return;
    throw new CodedError({
      code: 'DA_ACCOUNT_BUSY',
      kind: 'exhausted',
      message: `account ${account} has as many bytes in flight as one account may`,
      details: { held, bytes, share },
    });
  }
}
