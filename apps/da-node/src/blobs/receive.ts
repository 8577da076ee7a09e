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
} from '@cairn/base';
import { BlobAssignment, type DaReader, memberOf, servingQuorum } from '@cairn/chain/da';
import { checkShard, parseBlobFormat } from '@cairn/erasure';
import type { Kernels } from '@cairn/kernels';
import { type BlobHeader, blobKey, type Domain } from '@cairn/quorum';
import type { BlobIndex } from '../store/blob-index.ts';
import type { RowFiles } from '../store/row-files.ts';
import type { Admission } from './admission.ts';

export type ReceiverDeps = {
  reader: DaReader;
  admission: Admission;
  index: BlobIndex;
  files: RowFiles;
  kernels: Kernels;
  entrance: Domain;
  operator: Address;
  log: Logger;
};
export type ReceiverOptions = {
  /** Bytes of rows in memory at once; an eighth of it per account. */
  inFlightBytesMax: number;
};
/** A blob as it is offered; `rows` gives the rows' bytes in pieces, in the order of their indices. */
export type Offer = {
  header: BlobHeader;
  authorization: Uint8Array;
  member: number;
  rowRoot: Uint8Array;
  rlc: Uint8Array;
  siblings: Uint8Array;
  rows: AsyncIterable<Uint8Array>;
};

const WAITING_MAX = 256;
const ACCOUNTS_SHARE = 8;

export class Receiver {
  readonly #deps: ReceiverDeps;
  readonly #options: ReceiverOptions;
  readonly #budget: Budget;
  readonly #ofAccount = new Map<Address, number>();
  /** Blobs on their way in: a second offer of one waits for the first. */
  readonly #arriving = new Map<Hash32, Promise<void>>();
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
    const before = this.#arriving.get(key);
    if (before) await before.catch(() => {}); // a failed first offer says nothing about this one
    if (this.#deps.index.get(key)) return true;
    const mine = this.#store(key, offer, signal);
    this.#arriving.set(key, mine);
    try {
      await mine;
      return false;
    } finally {
      if (this.#arriving.get(key) === mine) this.#arriving.delete(key);
    }
  }

  async #store(key: Hash32, offer: Offer, signal: AbortSignal): Promise<void> {
    const { reader, admission, kernels, files, index, entrance, operator, log } = this.#deps;
    const { header } = offer;
    const [head, parameters] = await Promise.all([reader.head(), reader.parameters()]);
    const { epoch, quorum } = await servingQuorum(reader, header, head.number);
    await admission.check(header, offer.authorization, {
      head,
      parameters,
      memberCount: quorum.members.length,
    });
    const assignment = new BlobAssignment(entrance, epoch, quorum, header);
    const { member, custody, assigned } = assignment.rowsOf(memberOf(quorum, operator));
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
      const rows = await readRows(offer.rows, bytes, signal);
      const checked = checkShard(
        kernels,
        { format, commitment: hexToBytes(header.commitment) },
        {
          indices: assigned,
          rows,
          siblings: offer.siblings,
          rowRoot: offer.rowRoot,
          rlc: offer.rlc,
        },
        assigned,
      );
      const placeOf = new Map(assigned.map((row, place) => [row, place]));
      const onDisk = await files.write(key, {
        rowRoot: offer.rowRoot,
        rlc: offer.rlc,
        indices: custody,
        rowBytes: format.rowBytes,
        pathBytes: checked.pathOf(custody[0] ?? assigned[0]!).length,
        row: (row) => {
          const at = placeOf.get(row)! * format.rowBytes;
          return { row: rows.subarray(at, at + format.rowBytes), path: checked.pathOf(row) };
        },
      });
      index.insert(key, header, { member: member.index, bytes: onDisk, block: head.number });
      log.debug({ blobKey: key, rows: custody.length, bytes: onDisk }, 'rows stored');
    } finally {
      release();
    }
  }

  /** Memory for rows. Waits for the whole, refuses what one account may not have. */
  async #reserve(account: Address, bytes: number, signal: AbortSignal): Promise<() => void> {
    const share = Math.floor(this.#options.inFlightBytesMax / ACCOUNTS_SHARE);
    const held = this.#ofAccount.get(account) ?? 0;
    if (held > 0 && held + bytes > share)
      throw new CodedError({
        code: 'DA_ACCOUNT_BUSY',
        kind: 'exhausted',
        message: `account ${account} has as many bytes in flight as one account may`,
        details: { held, bytes, share },
      });
    this.#ofAccount.set(account, held + bytes);
    const giveBack = (): void => {
      const left = (this.#ofAccount.get(account) ?? bytes) - bytes;
      if (left > 0) this.#ofAccount.set(account, left);
      else this.#ofAccount.delete(account);
    };
    try {
      const release = await this.#budget.acquire(bytes, signal);
      this.#inFlightBytes += bytes;
      return () => {
        release();
        giveBack();
        this.#inFlightBytes -= bytes;
      };
    } catch (error) {
      giveBack();
      throw error;
    }
  }
}

/** Exactly `bytes` bytes out of the pieces. Throws `DA_ROWS_LENGTH`. */
async function readRows(
  pieces: AsyncIterable<Uint8Array>,
  bytes: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const out = new Uint8Array(bytes);
  let at = 0;
  const wrong = (actual: number): CodedError =>
    new CodedError({
      code: 'DA_ROWS_LENGTH',
      kind: 'invalid',
      message: `${actual} bytes of rows where ${bytes} are assigned`,
      details: { expected: bytes, actual },
    });
  for await (const piece of pieces) {
    signal.throwIfAborted();
    if (at + piece.length > bytes) throw wrong(at + piece.length);
    out.set(piece, at);
    at += piece.length;
  }
  if (at !== bytes) throw wrong(at);
  return out;
}
