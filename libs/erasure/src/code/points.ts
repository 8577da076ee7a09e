/*
 * Where the rows of a code lie on the line of field elements (spec/da-encoding.md section 5, design/kernel-notes.md section
 * 6). With K data rows, N parity rows, c = nextPowerOfTwo(K), m = nextPowerOfTwo(N):
 *
 *     natural        data row i at point i,      parity row j at point c + j;   points K .. c-1 are zero rows
 *     leopard-high   parity row j at point j,    data row i at point m + i;     points m+K .. are zero rows
 *     vandermonde    data row i at point i,      parity row j at point K + j    GF(2^8), points in the polynomial basis
 *
 * Natural costs less where parity outweighs data, leopard-high (catid/leopard, klauspost, rsema1d) where data outweighs
 * parity; they give the same bytes when both counts are the same power of two. Vandermonde is the classic systematic code of
 * Backblaze, klauspost (default) and reed-solomon-erasure.
 */
import { assert, nextPowerOfTwo } from '@cairn/base';
import type { GaloisBasis, GaloisField } from '@cairn/kernels';

export type RsLayout = 'natural' | 'leopard-high' | 'vandermonde';

export type RsShape = {
  /** Bits of a symbol: 8 up to 256 points, 16 (rows are planar 64-byte blocks) up to 65,536. */
  field: GaloisField;
  layout: RsLayout;
  dataRows: number;
  parityRows: number;
};

/** A shape laid out. */
export type RsPoints = {
  basis: GaloisBasis;
  /** Rows of one transform: c, or m for leopard-high. */
  blockRows: number;
  /** Points of the whole code word, a power of two: those of rows, of zero rows, and of rows that do not exist. */
  span: number;
  /** Points [start, end) that are known to hold zeros. */
  zeros: { start: number; end: number };
  firstData: number;
  firstParity: number;
};

/** Lays out a shape; asserts that it fits its field. */
export function layOut({ field, layout, dataRows, parityRows }: RsShape): RsPoints {
  for (const count of [dataRows, parityRows])
    assert(Number.isInteger(count) && count >= 1, 'a code has data rows and parity rows');
  assert(layout !== 'vandermonde' || field === 8, 'a Vandermonde code is over GF(2^8)');
  const blockRows = nextPowerOfTwo(layout === 'leopard-high' ? parityRows : dataRows);
  const firstData = layout === 'leopard-high' ? blockRows : 0;
  const firstParity = { natural: blockRows, 'leopard-high': 0, vandermonde: dataRows }[layout];
  const span = nextPowerOfTwo(Math.max(firstData + dataRows, firstParity + parityRows));
  const end = { natural: blockRows, 'leopard-high': span, vandermonde: dataRows }[layout];
  assert(span <= 1 << field, 'the code has more points than its field');
  return {
    basis: layout === 'vandermonde' ? 'polynomial' : 'cantor',
    blockRows,
    span,
    zeros: { start: firstData + dataRows, end },
    firstData,
    firstParity,
  };
}

/** Point of row `index` (data rows first). */
export function pointOf({ dataRows }: RsShape, points: RsPoints, index: number): number {
  return index < dataRows ? points.firstData + index : points.firstParity + index - dataRows;
}
