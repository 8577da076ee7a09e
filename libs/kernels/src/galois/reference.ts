/*
 * Finite-field kernels in plain TypeScript: the definition the others must equal. Rows become arrays of symbols, an additive
 * FFT works on whole rows (spec/da-encoding.md section 3), and symbols become bytes again. Logarithm tables; about 5 ns per
 * symbol and butterfly.
 */

import { checkCombine, checkMatrix, checkMulAdd, checkRecover, checkTransform } from './checks.ts';
import { fieldTables, twiddleTables } from './field.ts';
import type {
  CombineJob,
  GaloisBasis,
  GaloisField,
  GaloisKernels,
  MatrixJob,
  RecoverJob,
  RowJob,
  TransformJob,
} from './galois.ts';

/** Symbols of a row. */
function symbolsOf(field: GaloisField, row: Uint8Array): Uint16Array {
  if (field === 8) return Uint16Array.from(row);
  const out = new Uint16Array(row.length / 2);
  for (let i = 0; i < out.length; i++) {
    const at = (i >> 5) * 64 + (i & 31);
    out[i] = row[at]! | (row[at + 32]! << 8);
  }
  return out;
}

function storeSymbols(field: GaloisField, symbols: Uint16Array, row: Uint8Array): void {
  if (field === 8) {
    row.set(symbols);
    return;
  }
  for (let i = 0; i < symbols.length; i++) {
    const at = (i >> 5) * 64 + (i & 31);
    row[at] = symbols[i]! & 255;
    row[at + 32] = symbols[i]! >> 8;
  }
}

function xorInPlace(x: Uint16Array, y: Uint16Array): void {
  for (let i = 0; i < x.length; i++) x[i]! ^= y[i]!;
}

type Arithmetic = {
  /** x ^= c * y. */
  mulAdd(x: Uint16Array, y: Uint16Array, c: number): void;
  /** Constant of the butterflies of rows 2^d apart, the first at `point`. */
  twiddle(d: number, point: number): number;
  /** Factor of the formal derivative for bit d. */
  slope(d: number): number;
};

function arithmetic(field: GaloisField, basis?: GaloisBasis): Arithmetic {
  const { log, exp } = fieldTables(field, basis);
  function mulAdd(x: Uint16Array, y: Uint16Array, c: number): void {
    if (c === 0) return;
    const logC = log[c]!;
    for (let i = 0; i < x.length; i++) {
      const v = y[i]!;
      if (v !== 0) x[i]! ^= exp[log[v]! + logC]!;
    }
  }
  if (field === 16) return { mulAdd, twiddle: (d, point) => point >> d, slope: () => 1 };
  const { layers, derivative } = twiddleTables(field, basis);
  const twiddle = (d: number, point: number): number => layers[d]![point >> d]!;
  return { mulAdd, twiddle, slope: (d) => derivative[d]! };
}

/** Evaluations at points off, off + 1, … to coefficients of the LCH basis. */
function inverse(math: Arithmetic, rows: readonly Uint16Array[], off: number): void {
  for (let d = 0; 1 << d < rows.length; d++) {
    for (let p = 0; p < rows.length; p += 2 << d) {
      for (let i = p; i < p + (1 << d); i++) {
        const [x, y] = [rows[i]!, rows[i + (1 << d)]!];
        xorInPlace(y, x);
        math.mulAdd(x, y, math.twiddle(d, off + p));
      }
    }
  }
}

/** Coefficients of the LCH basis to evaluations at points off, off + 1, … */
function forward(math: Arithmetic, rows: readonly Uint16Array[], off: number): void {
  for (let d = Math.log2(rows.length) - 1; d >= 0; d--) {
    for (let p = 0; p < rows.length; p += 2 << d) {
      for (let i = p; i < p + (1 << d); i++) {
        const [x, y] = [rows[i]!, rows[i + (1 << d)]!];
        math.mulAdd(x, y, math.twiddle(d, off + p));
        xorInPlace(y, x);
      }
    }
  }
}

/** Symbol rows in and out of a job's byte rows, within its columns. */
function rowsOf(job: RowJob, { start, end }: { start: number; end: number }) {
  const { field, rowBytes } = job;
  const part = (buffer: Uint8Array, row: number): Uint8Array =>
    buffer.subarray(row * rowBytes + start, row * rowBytes + end);
  return {
    zero: (): Uint16Array => new Uint16Array((end - start) / (field / 8)),
    load: (buffer: Uint8Array, row: number): Uint16Array => symbolsOf(field, part(buffer, row)),
    store: (symbols: Uint16Array, buffer: Uint8Array, row: number): void =>
      storeSymbols(field, symbols, part(buffer, row)),
  };
}

