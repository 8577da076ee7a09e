// Proofs that a segment belongs to a file. The verifier computes depth and sides from (size, index) itself; nothing that
// the prover says about positions is believed. Source: spec/storage-protocol.md 2.5, spec/storage-rpc.md section 2.
import { bytesToHash32, CodedError, type DataRoot, equalBytes, hexToBytes } from '@cairn/base';
import type { Kernels } from '@cairn/kernels';
import type { FileProof } from '@cairn/protocol';
import { type Step, sectorCount, segmentCounts, segmentSteps } from './shape.ts';
import { hashPair, zeroTree } from './zero.ts';

/** Why a proof was refused. */
export type MerkleErrorCode =
  | 'MERKLE_PROOF_LENGTH'
  | 'MERKLE_PROOF_POSITION'
  | 'MERKLE_PROOF_LEAF'
  | 'MERKLE_PROOF_ROOT'
  | 'MERKLE_PROOF_FOLD'
  | 'MERKLE_PROOF_PADDING';

function refuse(
  code: MerkleErrorCode,
  message: string,
  details: Record<string, unknown>,
): CodedError {
  return new CodedError({ code, kind: 'invalid', message, details });
}

/** Steps to the root, for an index that comes from somebody else. Throws `MERKLE_PROOF_POSITION`. */
function stepsOf(size: number, index: number): Step[] {
  const { padded } = segmentCounts(size);
  if (!Number.isInteger(index) || index < 0 || index >= padded) {
    throw refuse('MERKLE_PROOF_POSITION', `the file has no segment ${index}`, { index, padded });
  }
  return segmentSteps(size, index);
}

/**
 * Checks that `segmentRoot` is segment `index` of the file `root` of `size` bytes.
 * Throws `MERKLE_PROOF_POSITION` (no such segment), `MERKLE_PROOF_LENGTH`, `MERKLE_PROOF_PADDING` (a sibling that covers
 * only padding is not the zero tree) or `MERKLE_PROOF_FOLD`. About log2(segments) hashes.
 */
export function verifySegmentSiblings(
  kernels: Kernels,
  input: {
    root: Uint8Array;
    size: number;
    index: number;
    segmentRoot: Uint8Array;
    siblings: Uint8Array;
  },
): void {
  const steps = stepsOf(input.size, input.index);
  if (input.siblings.length !== 32 * steps.length) {
    throw refuse('MERKLE_PROOF_LENGTH', `proof of segment ${input.index} has a wrong length`, {
      expected: steps.length,
      actual: input.siblings.length / 32,
    });
  }
  const realSectors = sectorCount(input.size);
  let hash = input.segmentRoot;
  for (const [i, step] of steps.entries()) {
    const sibling = input.siblings.subarray(32 * i, 32 * i + 32);
    if (
      step.start >= realSectors &&
      !equalBytes(sibling, zeroTree(kernels, step.end - step.start))
    ) {
      throw refuse('MERKLE_PROOF_PADDING', 'padding of the file is not zero', {
        index: input.index,
      });
    }
    hash = step.isRightSibling
      ? hashPair(kernels, hash, sibling)
      : hashPair(kernels, sibling, hash);
  }
  if (!equalBytes(hash, input.root)) {
    throw refuse(
      'MERKLE_PROOF_FOLD',
      `proof of segment ${input.index} does not lead to the file root`,
      {
        index: input.index,
        expected: bytesToHash32(input.root),
        actual: bytesToHash32(hash),
      },
    );
  }
}

/**
 * The sibling bytes of a JSON proof, after checking its form: lengths, sides, leaf and root ends.
 * Throws `MERKLE_PROOF_LENGTH`, `_POSITION`, `_LEAF` or `_ROOT`. `verifySegmentSiblings` must still fold it.
 */
export function proofToSiblings(
  proof: FileProof,
  input: { size: number; index: number; root: DataRoot; segmentRoot: Uint8Array },
): Uint8Array {
  const { lemma, path } = proof;
  const single = path.length === 0;
  if (lemma.length !== (single ? 1 : path.length + 2)) {
    throw refuse('MERKLE_PROOF_LENGTH', 'invalid proof', {
      lemma: lemma.length,
      path: path.length,
    });
  }
  const steps = stepsOf(input.size, input.index);
  if (steps.length !== path.length || steps.some((step, i) => step.isRightSibling !== path[i])) {
    throw refuse('MERKLE_PROOF_POSITION', `proof is not for segment ${input.index}`, {
      index: input.index,
    });
  }
  if (lemma[0] !== bytesToHash32(input.segmentRoot)) {
    throw refuse('MERKLE_PROOF_LEAF', 'segment does not hash to the leaf of its proof', {
      expected: lemma[0],
      actual: bytesToHash32(input.segmentRoot),
    });
  }
  if (lemma[lemma.length - 1] !== input.root) {
    throw refuse('MERKLE_PROOF_ROOT', 'proof is for another file', {
      expected: input.root,
      actual: lemma[lemma.length - 1],
    });
  }
  const siblings = new Uint8Array(32 * path.length);
  for (let i = 0; i < path.length; i++) {
    const sibling = hexToBytes(lemma[i + 1]!);
    if (sibling.length !== 32) {
      throw refuse('MERKLE_PROOF_LENGTH', 'a hash of the proof is not 32 bytes', { at: i + 1 });
    }
    siblings.set(sibling, 32 * i);
  }
  return siblings;
}

/** JSON proof from sibling bytes; the inverse of `proofToSiblings`. */
export function siblingsToProof(input: {
  size: number;
  index: number;
  segmentRoot: Uint8Array;
  siblings: Uint8Array;
  root: DataRoot;
}): FileProof {
  const steps = segmentSteps(input.size, input.index);
  if (steps.length === 0) return { lemma: [input.root], path: [] };
  return {
    lemma: [
      bytesToHash32(input.segmentRoot),
      ...steps.map((_, i) => bytesToHash32(input.siblings.subarray(32 * i, 32 * i + 32))),
      input.root,
    ],
    path: steps.map((step) => step.isRightSibling),
  };
}
