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
  targetCount: number;
  /** Source rows [first, first + count) are in `sources`, one after another. */
  first: number;
  count: number;
  sources: Region;
  targets: Region;
  width: number;
  accumulate: boolean;
};

/** Adds the products of some source rows to (or sets) all target rows. */
function multiplyStaged(memory: GaloisMemory, job: StagedMatrix): void {
  const { field, basis, sourceCount, targetCount, first, count, sources, targets } = job;
  for (let j = 0; j < count; j++)
    memory.words[memory.sources / 4 + j] = sources.at + j * sources.stride;
  for (let i = 0; i < targetCount; i += OUTPUTS[field]) {
    const outputs = Math.min(OUTPUTS[field], targetCount - i);
    let table = memory.matrixTables;
    for (let j = 0; j < count; j++) {
      for (let o = 0; o < outputs; o++, table += TABLE_BYTES[field]) {
        const constant = job.constants[(i + o) * sourceCount + first + j]!;
        memory.writeTable(field, basis, constant, table);
      }
    }
    for (let o = 0; o < outputs; o++)
      memory.words[memory.targets / 4 + o] = targets.at + (i + o) * targets.stride;
    const kernel = `matrix${field}x${outputs}` as 'matrix8x1';
    const { matrixTables, sources: addresses, targets: ends } = memory;
    memory.wasm[kernel](matrixTables, addresses, count, ends, job.accumulate, job.width);
  }
}

export function multiplyMatrix(memory: GaloisMemory, job: MatrixJob): void {
  const { columns, sourceRows, targetRows, constants } = checkMatrix(job);
  const { field, basis, rowBytes } = job;
  const [sourceCount, targetCount] = [sourceRows.length, targetRows.length];
  const staged = Math.min(sourceCount, MATRIX_ROWS_MAX);
  const stageWidth = memory.stageWidth(staged + targetCount, columns.end - columns.start);
  const sources = memory.stage(stageWidth);
  const targets = memory.stage(stageWidth, staged);
  const at = (region: Region, row: number): Region => ({
    at: region.at + row * stageWidth,
    stride: stageWidth,
  });
  for (let start = columns.start; start < columns.end; start += stageWidth) {
    const width = Math.min(stageWidth, columns.end - start);
    const part = { rowBytes, start, width, count: 1 };
    for (let first = 0; first < sourceCount; first += staged) {
      const count = Math.min(staged, sourceCount - first);
      for (let j = 0; j < count; j++)
        memory.copyIn(at(sources, j), job.source, { ...part, first: sourceRows[first + j]! });
      multiplyStaged(memory, {
        ...{ field, basis, constants, sourceCount, targetCount, first, count, sources, targets },
        width: roundUp(width, 64),
        accumulate: first > 0,
      });
    }
    for (let i = 0; i < targetCount; i++)
      memory.copyOut(at(targets, i), job.target, { ...part, first: targetRows[i]! });
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
      ...{ field, basis, constants: Uint16Array.of(constant), sources, targets },
      ...{ sourceCount: 1, targetCount: 1, first: 0, count: 1 },
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
    const staged = memory.stage(stageWidth);
    for (let start = 0; start < rowBytes; start += stageWidth) {
      const width = Math.min(stageWidth, rowBytes - start);
      memory.copyIn(staged, rows, { rowBytes, start, width, first, count });
      bytes.set(coefficients.subarray(8 * start, 8 * (start + width)), memory.coefficients);
      for (let column = 0; column < width; column += 64) {
        wasm.gatherBlocks(staged.at + column, stageWidth, count, tile);
        combine(tile, count, memory.coefficients + 8 * column, memory.bits, sums);
      }
    }
    out.set(bytes.subarray(sums, sums + 16 * count), 16 * first);
  }
  return out;
}