function transform(job: TransformJob): void {
  const rows = rowsOf(job, checkTransform(job));
  const math = arithmetic(job.field, job.basis);
  const { blockRows, sourceRows, targetRows } = job;
  const coefficients = Array.from({ length: blockRows }, rows.zero);
  for (let start = 0; start < sourceRows; start += blockRows) {
    const block = Array.from({ length: blockRows }, (_, i) =>
      start + i < sourceRows ? rows.load(job.source, start + i) : rows.zero(),
    );
    inverse(math, block, job.sourcePoint + start);
    for (const [i, row] of block.entries()) xorInPlace(coefficients[i]!, row);
  }
  for (let start = 0; start < targetRows; start += blockRows) {
    const block = coefficients.map((row) => row.slice());
    forward(math, block, job.targetPoint + start);
    for (let i = 0; i < blockRows && start + i < targetRows; i++)
      rows.store(block[i]!, job.target, start + i);
  }
}

function multiplyMatrix(job: MatrixJob): void {
  const { columns, sourceRows, targetRows, constants } = checkMatrix(job);
  const rows = rowsOf(job, columns);
  const math = arithmetic(job.field, job.basis);
  const sources = Array.from(sourceRows, (row) => rows.load(job.source, row));
  for (const [i, target] of targetRows.entries()) {
    const sum = rows.zero();
    for (const [j, source] of sources.entries())
      math.mulAdd(sum, source, constants[i * sources.length + j]!);
    rows.store(sum, job.target, target);
  }
}

function recover(job: RecoverJob): void {
  const rows = rowsOf(job, checkRecover(job));
  const math = arithmetic(job.field, job.basis);
  const { size } = job;
  const word = Array.from({ length: size }, (_, p) => {
    const out = rows.zero();
    const at = job.inputRows[p]!;
    if (at >= 0) math.mulAdd(out, rows.load(job.input, at), job.inputScale[p]!);
    return out;
  });
  inverse(math, word, 0);
  // Formal derivative, plus the polynomial itself, which is zero where it matters. Row i + k is read before it is changed.
  for (let i = 1; i < size; i++) {
    const h = i & -i;
    const slope = math.slope(Math.log2(h));
    for (let k = 0; k < h; k++) math.mulAdd(word[i - h + k]!, word[i + k]!, slope);
  }
  forward(math, word, 0);
  for (let p = 0; p < size; p++) {
    const at = job.outputRows[p]!;
    if (at < 0) continue;
    const out = rows.zero();
    math.mulAdd(out, word[p]!, job.outputScale[p]!);
    rows.store(out, job.output, at);
  }
}

function combineRows(job: CombineJob): Uint8Array {
  const count = checkCombine(job);
  const out = job.out ?? new Uint8Array(16 * count);
  const { rows, rowBytes, coefficients } = job;
  const { log, exp } = fieldTables(16);
  const limbs = Uint16Array.from(
    { length: 4 * rowBytes },
    (_, i) => coefficients[2 * i]! | (coefficients[2 * i + 1]! << 8),
  );
  for (let i = 0; i < count; i++) {
    const sum = new Uint16Array(8);
    const symbols = symbolsOf(16, rows.subarray(i * rowBytes, (i + 1) * rowBytes));
    for (const [j, symbol] of symbols.entries()) {
      if (symbol === 0) continue;
      for (let k = 0; k < 8; k++) {
        const limb = limbs[8 * j + k]!;
        if (limb !== 0) sum[k]! ^= exp[log[symbol]! + log[limb]!]!;
      }
    }
    for (const [k, limb] of sum.entries()) {
      out[16 * i + 2 * k] = limb & 255;
      out[16 * i + 2 * k + 1] = limb >> 8;
    }
  }
  return out;
}

/** The plain TypeScript twin of the finite-field kernels. */
export const referenceGalois: GaloisKernels = {
  workspace: (bytes) => new Uint8Array(bytes),
  mulAdd(job) {
    checkMulAdd(job);
    const { field, target, source } = job;
    const x = symbolsOf(field, target);
    arithmetic(field, job.basis).mulAdd(x, symbolsOf(field, source), job.constant);
    storeSymbols(field, x, target);
  },
  multiplyMatrix,
  transform,
  recover,
  combineRows,
};
