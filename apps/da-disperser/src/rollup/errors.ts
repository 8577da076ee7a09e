// What the rollup servers say no with. Each server turns these into its own statuses and phrases.
import { CodedError } from '@cairn/base';

/** Reasons for which an input must be dropped from a chain's derivation, as EigenDA's proxy numbers them. */
export const DROP = { malformed: 1, tooOld: 2, invalid: 3, undecodable: 4 } as const;
export type DropReason = (typeof DROP)[keyof typeof DROP];

/** The certificate is no good and never will be: derivation drops the input. `details.reason` says why. */
export function dropError(reason: DropReason, message: string): CodedError {
  return new CodedError({
    code: 'ROLLUP_CERTIFICATE',
    kind: 'invalid',
    message,
    details: { reason },
  });
}

/** The caller's request is wrong. */
export function badRequest(message: string): CodedError {
  return new CodedError({ code: 'ROLLUP_REQUEST', kind: 'invalid', message });
}

/** More bytes than one input may have. */
export function tooLarge(bytes: number, bytesMax: number): CodedError {
  return new CodedError({
    code: 'ROLLUP_TOO_LARGE',
    kind: 'invalid',
    message: `an input of ${bytes} bytes is larger than the ${bytesMax} taken here`,
    details: { bytes, bytesMax },
  });
}
