/*
 * Which headers a member takes, before any row travels (design/da-protocol.md section 4): sane, of a quorum that serves,
 * authorized, unspent, funded. Rows come only after that, so an account that cannot pay costs nothing but a header.
 */
import { type Address, CodedError, parseAddress } from '@cairn/base';
import type { DaBlock, DaParameters, DaReader } from '@cairn/chain/da';
import {
  authorizationDigest,
  type BlobHeader,
  blobFee,
  type Domain,
  epochAt,
  headerFault,
} from '@cairn/quorum';
import { hexToBigInt, recoverAddress, slice, toHex } from 'viem';
import type { BlobIndex } from '../store/blob-index.ts';

export type AdmissionDeps = {
  reader: Pick<DaReader, 'account' | 'isNonceSpent' | 'pricePerByteSecond' | 'sessionKeyUntil'>;
  index: Pick<BlobIndex, 'lapses' | 'pendingFees'>;
  entrance: Domain;
};

/** Half of the order of secp256k1: higher `s` is the mirror of a signature, which the contract refuses. */
const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;
/** Headers of an account that lapsed in the epoch that is now and are forgiven; each further one doubles the balance it must show. */
const LAPSES_FREE = 3;
const DOUBLINGS_MAX = 32;
const SIGNATURE_BYTES = 65;

function refuse(reason: string, details: Record<string, unknown> = {}): CodedError {
  return new CodedError({
    code: 'DA_HEADER_REFUSED',
    kind: 'invalid',
    message: `header refused: ${reason}`,
    details: { reason, ...details },
  });
}

export class Admission {
  readonly #deps: AdmissionDeps;
  /** Wei of headers that were admitted and are not in the index yet. */
  readonly #arriving = new Map<Address, bigint>();

  constructor(deps: AdmissionDeps) {
    this.#deps = deps;
  }

  /**
   * Admits a header: its fee counts against the account until the returned function is called, by when it is in the index or
   * given up. Throws `DA_HEADER_REFUSED` (invalid) or `DA_UNFUNDED` (exhausted).
   */
  async admit(
    header: BlobHeader,
    authorization: Uint8Array,
    at: { head: DaBlock; parameters: DaParameters; memberCount: number },
  ): Promise<() => void> {
    const { head, parameters, memberCount } = at;
    const fault = headerFault(header, memberCount);
    if (fault) throw refuse(fault);
    const latest = head.timestamp + parameters.retentionSeconds;
    // Our head may be a block behind the sender's: one block of grace, the contract has the last word.
    const grace = 15;
    if (header.expiry > latest + grace || header.expiry < latest - parameters.slackSeconds)
      throw refuse('expiry', { earliest: latest - parameters.slackSeconds, latest });
    const signer = await this.#signerOf(header, authorization);
    const { reader } = this.#deps;
    const { account, nonce } = header;
    // Asked together, they travel in one request.
    const [until, isSpent, funds, pricePerByteSecond] = await Promise.all([
      signer === account ? Number.POSITIVE_INFINITY : reader.sessionKeyUntil(account, signer),
      reader.isNonceSpent(account, nonce),
      reader.account(account),
      reader.pricePerByteSecond(),
    ]);
    if (until < head.timestamp) throw refuse('authorization', { signer });
    if (isSpent) throw refuse('nonce');
    return this.#reserveFunds(header, { head, parameters, funds, pricePerByteSecond });
  }

  /** Who signed the header. */
  async #signerOf(header: BlobHeader, authorization: Uint8Array): Promise<Address> {
    if (authorization.length !== SIGNATURE_BYTES) throw refuse('authorization');
    const signature = toHex(authorization);
    if (hexToBigInt(slice(signature, 32, 64)) > HALF_ORDER) throw refuse('authorization');
    const hash = authorizationDigest(this.#deps.entrance, header);
    try {
      return parseAddress(await recoverAddress({ hash, signature }));
    } catch {
      throw refuse('authorization');
    }
  }

  /** Waits for nothing, so that of two headers that one balance pays for only one gets in. */
  #reserveFunds(
    header: BlobHeader,
    at: {
      head: DaBlock;
      parameters: DaParameters;
      funds: Awaited<ReturnType<DaReader['account']>>;
      pricePerByteSecond: bigint;
    },
  ): () => void {
    const { head, parameters, funds, pricePerByteSecond } = at;
    const { retentionSeconds } = parameters;
    const { index } = this.#deps;
    const fee = blobFee(header, { retentionSeconds, pricePerByteSecond });
    if (fee > header.maxFee) throw refuse('maxFee', { fee: fee.toString() });
    const doublings = Math.min(
      DOUBLINGS_MAX,
      Math.max(
        0,
        index.lapses(header.account, epochAt(parameters, head.number) ?? 0) - LAPSES_FREE,
      ),
    );
    const arriving = this.#arriving.get(header.account) ?? 0n;
    const free = funds.balanceWei - funds.pendingWei - index.pendingFees(header.account) - arriving;
    const needed = header.maxFee << BigInt(doublings);
    if (free >= needed) {
      this.#arriving.set(header.account, arriving + header.maxFee);
      return () => this.#release(header);
    }
    throw new CodedError({
      code: 'DA_UNFUNDED',
      kind: 'exhausted',
      message: `account ${header.account} cannot pay for this blob`,
      hint: 'deposit into DAEntrance, or wait until earlier blobs are confirmed',
      details: { account: header.account, free: free.toString(), needed: needed.toString() },
    });
  }

  #release({ account, maxFee }: BlobHeader): void {
    const left = (this.#arriving.get(account) ?? 0n) - maxFee;
    if (left > 0n) this.#arriving.set(account, left);
    else this.#arriving.delete(account);
  }
}
