// The checks on one segment, in the order and with the texts of spec/storage-rpc.md sections 4.5 and 5.
import { CodedError, type DataRoot, hexToBytes } from '@cairn/base';
import type { Kernels } from '@cairn/kernels';
import {
  proofToSiblings,
  segmentCounts,
  segmentDataBytes,
  verifySegmentSiblings,
} from '@cairn/merkle';
import {
  BYTES_PER_SECTOR,
  type FileProof,
  RPC_TEXT,
  UNKNOWN_FILE_BYTES_MAX,
} from '@cairn/protocol';
import { internalError, invalidParams, serverError } from '@cairn/rpc';
import { STATE, type StoredSubmission } from '../store/submission-table.ts';

/** A segment as it arrived; the proof in whichever form the route carries. */
export type IncomingSegment = {
  root: DataRoot;
  fileSize: number;
  index: number;
  data: Uint8Array;
  proof: { kind: 'json'; proof: FileProof } | { kind: 'siblings'; siblings: Uint8Array };
};

/** Step 1: whole, non-empty sectors. */
export function checkSectors(data: Uint8Array): void {
  if (data.length === 0) throw serverError(RPC_TEXT.dataEmpty);
  if (data.length % BYTES_PER_SECTOR !== 0) throw serverError(RPC_TEXT.invalidDataLength);
}

/** Steps 2 and 3: what the log says about the file. `entry` is undefined while it is not synced. */
export function checkEntry(
  segment: IncomingSegment,
  entry: StoredSubmission | undefined,
  isCached: boolean,
): 'write' | 'cache' {
  if (!entry) {
    if (!isCached && segment.fileSize > UNKNOWN_FILE_BYTES_MAX)
      throw invalidParams('file_size', RPC_TEXT.largeUnknown);
    return 'cache';
  }
  if (entry.root !== segment.root) throw internalError(RPC_TEXT.rootSeqMismatch);
  if (entry.size !== segment.fileSize) throw invalidParams('file_size', RPC_TEXT.sizeMismatch);
  if (isCached) return 'cache';
  if (entry.state === STATE.finalized) throw invalidParams('root', RPC_TEXT.alreadyFinalized);
  if (entry.state === STATE.pruned) throw invalidParams('root', RPC_TEXT.alreadyPruned);
  return 'write';
}

/** Step 4, before hashing: size, index, length. */
export function checkShape(segment: IncomingSegment): void {
  if (segment.fileSize === 0) throw invalidParams('file_size', RPC_TEXT.fileEmpty);
  if (segment.index >= segmentCounts(segment.fileSize).real)
    throw invalidParams('index', RPC_TEXT.indexOutOfBound);
  if (segment.data.length !== segmentDataBytes(segment.fileSize, segment.index)) {
    throw invalidParams('data', RPC_TEXT.invalidDataLength);
  }
}

/** Step 4, after hashing: the proof. Returns the sibling bytes. */
export function checkProof(
  kernels: Kernels,
  segment: IncomingSegment,
  segmentRoot: Uint8Array,
): Uint8Array {
  const { root, fileSize: size, index, proof } = segment;
  try {
    const siblings =
      proof.kind === 'siblings'
        ? proof.siblings
        : proofToSiblings(proof.proof, { size, index, root, segmentRoot });
    verifySegmentSiblings(kernels, { root: hexToBytes(root), size, index, segmentRoot, siblings });
    return siblings;
  } catch (error) {
    throw proofError(error, root);
  }
}

function proofError(error: unknown, root: string): unknown {
  if (!(error instanceof CodedError)) return error;
  const { expected, actual, index } = error.details as {
    expected?: string;
    actual?: string;
    index?: number;
  };
  switch (error.code) {
    case 'MERKLE_PROOF_LENGTH':
      return invalidParams('proof', 'invalid proof');
    case 'MERKLE_PROOF_POSITION':
      return serverError(`wrong position: expected ${index}`);
    case 'MERKLE_PROOF_LEAF':
      return serverError(`data hash mismatch: expected ${expected}, actual ${actual}`);
    case 'MERKLE_PROOF_ROOT':
      return serverError(`root mismatch, expected ${root}, actual ${actual}`);
    case 'MERKLE_PROOF_PADDING':
      return invalidParams('proof', 'invalid proof node value in the padding range');
    case 'MERKLE_PROOF_FOLD':
      return invalidParams('proof', 'validation failed');
    default:
      return error;
  }
}
