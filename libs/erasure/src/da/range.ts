/*
 * Proof of up to 32 bytes anywhere in a blob, from its commitment alone, as a fraud proof of a rollup asks for one word of what
 * it read (design/da-protocol.md section 3; contracts/src/libraries/RangeProof.sol is the twin). Bytes are those of the stream
 * of data rows behind the frame's header, whatever the frame says: certified rows fix every one of them, so a reader and the
 * contract cannot disagree, also about a blob whose frame is nonsense.
 *
 *     rlc root (32) | for each piece that the range touches: piece | path in its row | path of the row
 *
 * No lengths: they all follow from format and range. A range of 32 bytes touches one piece or two (a piece has 64 or more).
 */
import { assert, concatBytes } from '@cairn/base';
import type { Sha256Kernels } from '@cairn/kernels';
import { erasureError } from '../errors.ts';
import type { EncodedBlob } from './encode.ts';
import { type BlobFormat, FRAME_HEADER_BYTES, PIECE_BYTES, rowCountOf } from './format.ts';
import { checkPiece, pieceCountOf } from './piece.ts';
import type { PieceProof } from './proof.ts';
import { HASH_BYTES, pieceDepth } from './tree.ts';

/** Longest range one proof opens. */
export const RANGE_BYTES_MAX = 32;

/** Bytes [start, end) behind the frame's header. */
export type ByteRange = { start: number; end: number };

/** A piece that a range touches and which of its bytes belong to it. */
type Touched = {
  rowIndex: number;
  pieceIndex: number;
  pieceBytes: number;
  from: number;
  to: number;
};

function touchedPieces({ rowBytes, shape }: BlobFormat, { start, end }: ByteRange): Touched[] {
  assert(end > start && end - start <= RANGE_BYTES_MAX, 'a range of 1 to 32 bytes');
  assert(start >= 0 && FRAME_HEADER_BYTES + end <= shape.dataRows * rowBytes, 'within the rows');
  const out: Touched[] = [];
  const last = end + FRAME_HEADER_BYTES;
  for (let at = start + FRAME_HEADER_BYTES; at < last; ) {
    const inRow = at % rowBytes;
    const pieceIndex = Math.floor(inRow / PIECE_BYTES);
    const pieceStart = pieceIndex * PIECE_BYTES;
    const pieceBytes = Math.min(PIECE_BYTES, rowBytes - pieceStart);
    const from = inRow - pieceStart;
    const to = Math.min(pieceBytes, from + last - at);
    out.push({ rowIndex: Math.floor(at / rowBytes), pieceIndex, pieceBytes, from, to });
    at += to - from;
  }
  return out;
}

/** Proof of a range of an encoded blob of version 0x11; new bytes. */
export function proveRange(blob: EncodedBlob, range: ByteRange): Uint8Array {
  const proofs = touchedPieces(blob.format, range).map(({ rowIndex, pieceIndex }) =>
    blob.pieceProof(rowIndex, pieceIndex),
  );
  return concatBytes(
    blob.rlcRoot,
    ...proofs.flatMap(({ piece, piecePath, rowPath }) => [piece, piecePath, rowPath]),
  );
}

/**
 * Bytes of a range (new bytes) out of a stranger's proof. Throws `ERASURE_PROOF_LENGTH` or `ERASURE_COMMITMENT`.
 */
export function openRange(
  sha: Sha256Kernels,
  blob: { format: BlobFormat; commitment: Uint8Array },
  range: ByteRange,
  proof: Uint8Array,
): Uint8Array {
  const { format } = blob;
  const touched = touchedPieces(format, range);
  const rowPathBytes = Math.log2(rowCountOf(format.shape)) * HASH_BYTES;
  const pathBytes = ({ pieceIndex }: Touched): number =>
    pieceDepth(pieceIndex, pieceCountOf(format)) * HASH_BYTES;
  const expected = touched.reduce(
    (sum, piece) => sum + piece.pieceBytes + pathBytes(piece) + rowPathBytes,
    HASH_BYTES,
  );
  if (proof.length !== expected)
    throw erasureError('ERASURE_PROOF_LENGTH', `a proof of ${proof.length} bytes`, {
      expected,
      actual: proof.length,
    });
  let at = 0;
  const take = (bytes: number): Uint8Array => {
    at += bytes;
    return proof.subarray(at - bytes, at);
  };
  const rlcRoot = take(HASH_BYTES);
  const parts = touched.map((piece) => {
    const opened: PieceProof = {
      rowIndex: piece.rowIndex,
      pieceIndex: piece.pieceIndex,
      piece: take(piece.pieceBytes),
      piecePath: take(pathBytes(piece)),
      rowPath: take(rowPathBytes),
      rlcRoot,
    };
    checkPiece(sha, blob, opened);
    return opened.piece.subarray(piece.from, piece.to);
  });
  return concatBytes(...parts);
}
