/*
 * Proofs of a piece of a segment: an aligned run of 2^height sectors. The proof has two parts, the siblings from the piece
 * up to the segment's root and the siblings of the segment in the file (`verifySegmentSiblings`). A piece is always a node of
 * the segment's left-heavy tree, because the tree's halves begin at multiples of their size.
 *
 * Proving hashes the whole segment (the flow tree keeps nothing below segments): about a millisecond. Verifying hashes the
 * piece and height(segment) - height(piece) pairs.
 */
import { assert, CodedError, nextPowerOfTwo } from '@cairn/base';
import type { Kernels } from '@cairn/kernels';
import { BYTES_PER_SECTOR } from '@cairn/protocol';
import { pieces } from './shape.ts';
import { foldRight, hashPair, zeroHash } from './zero.ts';

/** Sectors [position × 2^height, (position + 1) × 2^height) of a segment. */
export type SubSegment = { height: number; position: number };

type InnerStep = { isRightSibling: boolean; start: number; end: number };

/** True when the piece lies within the `sectors` that hold bytes of the file. */
export function isSubSegmentOf(piece: SubSegment, sectors: number): boolean {
  return (
    Number.isInteger(piece.height) &&
    Number.isInteger(piece.position) &&
    piece.height >= 0 &&
    piece.height <= 10 &&
    piece.position >= 0 &&
    (piece.position + 1) * 2 ** piece.height <= sectors
  );
}

/** Steps from the piece to the root of a segment of `leafCount` leaves, bottom-up. */
function innerSteps(piece: SubSegment, leafCount: number): InnerStep[] {
  const start = piece.position * 2 ** piece.height;
  const end = start + 2 ** piece.height;
  const steps: InnerStep[] = [];
  let [from, to] = [0, leafCount];
  while (to - from > end - start) {
    const middle = from + nextPowerOfTwo(to - from) / 2;
    if (end <= middle) {
      steps.push({ isRightSibling: true, start: middle, end: to });
      to = middle;
    } else {
      steps.push({ isRightSibling: false, start: from, end: middle });
      from = middle;
    }
  }
  assert(from === start && to === end, 'an aligned piece is a node of its segment');
  return steps.reverse();
}

/**
 * Siblings of a piece inside its segment, bottom-up, 32 bytes each; a new array. `data` is the whole segment as stored
 * (whole sectors, unpadded), `leafCount` what `segmentLeafCount` says.
 */
export function subSegmentSiblings(
  kernels: Kernels,
  input: { data: Uint8Array; leafCount: number; piece: SubSegment },
): Uint8Array {
  const { data, leafCount, piece } = input;
  const sectors = data.length / BYTES_PER_SECTOR;
  assert(isSubSegmentOf(piece, sectors), 'the piece lies in the segment');
  const leaves = kernels.keccak256Many(data, BYTES_PER_SECTOR);
  const perfect = (from: number, height: number): Uint8Array => {
    if (from >= sectors) return zeroHash(height);
    if (height === 0) return leaves.subarray(32 * from, 32 * from + 32);
    const half = 2 ** (height - 1);
    return hashPair(kernels, perfect(from, height - 1), perfect(from + half, height - 1));
  };
  const steps = innerSteps(piece, leafCount);
  const out = new Uint8Array(32 * steps.length);
  for (const [i, { start, end }] of steps.entries()) {
    const nodes = pieces(start, end).map((node) => perfect(node.start, node.height));
    out.set(foldRight(kernels, nodes), 32 * i);
  }
  return out;
}

/**
 * Root of the segment that the piece and its siblings lead to; the caller proves it against the file with
 * `verifySegmentSiblings`. Throws `MERKLE_PROOF_LENGTH` or `MERKLE_PROOF_POSITION`.
 */
export function segmentRootFromPiece(
  kernels: Kernels,
  input: { data: Uint8Array; leafCount: number; piece: SubSegment; siblings: Uint8Array },
): Uint8Array {
  const { data, leafCount, piece, siblings } = input;
  if (!isSubSegmentOf(piece, leafCount) || data.length !== 2 ** piece.height * BYTES_PER_SECTOR) {
    throw new CodedError({
      code: 'MERKLE_PROOF_POSITION',
      kind: 'invalid',
      message: 'the piece does not lie in its segment',
      details: { ...piece, leafCount, bytes: data.length },
    });
  }
  const steps = innerSteps(piece, leafCount);
  if (siblings.length !== 32 * steps.length) {
    throw new CodedError({
      code: 'MERKLE_PROOF_LENGTH',
      kind: 'invalid',
      message: 'the proof of a piece has a wrong length',
      details: { expected: steps.length, actual: siblings.length / 32 },
    });
  }
  let level = kernels.keccak256Many(data, BYTES_PER_SECTOR);
  while (level.length > 32) level = kernels.hashPairs(level);
  let hash = level;
  for (const [i, step] of steps.entries()) {
    const sibling = siblings.subarray(32 * i, 32 * i + 32);
    hash = step.isRightSibling
      ? hashPair(kernels, hash, sibling)
      : hashPair(kernels, sibling, hash);
  }
  return hash;
}
