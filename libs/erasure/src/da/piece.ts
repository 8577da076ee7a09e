// Proofs of single pieces, as a challenge is answered (design/da-protocol.md sections 3 and 6; the contract runs the same
// vectors).
import { assert, divCeil, equalBytes, log2Exact } from '@cairn/base';
import type { Sha256Kernels } from '@cairn/kernels';
import { erasureError } from '../errors.ts';
import { commitmentOf } from './commitment.ts';
import { type BlobFormat, rowCountOf, versionRules } from './format.ts';
import type { PieceProof } from './proof.ts';
import { foldPaths, foldPiece, HASH_BYTES, pieceDepth, piecePath } from './tree.ts';

function pieceBytesOf({ version }: BlobFormat): number {
  const { pieceBytes } = versionRules(version);
  assert(pieceBytes !== undefined, 'this version has no pieces');
  return pieceBytes;
}

/** Pieces of every row of a format. */
export function pieceCountOf(format: BlobFormat): number {
  return divCeil(format.rowBytes, pieceBytesOf(format));
}

/** A piece and its paths, from a row at hand. */
export function pieceProofOf(
  sha: Sha256Kernels,
  format: BlobFormat,
  from: {
    rowIndex: number;
    pieceIndex: number;
    row: Uint8Array;
    rowPath: Uint8Array;
    rlcRoot: Uint8Array;
  },
): PieceProof {
  const { rowIndex, pieceIndex, row, rowPath, rlcRoot } = from;
  const pieceBytes = pieceBytesOf(format);
  assert(row.length === format.rowBytes, 'a whole row');
  return {
    rowIndex,
    pieceIndex,
    piece: row.subarray(pieceIndex * pieceBytes, (pieceIndex + 1) * pieceBytes),
    piecePath: piecePath(sha, { row, pieceBytes }, pieceIndex),
    rowPath,
    rlcRoot,
  };
}

/**
 * Checks a stranger's answer against the commitment: exact lengths, sides from the numbers alone. Throws
 * `ERASURE_ROW_INDEX`, `ERASURE_ROW_LENGTH`, `ERASURE_PROOF_LENGTH` or `ERASURE_COMMITMENT`. It says that the piece is part
 * of what was committed to, not that the rows are a code word.
 */
export function checkPiece(
  sha: Sha256Kernels,
  { format, commitment }: { format: BlobFormat; commitment: Uint8Array },
  proof: PieceProof,
): void {
  const { rowIndex, pieceIndex, piece, piecePath: path, rowPath, rlcRoot } = proof;
  const details = { index: rowIndex, pieceIndex };
  const rowCount = rowCountOf(format.shape);
  const count = pieceCountOf(format);
  const isIndex = (value: number, end: number): boolean =>
    Number.isInteger(value) && value >= 0 && value < end;
  if (!isIndex(rowIndex, rowCount) || !isIndex(pieceIndex, count))
    throw erasureError('ERASURE_ROW_INDEX', `no piece ${pieceIndex} of row ${rowIndex}`, details);
  const pieceBytes = pieceBytesOf(format);
  const expected = Math.min(pieceBytes, format.rowBytes - pieceIndex * pieceBytes);
  if (piece.length !== expected) {
    const lengths = { ...details, expected, actual: piece.length };
    throw erasureError('ERASURE_ROW_LENGTH', `a piece of ${piece.length} bytes`, lengths);
  }
  const depth = log2Exact(rowCount);
  if (
    path.length !== pieceDepth(pieceIndex, count) * HASH_BYTES ||
    rowPath.length !== depth * HASH_BYTES ||
    rlcRoot.length !== HASH_BYTES
  )
    throw erasureError('ERASURE_PROOF_LENGTH', 'a path of the wrong length', details);
  const rules = versionRules(format.version);
  const leaves = foldPiece(sha, { piece, path, index: pieceIndex, count });
  const rowRoot = foldPaths(sha, rules, { indices: [rowIndex], leaves, paths: rowPath, depth });
  if (!equalBytes(commitmentOf(sha, format, { rowRoot, rlcRoot }), commitment))
    throw erasureError('ERASURE_COMMITMENT', 'the piece is not of this commitment', details);
}
