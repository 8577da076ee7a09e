import { CodedError, type ErrorDetails } from '@cairn/base';

/** What can be wrong with an input of this package; all of kind `invalid` except `QUORUM_NOT_OPEN` (`not_ready`). */
export type QuorumErrorCode =
  | 'QUORUM_VALUE'
  | 'QUORUM_POINT'
  | 'QUORUM_SIGNATURE'
  | 'QUORUM_HEADER'
  | 'QUORUM_BATCH'
  | 'QUORUM_CERTIFICATE'
  | 'QUORUM_WEIGHT'
  /** Bytes that are no rollup certificate of ours. */
  | 'QUORUM_ROLLUP'
  | 'QUORUM_NOT_OPEN';

export function quorumError(
  code: QuorumErrorCode,
  message: string,
  details: ErrorDetails = {},
  cause?: unknown,
): CodedError {
  return new CodedError({
    code,
    kind: code === 'QUORUM_NOT_OPEN' ? 'not_ready' : 'invalid',
    message,
    details,
    ...(cause === undefined ? {} : { cause }),
  });
}
