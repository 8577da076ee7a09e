/*
 * Pieces of segments: aligned runs of 2^height sectors, with proofs to the file root (libs/merkle/src/sub-segment.ts).
 *
 *   request  | u64 txSeq | 32 B root | u8 count | count × ( u32 index | u8 height | u16 position ) |
 *   answer   per piece, in order: | u8 isPresent | u8 inner | u8 outer | inner × 32 B | outer × 32 B | 2^height × 256 B |
 *
 * A piece that the peer does not hold is the single byte 0. `inner` siblings lead to the segment's root, `outer` ones on to
 * the file's.
 */
import type { DataRoot } from '@cairn/base';
import { BYTES_PER_SECTOR, BYTES_PER_SEGMENT } from '@cairn/protocol';
import { malformed } from '../errors.ts';
import { ByteReader, ByteWriter } from './bytes.ts';

/** Most pieces one request asks for. */
export const PIECES_PER_REQUEST_MAX = 64;
/** Most bytes of data one answer carries. */
export const PIECES_DATA_BYTES_MAX: number = 4 * BYTES_PER_SEGMENT;
export const PIECES_REQUEST_BYTES_MAX: number = 41 + 7 * PIECES_PER_REQUEST_MAX;
export const PIECES_ANSWER_BYTES_MAX: number =
  PIECES_DATA_BYTES_MAX + PIECES_PER_REQUEST_MAX * (3 + 32 * (10 + 64));
const HEIGHT_MAX = 10;

/** Sectors [position × 2^height, (position + 1) × 2^height) of segment `index`. */
export type PieceAddress = { index: number; height: number; position: number };
export type PiecesRequest = { txSeq: number; root: DataRoot; pieces: readonly PieceAddress[] };
export type Piece = { inner: Uint8Array; outer: Uint8Array; data: Uint8Array };

const dataBytes = ({ height }: PieceAddress): number => 2 ** height * BYTES_PER_SECTOR;

export function encodePiecesRequest({ txSeq, root, pieces }: PiecesRequest): Uint8Array {
  const writer = new ByteWriter(41 + 7 * pieces.length).u64(txSeq).hash32(root).u8(pieces.length);
  for (const { index, height, position } of pieces) writer.u32(index).u8(height).u16(position);
  return writer.done();
}

export function decodePiecesRequest(bytes: Uint8Array): PiecesRequest {
  const reader = new ByteReader(bytes);
  const txSeq = reader.u64();
  const root = reader.hash32() as DataRoot;
  const count = reader.u8();
  if (count === 0 || count > PIECES_PER_REQUEST_MAX)
    throw malformed(`a request for ${count} pieces`);
  const pieces = Array.from({ length: count }, () => ({
    index: reader.u32(),
    height: reader.u8(),
    position: reader.u16(),
  }));
  reader.end();
  let total = 0;
  for (const piece of pieces) {
    if (piece.height > HEIGHT_MAX || (piece.position + 1) * 2 ** piece.height > 2 ** HEIGHT_MAX)
      throw malformed('a piece outside its segment');
    total += dataBytes(piece);
  }
  if (total > PIECES_DATA_BYTES_MAX) throw malformed('a request for too many bytes');
  return { txSeq, root, pieces };
}

/** Parts of the answer in order; `undefined` for a piece that is not held. */
export function encodePiecesAnswer(pieces: readonly (Piece | undefined)[]): Uint8Array[] {
  return pieces.flatMap((piece) =>
    piece
      ? [
          Uint8Array.of(1, piece.inner.length / 32, piece.outer.length / 32),
          piece.inner,
          piece.outer,
          piece.data,
        ]
      : [Uint8Array.of(0)],
  );
}

/** Views into `bytes`. Throws `P2P_MALFORMED`. */
export function decodePiecesAnswer(
  bytes: Uint8Array,
  request: PiecesRequest,
): (Piece | undefined)[] {
  const reader = new ByteReader(bytes);
  const pieces = request.pieces.map((address): Piece | undefined => {
    const flag = reader.u8();
    if (flag === 0) return undefined;
    if (flag !== 1) throw malformed('a flag that is neither 0 nor 1');
    const [inner, outer] = [reader.u8(), reader.u8()];
    if (inner > HEIGHT_MAX || outer > 64) throw malformed('a proof that is too long');
    return {
      inner: reader.bytes(32 * inner),
      outer: reader.bytes(32 * outer),
      data: reader.bytes(dataBytes(address)),
    };
  });
  reader.end();
  return pieces;
}
