/*
 * Systematic Reed-Solomon code over rows: any `dataRows` of the `dataRows + parityRows` rows give all of them.
 *
 * Method: additive FFT over blocks of points (O(n log n) row operations; spec/da-encoding.md sections 3, 5 and 12), or a
 * plain matrix where the code or the loss is small, whichever takes fewer multiplications. Both are linear and work column
 * by column, so the kernels go through memory in stripes that stay in cache.
 */
import { assert, equalBytes } from '@cairn/base';
import { fieldTables, type GaloisKernels, type TransformJob } from '@cairn/kernels';
import { erasureError } from '../errors.ts';
import { interpolationMatrix } from './lagrange.ts';
import { locatorLogs } from './locator.ts';
import { layOut, pointOf, type RsPoints, type RsShape } from './points.ts';

export type ReconstructInput = {
  /** The rows at hand, `indices.length * rowBytes` bytes: row `indices[i]` of the code word is at `i * rowBytes`. */
  rows: Uint8Array;
  /** Distinct, below `dataRows + parityRows`; data rows first in that numbering. At least `dataRows` of them. */
  indices: ArrayLike<number>;
  rowBytes: number;
  /** Which rows to give, in this order. Default: all data rows. */
  wanted?: ArrayLike<number> | undefined;
  /** `wanted.length * rowBytes` bytes, not overlapping `rows`. */
  out?: Uint8Array | undefined;
};

/** Multiplications of a matrix kernel per butterfly of a transform in the same time. Measured: about 1.5. */
const MATRIX_RATE = 1.5;
/** Longest row of a matrix: making one takes its square. */
const MATRIX_ROWS_MAX = 256;

const range = (start: number, end: number): number[] =>
  Array.from({ length: end - start }, (_, i) => start + i);

/** One shape of the code. Holds at most one encoding matrix (128 KiB), no rows. */
export class ReedSolomon {
  readonly shape: Readonly<RsShape>;
  /** All rows of a code word. */
  readonly rowCount: number;
  readonly #kernels: GaloisKernels;
  readonly #points: RsPoints;
  #parityMatrix: Uint16Array | undefined;

  constructor(kernels: GaloisKernels, shape: RsShape) {
    this.#kernels = kernels;
    this.#points = layOut(shape);
    this.shape = { ...shape };
    this.rowCount = shape.dataRows + shape.parityRows;
  }

