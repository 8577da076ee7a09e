import { CodedError } from '@cairn/base';

/**
 * Why an answer, a range or a seal was refused. Each names one check of `PoraMine.submit`; the contract's error of the same
 * check is in the comment, so that a refusal here and a revert there can be compared.
 */
export type PoraErrorCode =
  | 'PORA_MINER_ID' // InvalidMinerId
  | 'PORA_CONTEXT' // ContextMismatch
  | 'PORA_CONTEXT_EMPTY' // EmptyContext
  | 'PORA_SUBTASK_EARLY' // SubtaskNotStarted
  | 'PORA_SUBTASK_LATE' // SubtaskEnded
  | 'PORA_RANGE_EMPTY' // RangeEmpty
  | 'PORA_RANGE_ALIGNMENT' // RangeNotAligned
  | 'PORA_RANGE_OVERFLOW' // RangeOverflow
  | 'PORA_RANGE_LONG' // RangeTooLong
  | 'PORA_RANGE_SHORT' // RangeTooShort
  | 'PORA_SHARD_MASK' // ShardIdMasked
  | 'PORA_SHARD_COUNT' // TooManyShards
  | 'PORA_SEAL_OFFSET' // SealOffsetOutOfRange
  | 'PORA_SEAL_CONTEXT' // SealContextMismatch
  | 'PORA_SEAL_BYTES' // no counterpart: the ABI fixes the length
  | 'PORA_RECALL_BOUND' // RecallOutOfRange
  | 'PORA_RECALL_POSITION' // RecallPositionMismatch
  | 'PORA_PROOF_LENGTH' // ProofLength
  | 'PORA_PROOF_ROOT' // FlowRootMismatch
  | 'PORA_QUALITY'; // QualityNotReached

/** An error of kind `invalid` with the values of the failed check. */
export function refusal(
  code: PoraErrorCode,
  message: string,
  details: Record<string, unknown> = {},
): CodedError {
  return new CodedError({ code, kind: 'invalid', message, details });
}
