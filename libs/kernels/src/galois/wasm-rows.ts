// Matrices of constants times rows, and the combination of every row into 16 bytes, on WebAssembly.

import { checkCombine, checkMatrix, checkMulAdd } from './checks.ts';
import type { CombineJob, GaloisBasis, GaloisField, MatrixJob, MulAddJob } from './galois.ts';
import {
  COMBINE_WIDTH_MAX,
  type GaloisMemory,
  MATRIX_ROWS_MAX,
  type Region,
  roundUp,
} from './wasm-memory.ts';

/** Target rows per pass over the sources: what 16 vector registers hold. */
const OUTPUTS = { 8: 4, 16: 2 } as const;
const TABLE_BYTES = { 8: 32, 16: 128 } as const;

type StagedMatrix = {
  field: GaloisField;
  basis: GaloisBasis | undefined;
  constants: Uint16Array;
  /** Columns of the matrix. */
  sourceCount: number;
  /** First of the source rows whose addresses are in `sources`. */
  first: number;
  sources: readonly number[];
  targets: readonly number[];
  width: number;
  accumulate: boolean;
};

/** Adds the products of some source rows to (or sets) all target rows. */
function multiplyStaged(memory: GaloisMemory, job: StagedMatrix): void {
  const { field, basis, sourceCount, first, sources, targets } = job;
  const count = sources.length;
  memory.words.set(sources, memory.sources / 4);
  for (let i = 0; i < targets.length; i += OUTPUTS[field]) {
    const outputs = Math.min(OUTPUTS[field], targets.length - i);
    let table = memory.matrixTables;
    for (let j = 0; j < count; j++) {
      for (let o = 0; o < outputs; o++, table += TABLE_BYTES[field]) {
        const constant = job.constants[(i + o) * sourceCount + first + j]!;
        memory.writeTable(field, basis, constant, table);
      }
    }
    memory.words.set(targets.slice(i, i + outputs), memory.targets / 4);
    const kernel = `matrix${field}x${outputs}` as 'matrix8x1';
    const { matrixTables, sources: addresses, targets: ends } = memory;
    memory.wasm[kernel](matrixTables, addresses, count, ends, job.accumulate, job.width);
  }
}

export function multiplyMatrix(memory: GaloisMemory, job: MatrixJob): void {
  const { columns, sourceRows, targetRows, constants } = checkMatrix(job);
  const { field, basis, rowBytes } = job;
  const { start, end } = columns;
  const [sourceCount, targetCount] = [sourceRows.length, targetRows.length];
  const staged = Math.min(sourceCount, MATRIX_ROWS_MAX);
  const directSource = memory.direct(job.source, rowBytes, start, end);
  const directTarget = memory.direct(job.target, rowBytes, start, end);
  const stageWidth =
    directSource && directTarget
      ? end - start
      : memory.stageWidth(staged + targetCount, end - start);
  for (let at = start; at < end; at += stageWidth) {
    const width = Math.min(stageWidth, end - at);
    const part = { rowBytes, start: at, width, count: 1 };
    /** Address of this range of a row: where it lies, or else row `i` of the stage. */
    const address = (region: Region | undefined, row: number, i: number): number =>
      region ? region.at + row * rowBytes + at - start : memory.stage(stageWidth, i).at;
    const targets = Array.from(targetRows, (row, i) => address(directTarget, row, staged + i));
    for (let first = 0; first < sourceCount; first += staged) {
      const rows = sourceRows.subarray(first, first + staged);
      const sources = Array.from(rows, (row, j) => address(directSource, row, j));
      if (!directSource) {
        for (const [j, row] of rows.entries())
          memory.copyIn(memory.stage(stageWidth, j), job.source, { ...part, first: row });
      }
      multiplyStaged(memory, {
        ...{ field, basis, constants, sourceCount, first, sources, targets },
        width: roundUp(width, 64),
        accumulate: first > 0,
      });
    }
    if (directTarget) continue;
    for (const [i, row] of targetRows.entries())
      memory.copyOut(memory.stage(stageWidth, staged + i), job.target, { ...part, first: row });
  }
}

export function mulAdd(memory: GaloisMemory, job: MulAddJob): void {
  checkMulAdd(job);
  const { field, basis, constant, source, target } = job;
  const rowBytes = source.length;
  const stageWidth = memory.stageWidth(2, rowBytes);
  const sources = memory.stage(stageWidth);
  const targets = memory.stage(stageWidth, 1);
  for (let start = 0; start < rowBytes; start += stageWidth) {
    const width = Math.min(stageWidth, rowBytes - start);
    const part = { rowBytes, start, width, first: 0, count: 1 };
    memory.copyIn(sources, source, part);
    memory.copyIn(targets, target, part);
    multiplyStaged(memory, {
      ...{ field, basis, constants: Uint16Array.of(constant), sourceCount: 1, first: 0 },
      ...{ sources: [sources.at], targets: [targets.at] },
      width: roundUp(width, 64),
      accumulate: true,
    });
    memory.copyOut(targets, target, part);
  }
}

/** Rows whose blocks are gathered at a time: 64 bytes each, and 16 of sums, in the working memory. */
const COMBINE_ROWS_MAX = 16_384;
/** Fewer rows than this are combined with small tables. */
const COMBINE_ROWS_WIDE = 220;

export function combineRows(memory: GaloisMemory, job: CombineJob): Uint8Array {
  const rowCount = checkCombine(job);
  const out = job.out ?? new Uint8Array(16 * rowCount);
  const { wasm, bytes } = memory;
  const { rows, rowBytes, coefficients } = job;
  for (let first = 0; first < rowCount; first += COMBINE_ROWS_MAX) {
    const count = Math.min(COMBINE_ROWS_MAX, rowCount - first);
    const combine = count < COMBINE_ROWS_WIDE ? wasm.combine4 : wasm.combine8;
    const sums = memory.work;
    const tile = sums + 16 * COMBINE_ROWS_MAX;
    bytes.fill(0, sums, sums + 16 * count);
    const stageWidth = memory.stageWidth(count, rowBytes, COMBINE_WIDTH_MAX);
    const inPlace = memory.direct(rows, rowBytes, 0, rowBytes);
    for (let start = 0; start < rowBytes; start += stageWidth) {
      const width = Math.min(stageWidth, rowBytes - start);
      const from = inPlace
        ? { at: inPlace.at + first * rowBytes + start, stride: rowBytes }
        : memory.stage(stageWidth);
      if (!inPlace) memory.copyIn(from, rows, { rowBytes, start, width, first, count });
      bytes.set(coefficients.subarray(8 * start, 8 * (start + width)), memory.coefficients);
      for (let column = 0; column < width; column += 64) {
        wasm.gatherBlocks(from.at + column, from.stride, count, tile);
        combine(tile, count, memory.coefficients + 8 * column, memory.bits, sums);
      }
    }
    out.set(bytes.subarray(sums, sums + 16 * count), 16 * first);
  }
  return out;
}
