/*
 * Headers of the blobs that the disperser pays for itself: which epoch and quorum, until when, for how much. A header is used
 * again as long as members and contract would still take it, so that a try after a failure finds the rows where they are.
 */
import { bytesToHash32, CodedError } from '@cairn/base';
import type { DaEpoch, DaParameters, DaReader } from '@cairn/chain/da';
import type { EncodedBlob } from '@cairn/erasure';
import { BLOB_VERSION, type BlobHeader, blobFee, quorumOfBlob } from '@cairn/quorum';
import type { Payer } from './payer.ts';

export type HeaderMakerDeps = {
  reader: Pick<DaReader, 'head' | 'parameters' | 'serving' | 'pricePerByteSecond'>;
  payer: Pick<Payer, 'address' | 'nonce'>;
};
/** What a header follows from: the epoch that serves, the time of the newest block (Unix seconds), the price. */
export type Moment = {
  epoch: DaEpoch;
  parameters: DaParameters;
  timestamp: number;
  pricePerByteSecond: bigint;
};

/** Blobs whose headers fall into the same span share an expiry, so that they fit one batch. */
const EXPIRY_STEP_SECONDS = 10;
/** Left of the slack when a header is used again: rows, signatures and a block have to fit in. */
const MARGIN_SECONDS = 30;

export class HeaderMaker {
  readonly #deps: HeaderMakerDeps;

  constructor(deps: HeaderMakerDeps) {
    this.#deps = deps;
  }

  /** Throws `DISPERSER_NO_QUORUM` (unavailable). */
  async moment(): Promise<Moment> {
    const { reader } = this.#deps;
    const [head, parameters, pricePerByteSecond] = await Promise.all([
      reader.head(),
      reader.parameters(),
      reader.pricePerByteSecond(),
    ]);
    const epoch = await reader.serving(head.number);
    if (!epoch?.quorums.some(({ isOpen }) => isOpen))
      throw new CodedError({
        code: 'DISPERSER_NO_QUORUM',
        kind: 'unavailable',
        message: 'no quorum serves now',
        hint: 'operators must reveal in the window before an epoch begins',
      });
    return { epoch, parameters, timestamp: head.timestamp, pricePerByteSecond };
  }

  /** Whether members and contract would still take a header made earlier. */
  isGood(header: BlobHeader, moment: Moment): boolean {
    const { epoch, parameters, timestamp } = moment;
    const earliest = timestamp + parameters.retentionSeconds - parameters.slackSeconds;
    return (
      header.epoch === epoch.epoch &&
      header.expiry >= earliest + Math.min(MARGIN_SECONDS, parameters.slackSeconds / 2) &&
      header.maxFee >= blobFee(header, { ...parameters, ...moment })
    );
  }

  /** A header for an encoded blob. The nonce draws the quorum among the open ones; any of them is as good. */
  make(
    blob: { encoded: EncodedBlob; length: number },
    moment: Moment,
    nonce: bigint = this.#deps.payer.nonce(),
  ): BlobHeader {
    const { encoded, length } = blob;
    const { epoch, parameters, timestamp } = moment;
    const account = this.#deps.payer.address;
    const commitment = bytesToHash32(encoded.commitment);
    const shape = encoded.format.shape.id;
    const rowSize = encoded.format.rowBytes;
    const open = epoch.quorums.filter(({ isOpen }) => isOpen).map(({ quorum }) => quorum);
    const latest = timestamp + parameters.retentionSeconds;
    return {
      version: BLOB_VERSION,
      shape,
      length,
      rowSize,
      commitment,
      account,
      disperser: account,
      nonce,
      epoch: epoch.epoch,
      quorum: quorumOfBlob(open, { seed: epoch.seed, commitment, account, nonce }),
      expiry: Math.floor(latest / EXPIRY_STEP_SECONDS) * EXPIRY_STEP_SECONDS,
      maxFee: blobFee({ shape, rowSize }, { ...parameters, ...moment }),
    };
  }
}