  /** Parity rows of `data` (`dataRows * rowBytes` bytes): `out` or new bytes, `parityRows * rowBytes`. */
  encode(data: Uint8Array, rowBytes: number, out?: Uint8Array): Uint8Array {
    const { dataRows, parityRows } = this.shape;
    assert(data.length === dataRows * rowBytes, 'encode: data is dataRows rows');
    const target = out ?? new Uint8Array(parityRows * rowBytes);
    assert(target.length === parityRows * rowBytes, 'encode: out is parityRows rows');
    if (this.#isMatrixFaster(parityRows, this.#encodeButterflies()))
      this.#encodeByMatrix(data, rowBytes, target, parityRows);
    else this.#encodeByTransform(data, rowBytes, target);
    return target;
  }

  /** Whether all rows (`rowCount * rowBytes` bytes, data first) are one code word. Costs an encoding. */
  verify(rows: Uint8Array, rowBytes: number): boolean {
    assert(rows.length === this.rowCount * rowBytes, 'verify: all rows');
    const split = this.shape.dataRows * rowBytes;
    return equalBytes(this.encode(rows.subarray(0, split), rowBytes), rows.subarray(split));
  }

  /**
   * Rows `wanted` from any `dataRows` rows or more. The rows at hand are believed: check them first. Throws a `CodedError`
   * (`ERASURE_TOO_FEW_ROWS`, `_ROW_INDEX`, `_ROW_LENGTH`). Cost: 2 to 3 encodings; one when the rows at hand hold a whole
   * block of points; a matrix when few rows are missing.
   */
  reconstruct(input: ReconstructInput): Uint8Array {
    const { dataRows } = this.shape;
    const { rows, indices, rowBytes } = input;
    const wanted = input.wanted ?? range(0, dataRows);
    const at = this.#locate(input);
    const out = input.out ?? new Uint8Array(wanted.length * rowBytes);
    assert(out.length === wanted.length * rowBytes, 'reconstruct: out is the wanted rows');
    const missing: number[] = [];
    for (let i = 0; i < wanted.length; i++) {
      const index = wanted[i]!;
      assert(Number.isInteger(index) && index >= 0 && index < this.rowCount, 'wanted: no such row');
      const from = at[index]! * rowBytes;
      if (from < 0) missing.push(i);
      else out.set(rows.subarray(from, from + rowBytes), i * rowBytes);
    }
    if (missing.length === 0) return out;
    if (indices.length < dataRows) {
      const details = { rows: indices.length, needed: dataRows };
      const message = `${indices.length} rows of the ${dataRows} needed`;
      throw erasureError('ERASURE_TOO_FEW_ROWS', message, details);
    }
    const { span } = this.#points;
    if (this.#isMatrixFaster(missing.length, span * Math.log2(span)))
      this.#recoverByMatrix(input, at, wanted, missing, out);
    else if (!this.#fromOneBlock(input, at, wanted, out))
      this.#recover(input, at, wanted, missing, out);
    return out;
  }

  /** Butterflies of an encoding by transform (spec section 5). */
  #encodeButterflies(): number {
    const { dataRows, parityRows } = this.shape;
    const { blockRows } = this.#points;
    const blocks = Math.ceil(dataRows / blockRows) + Math.ceil(parityRows / blockRows);
    return (blocks * blockRows * Math.log2(2 * blockRows)) / 2;
  }

  #isMatrixFaster(targetRows: number, butterflies: number): boolean {
    const { dataRows } = this.shape;
    return dataRows <= MATRIX_ROWS_MAX && targetRows * dataRows <= MATRIX_RATE * butterflies;
  }

  /** The first `count` parity rows. */
  #encodeByMatrix(data: Uint8Array, rowBytes: number, target: Uint8Array, count: number): void {
    const { field, dataRows, parityRows } = this.shape;
    const { basis, zeros, firstData, firstParity } = this.#points;
    this.#parityMatrix ??= interpolationMatrix(
      { field, basis },
      [...range(firstData, firstData + dataRows), ...range(zeros.start, zeros.end)],
      dataRows,
      range(firstParity, firstParity + parityRows),
    );
    const constants = this.#parityMatrix.subarray(0, count * dataRows);
    this.#kernels.multiplyMatrix({ field, basis, rowBytes, constants, source: data, target });
  }

  #encodeByTransform(data: Uint8Array, rowBytes: number, target: Uint8Array): void {
    const { dataRows, parityRows } = this.shape;
    const { blockRows, firstParity } = this.#points;
    if (firstParity % blockRows === 0) {
      this.#kernels.transform(this.encodeJob(data, rowBytes, target));
      return;
    }
    // Vandermonde, no power of two: the first parity rows share the data's block of points and complete it.
    const shared = Math.min(parityRows, blockRows - dataRows);
    const sharedBytes = shared * rowBytes;
    this.#encodeByMatrix(data, rowBytes, target.subarray(0, sharedBytes), shared);
    if (shared === parityRows) return;
    const block = new Uint8Array(blockRows * rowBytes);
    block.set(data);
    block.set(target.subarray(0, sharedBytes), data.length);
    this.#kernels.transform({
      ...this.encodeJob(block, rowBytes, target.subarray(sharedBytes)),
      sourceRows: blockRows,
      targetRows: parityRows - shared,
      targetPoint: blockRows,
    });
  }

  /** The encoding as one transform, to be split among threads. Not for a Vandermonde code of no power of two of data rows. */
  encodeJob(data: Uint8Array, rowBytes: number, target: Uint8Array): TransformJob {
    const { field, dataRows, parityRows } = this.shape;
    const { basis, blockRows, firstData, firstParity } = this.#points;
    return {
      field,
      basis,
      blockRows,
      rowBytes,
      source: data,
      sourceRows: dataRows,
      sourcePoint: firstData,
      target,
      targetRows: parityRows,
      targetPoint: firstParity,
    };
  }

  /** Where each row of the code word is among the rows at hand, or -1. */
  #locate({ rows, indices, rowBytes }: ReconstructInput): Int32Array {
    if (rows.length !== indices.length * rowBytes) {
      const details = { expected: indices.length * rowBytes, actual: rows.length };
      throw erasureError('ERASURE_ROW_LENGTH', 'rows and their indices do not agree', details);
    }
    const at = new Int32Array(this.rowCount).fill(-1);
    for (let i = 0; i < indices.length; i++) {
      const index = indices[i]!;
      const exists = Number.isInteger(index) && index >= 0 && index < this.rowCount;
      if (!exists || at[index]! >= 0) {
        const what = exists ? 'is there twice' : 'does not exist';
        throw erasureError('ERASURE_ROW_INDEX', `row ${index} ${what}`, { index });
      }
      at[index] = i;
    }
    return at;
  }

  #recoverByMatrix(
    { rows, rowBytes, indices }: ReconstructInput,
    at: Int32Array,
    wanted: ArrayLike<number>,
    missing: readonly number[],
    out: Uint8Array,
  ): void {
    const { field, dataRows } = this.shape;
    const { basis, zeros } = this.#points;
    const pointAt = (index: number): number => pointOf(this.shape, this.#points, index);
    const used = Array.from({ length: dataRows }, (_, i) => indices[i]!);
    const constants = interpolationMatrix(
      { field, basis },
      [...used.map(pointAt), ...range(zeros.start, zeros.end)],
      dataRows,
      missing.map((i) => pointAt(wanted[i]!)),
    );
    this.#kernels.multiplyMatrix({
      field,
      basis,
      rowBytes,
      constants,
      source: rows,
      sourceRows: used.map((index) => at[index]!),
      target: out,
      targetRows: missing,
    });
  }

  /** Natural layout, all data wanted in order, one block of points whole and in order: a plain change of points. */
  #fromOneBlock(
    { rows, rowBytes }: ReconstructInput,
    at: Int32Array,
    wanted: ArrayLike<number>,
    out: Uint8Array,
  ): boolean {
    const { field, layout, dataRows, parityRows } = this.shape;
    const { basis, blockRows } = this.#points;
    if (layout !== 'natural' || wanted.length !== dataRows) return false;
    for (let i = 0; i < dataRows; i++) if (wanted[i] !== i) return false;
    for (let block = 0; block + blockRows <= parityRows; block += blockRows) {
      const first = at[dataRows + block]!;
      if (first < 0) continue;
      let run = 1;
      while (run < blockRows && at[dataRows + block + run] === first + run) run++;
      if (run < blockRows) continue;
      this.#kernels.transform({
        field,
        basis,
        blockRows,
        rowBytes,
        source: rows.subarray(first * rowBytes, (first + blockRows) * rowBytes),
        sourceRows: blockRows,
        sourcePoint: blockRows + block,
        target: out,
        targetRows: dataRows,
        targetPoint: 0,
      });
      return true;
    }
    return false;
  }

  #recover(
    { rows, rowBytes }: ReconstructInput,
    at: Int32Array,
    wanted: ArrayLike<number>,
    missing: readonly number[],
    out: Uint8Array,
  ): void {
    const { field } = this.shape;
    const { basis, span, zeros } = this.#points;
    const inputRows = new Int32Array(span).fill(-1);
    // Known are the rows at hand and the zero rows; everything else of the span is erased.
    const erased = new Uint8Array(span).fill(1).fill(0, zeros.start, zeros.end);
    for (let index = 0; index < this.rowCount; index++) {
      if (at[index]! < 0) continue;
      const point = pointOf(this.shape, this.#points, index);
      inputRows[point] = at[index]!;
      erased[point] = 0;
    }
    const logs = locatorLogs({ field, basis }, erased);
    const { exp, modulus } = fieldTables(field, basis);
    const outputRows = new Int32Array(span).fill(-1);
    for (const i of missing) outputRows[pointOf(this.shape, this.#points, wanted[i]!)] = i;
    this.#kernels.recover({
      field,
      basis,
      size: span,
      rowBytes,
      input: rows,
      inputRows,
      inputScale: logs.map((log) => exp[log]!),
      output: out,
      outputRows,
      outputScale: logs.map((log) => exp[modulus - log]!),
    });
  }
}
