import { CodedError } from '@cairn/base';

/**
 * Why bytes of a stranger were refused; all of kind `invalid` but `ERASURE_TOO_FEW_ROWS` and `ERASURE_UNPROVEN` (`not_ready`: more may come).
 * Codes about one row carry its number as `details.index`.
 */
export type ErasureErrorCode =
  /** A blob version, shape, length or row size that does not exist. */
  | 'ERASURE_FORMAT'
  /** A payload of no bytes, or of more than the shape holds. */
  | 'ERASURE_PAYLOAD'
  /** Rows that are not the frame of a payload (version, length, padding). */
  | 'ERASURE_FRAME'
  /** A row that does not exist, is there twice, or is not the one asked for. */
  | 'ERASURE_ROW_INDEX'
  | 'ERASURE_ROW_LENGTH'
  /** A Merkle path or multiproof of the wrong length. */
  | 'ERASURE_PROOF_LENGTH'
  /** A row whose path does not lead to the row root. */
  | 'ERASURE_ROW_PATH'
  /** Rows that all match the commitment, with siblings that do not. */
  | 'ERASURE_MULTIPROOF'
  | 'ERASURE_RLC_LENGTH'
  /** Row root and linear combinations that do not hash to the commitment. */
  | 'ERASURE_COMMITMENT'
  /** A row whose linear combination is not the code word's: the encoder cheated, or the row was changed. */
  | 'ERASURE_ROW_RLC'
  | 'ERASURE_TOO_FEW_ROWS'
  /** Rebuilt segments whose place in their file cannot be proven yet (`not_ready`): hashes around them are not known. */
  | 'ERASURE_UNPROVEN'
  /** Rebuilt segments that are not the file's, from fragments that all match their files: the parity is of something else. */
  | 'ERASURE_PARITY'
  /** Tags of a parity submission that nobody of ours would write. */
  | 'ERASURE_DESCRIPTOR';

/** An error of this package. */
export function erasureError(
  code: ErasureErrorCode,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
): CodedError {
  const isEarly = code === 'ERASURE_TOO_FEW_ROWS' || code === 'ERASURE_UNPROVEN';
  const kind = isEarly ? 'not_ready' : 'invalid';
  return new CodedError({ code, kind, message, details });
}
