import { assert, isPowerOfTwo } from '@cairn/base';
import {
  type CombineJob,
  GALOIS_BLOCK_BYTES,
  type GaloisBasis,
  type GaloisField,
  type MatrixJob,
  type MulAddJob,
  type RecoverJob,
  type RowJob,
  type TransformJob,
} from './galois.ts';

const isCount = (value: number): boolean => Number.isInteger(value) && value >= 0;

function checkField(field: GaloisField, basis: GaloisBasis | undefined): void {
  assert(field === 8 || field === 16, 'galois: a field of 8 or 16 bits');
  assert(field === 8 || basis !== 'polynomial', 'galois: GF(2^16) is in Cantor coordinates');
}

/** Asserts field, row length and columns; returns the columns. */
function checkRowJob(job: RowJob): { start: number; end: number } {
  const { field, rowBytes, columns = { start: 0, end: rowBytes } } = job;
  checkField(field, job.basis);
  const unit = field === 8 ? 1 : GALOIS_BLOCK_BYTES;
  assert(Number.isInteger(rowBytes) && rowBytes > 0, 'galois: rowBytes is a positive integer');
  for (const bytes of [rowBytes, columns.start, columns.end])
    assert(isCount(bytes) && bytes % unit === 0, 'galois: GF(2^16) has whole 64-byte blocks');
  assert(
    columns.start <= columns.end && columns.end <= rowBytes,
    'galois: columns are inside the row',
  );
  return columns;
}

/** Asserts that the lengths of a multiply-add fit. */
export function checkMulAdd({ field, basis, target, source, constant }: MulAddJob): void {
  checkField(field, basis);
  assert(target.length === source.length, 'mulAdd: lengths differ');
  assert(field === 8 || target.length % GALOIS_BLOCK_BYTES === 0, 'mulAdd: whole 64-byte blocks');
  assert(isCount(constant) && constant < 1 << field, 'mulAdd: constant is not in the field');
}

/** Asserts that a transform stays inside its field and its buffers; returns the columns to work on. */
export function checkTransform(job: TransformJob): { start: number; end: number } {
  const { field, blockRows, rowBytes, sourceRows, sourcePoint, targetRows, targetPoint } = job;
  const columns = checkRowJob(job);
  assert(isPowerOfTwo(blockRows), 'transform: blockRows is a power of two');
  assert(isCount(sourceRows) && isCount(targetRows), 'transform: row counts are integers');
  for (const point of [sourcePoint, targetPoint])
    assert(isCount(point) && point % blockRows === 0, 'transform: points are multiples of a block');
  const last = Math.max(sourcePoint + sourceRows, targetPoint + targetRows, blockRows);
  assert(last <= 1 << field, 'transform: points are not in the field');
  assert(job.source.length >= sourceRows * rowBytes, 'transform: source is too short');
  assert(job.target.length >= targetRows * rowBytes, 'transform: target is too short');
  return columns;
}

/** Rows as a list, inside `buffer`. */
function checkRowList(
  list: ArrayLike<number> | undefined,
  count: number,
  rowBytes: number,
  buffer: Uint8Array,
): Int32Array {
  const rows = list ? Int32Array.from(list) : Int32Array.from({ length: count }, (_, i) => i);
  const limit = Math.floor(buffer.length / rowBytes);
  for (const row of rows) assert(row >= 0 && row < limit, 'multiplyMatrix: no such row');
  return rows;
}

/** A checked matrix job with its defaults. */
export type MatrixPlan = {
  columns: { start: number; end: number };
  sourceRows: Int32Array;
  targetRows: Int32Array;
  constants: Uint16Array;
};

/** Asserts that a matrix fits its rows and its field. */
export function checkMatrix(job: MatrixJob): MatrixPlan {
  const { field, rowBytes, source, target } = job;
  const columns = checkRowJob(job);
  const sourceCount = Math.floor(source.length / rowBytes);
  const sourceRows = checkRowList(job.sourceRows, sourceCount, rowBytes, source);
  assert(sourceRows.length > 0, 'multiplyMatrix: there is a source row');
  const targetCount = job.constants.length / sourceRows.length;
  assert(isCount(targetCount), 'multiplyMatrix: a constant for every pair of rows');
  const targetRows = checkRowList(job.targetRows, targetCount, rowBytes, target);
  assert(targetRows.length === targetCount, 'multiplyMatrix: a target row for every matrix row');
  // A loop: for short rows `from` with a callback would be a good part of the work.
  const constants = new Uint16Array(job.constants.length);
  for (let i = 0; i < constants.length; i++) {
    const constant = job.constants[i]!;
    if (!(isCount(constant) && constant < 1 << field))
      assert(false, 'multiplyMatrix: constant is not in the field');
    constants[i] = constant;
  }
  return { columns, sourceRows, targetRows, constants };
}

/** Asserts that a recovery stays inside its field and its buffers; returns the columns to work on. */
export function checkRecover(job: RecoverJob): { start: number; end: number } {
  const columns = checkRowJob(job);
  const { field, size, rowBytes, inputRows, inputScale, outputRows, outputScale } = job;
  assert(isPowerOfTwo(size) && size <= 1 << field, 'recover: size is a power of two in the field');
  for (const list of [inputRows, inputScale, outputRows, outputScale])
    assert(list.length === size, 'recover: one entry per position');
  const inputCount = Math.floor(job.input.length / rowBytes);
  const outputCount = Math.floor(job.output.length / rowBytes);
  for (let p = 0; p < size; p++) {
    assert(inputRows[p]! >= -1 && inputRows[p]! < inputCount, 'recover: input is too short');
    assert(outputRows[p]! >= -1 && outputRows[p]! < outputCount, 'recover: output is too short');
    assert(
      inputScale[p]! < 1 << field && outputScale[p]! < 1 << field,
      'recover: scale is not in the field',
    );
  }
  return columns;
}

/** Number of rows of a combination; asserts that the lengths fit. */
export function checkCombine({ rows, rowBytes, coefficients, out }: CombineJob): number {
  assert(
    Number.isInteger(rowBytes) && rowBytes > 0 && rowBytes % GALOIS_BLOCK_BYTES === 0,
    'combineRows: rows are whole 64-byte blocks',
  );
  assert(rows.length % rowBytes === 0, 'combineRows: whole rows');
  assert(coefficients.length === 8 * rowBytes, 'combineRows: 16 bytes per symbol');
  const count = rows.length / rowBytes;
  assert(out === undefined || out.length >= 16 * count, 'combineRows: out is too short');
  return count;
}
