/* What the chain says of certificates: the rollup's verifier where the settings name one, else the entrance that it asks itself. */
import type { DaReader, RollupVerifierReader } from '@cairn/chain/da';
import { type Domain, type RollupCertificate, rollupLookup } from '@cairn/quorum';

export const VERDICT = { confirmed: 1, undecided: 2 } as const;

/** Verdict on a certificate, given with its bytes. */
export type Verdicts = (bytes: Uint8Array, certificate: RollupCertificate) => Promise<number>;

export function verdictsOf(
  reader: Pick<DaReader, 'checkCertificate'>,
  entrance: Domain,
  verifier: RollupVerifierReader | undefined,
): Verdicts {
  return (bytes, certificate) =>
    verifier
      ? verifier.checkCertificate(bytes)
      : reader.checkCertificate(rollupLookup(entrance, certificate));
}
