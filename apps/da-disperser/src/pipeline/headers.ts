/*
 * Headers of the blobs that go through this disperser, and whether one that was made earlier can be used again: as long as members
 * and contract would still take it, so that a try after a failure finds the rows where they are.
 */
import type { Address } from '@cairn/base';
import type { DaReader } from '@cairn/chain/da';
import type { EncodedBlob } from '@cairn/erasure';
import { type BlobHeader, blobFee } from '@cairn/quorum';
import { type DaMoment, daMoment, makeHeader } from '@cairn/sdk/da';
import type { Payer } from './payer.ts';

export type HeaderMakerDeps = {
  reader: Pick<DaReader, 'head' | 'parameters' | 'serving' | 'pricePerByteSecond'>;
  payer: Pick<Payer, 'address' | 'nonce'>;
};
export type { DaMoment as Moment } from '@cairn/sdk/da';

/** Left of the slack when a header is used again: rows, signatures and a block have to fit in. */
const MARGIN_SECONDS = 30;

export class HeaderMaker {
  readonly #deps: HeaderMakerDeps;

  constructor(deps: HeaderMakerDeps) {
    this.#deps = deps;
  }

  /** Throws `SDK_DA_NO_QUORUM` (unavailable). */
  moment(): Promise<DaMoment> {
    return daMoment(this.#deps.reader);
  }

  /** Whether members and contract would still take a header made earlier. */
  isGood(header: BlobHeader, moment: DaMoment): boolean {
    const { epoch, parameters, timestamp } = moment;
    const earliest = timestamp + parameters.retentionSeconds - parameters.slackSeconds;
    return (
      header.epoch === epoch.epoch &&
      header.expiry >= earliest + Math.min(MARGIN_SECONDS, parameters.slackSeconds / 2) &&
      header.maxFee >= blobFee(header, { ...parameters, ...moment })
    );
  }

  /** A header for an encoded blob. `account` pays, the disperser itself by default; it gets the relay's part of the fee. */
  make(
    blob: { encoded: EncodedBlob; length: number },
    moment: DaMoment,
    options: { nonce?: bigint | undefined; account?: Address | undefined } = {},
  ): BlobHeader {
    const { payer } = this.#deps;
    const { nonce = payer.nonce(), account = payer.address } = options;
    return makeHeader(blob, { account, disperser: payer.address, nonce }, moment);
  }
}
