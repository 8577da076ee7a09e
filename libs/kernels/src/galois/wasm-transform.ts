/*
 * Additive FFTs on WebAssembly: the passes of one stripe, and the jobs made of them. Two layers per pass; the first pass reads
 * staged rows and the last one writes them, the others stay in a block of stripes that fits the cache. With an odd number of
 * layers the single one is the outermost, whose constant is zero at point 0.
 */

import { checkRecover, checkTransform } from './checks.ts';
import { twiddleTables } from './field.ts';
import type { GaloisField, RecoverJob, TransformJob } from './galois.ts';
import { type GaloisMemory, type Region, roundUp } from './wasm-memory.ts';

/**
 * Bytes a stripe of a block may take, twice (coefficients and work). Narrow stripes of many rows cost more than a block that
 * leaves the second-level cache: with rows a power of two apart, 1 KiB is 1.2 times as fast as 256 bytes at 4096 rows.
 */
const STRIPE_BLOCK_BYTES = 512 * 1024;
const STRIPE_MIN = 1024;
const STRIPE_MAX = 4096;

/** Columns worked on at a time, for blocks of `rows` rows in `areas` areas of the working memory. */
function stripeWidth(memory: GaloisMemory, rows: number, areas: number, width: number): number {
  const cached = Math.min(STRIPE_MAX, Math.max(STRIPE_MIN, STRIPE_BLOCK_BYTES / rows));
  const fits = Math.min(cached, memory.workBytes / areas / rows);
  return Math.min(width, Math.floor(fits / 64) * 64);
}

type Block = { field: GaloisField; rows: number; off: number; width: number };

/** Coefficients of a block, from `from` to `to`; the rows of `from` from `present` on are zeros and are not read past a multiple of 4. */
function inverseBlock(
  { wasm, bytes }: GaloisMemory,
  { field, rows, off, width }: Block,
  from: Region,
  to: Region,
  present: number,
): void {
  const layers = Math.log2(rows);
  const read = Math.min(rows, roundUp(present, Math.min(4, rows)));
  bytes.fill(0, to.at + read * to.stride, to.at + rows * to.stride);
  if (layers === 0 && present > 0) bytes.copyWithin(to.at, from.at, from.at + width);
  let { at, stride } = from;
  for (let d = 0; d < layers && present > 0; d += 2) {
    const pass = d + 1 < layers ? wasm[`ifft${field}Pass4`] : wasm[`ifft${field}Pass2`];
    pass(at, stride, to.at, to.stride, d, off, present, width);
    ({ at, stride } = to);
  }
}

/** Evaluations of a block in `to`; only the first `wanted` are right. `work` may be `from`. */
function forwardBlock(
  { wasm, bytes }: GaloisMemory,
  { field, rows, off, width }: Block,
  regions: { from: Region; work: Region; to: Region },
  wanted: number,
): void {
  const layers = Math.log2(rows);
  const { from, work, to } = regions;
  if (layers === 0) bytes.copyWithin(to.at, from.at, from.at + width);
  let source = from;
  let d = layers;
  while (d > 0) {
    const fused = d === layers && layers % 2 === 1 ? 1 : 2;
    d -= fused;
    const target = d === 0 ? to : work;
    const pass = fused === 2 ? wasm[`fft${field}Pass4`] : wasm[`fft${field}Pass2`];
    pass(source.at, source.stride, target.at, target.stride, d, off, wanted, width);
    source = target;
  }
}

const shift = ({ at, stride }: Region, rows: number, columns: number): Region => ({
  at: at + rows * stride + columns,
  stride,
});

/** One stripe of a transform, staged rows to staged rows. */
function transformStripe(
  memory: GaloisMemory,
  job: TransformJob,
  stripe: { width: number; source: Region; target: Region },
): void {
  const { field, blockRows, sourceRows, sourcePoint, targetRows, targetPoint } = job;
  const { width, source, target } = stripe;
  const coefficients: Region = { at: memory.work, stride: width };
  const work: Region = { at: memory.work + blockRows * width, stride: width };
  const block = (off: number): Block => ({ field, rows: blockRows, off, width });
  if (sourceRows === 0) memory.bytes.fill(0, coefficients.at, coefficients.at + blockRows * width);
  for (let start = 0; start < sourceRows; start += blockRows) {
    const to = start === 0 ? coefficients : work;
    const present = Math.min(blockRows, sourceRows - start);
    inverseBlock(memory, block(sourcePoint + start), shift(source, start, 0), to, present);
    if (start > 0) memory.wasm.xorRows(coefficients.at, work.at, blockRows * width);
  }
  for (let start = 0; start < targetRows; start += blockRows) {
    const regions = { from: coefficients, work, to: shift(target, start, 0) };
    const wanted = Math.min(blockRows, targetRows - start);
    forwardBlock(memory, block(targetPoint + start), regions, wanted);
  }
}

export function transform(memory: GaloisMemory, job: TransformJob): void {
  const { start, end } = checkTransform(job);
  const { field, basis, rowBytes, blockRows, sourceRows, sourcePoint, targetRows } = job;
  const points = Math.max(sourcePoint + sourceRows, job.targetPoint + targetRows);
  memory.useField(field, basis, points);
  // Rows go in groups of up to 4: where the last group is not full, up to 3 rows more are read or written.
  const group = Math.min(4, blockRows);
  const inPlace = (rows: Uint8Array, count: number): Region | undefined =>
    count % group === 0 ? memory.direct(rows, rowBytes, start, end) : undefined;
  const directSource = inPlace(job.source, sourceRows);
  const directTarget = inPlace(job.target, targetRows);
  const stagedSource = directSource ? 0 : sourceRows + 3;
  const stagedTarget = directTarget ? 0 : targetRows;
  const stageWidth =
    stagedSource + stagedTarget === 0
      ? end - start
      : memory.stageWidth(stagedSource + stagedTarget, end - start);
  for (let at = start; at < end; at += stageWidth) {
    const width = Math.min(stageWidth, end - at);
    const part = { rowBytes, start: at, width, first: 0 };
    const source = directSource ? shift(directSource, 0, at - start) : memory.stage(stageWidth);
    const target = directTarget
      ? shift(directTarget, 0, at - start)
      : memory.stage(stageWidth, stagedSource);
    if (!directSource) {
      memory.copyIn(source, job.source, { ...part, count: sourceRows });
      const after = source.at + sourceRows * stageWidth;
      memory.bytes.fill(0, after, after + 3 * stageWidth);
    }
    const padded = roundUp(width, 64);
    const stripe = stripeWidth(memory, blockRows, 2, padded);
    for (let column = 0; column < padded; column += stripe) {
      transformStripe(memory, job, {
        width: Math.min(stripe, padded - column),
        source: shift(source, 0, column),
        target: shift(target, 0, column),
      });
    }
    if (!directTarget) memory.copyOut(target, job.target, { ...part, count: targetRows });
  }
}

/** Rows [0, wanted) of the formal derivative, added to the polynomial itself: spec/da-encoding.md section 12, step 5. */
function derivative(memory: GaloisMemory, job: RecoverJob, width: number, wanted: number): void {
  const slopes = job.field === 8 ? twiddleTables(8, job.basis).derivative : undefined;
  const add = (target: number, source: number, rows: number, bit: number): void => {
    const to = memory.work + target * width;
    const from = memory.work + source * width;
    const slope = slopes?.[bit] ?? 1;
    if (slope === 1) {
      memory.wasm.xorRows(to, from, rows * width);
      return;
    }
    scaleRow(memory, job, { from, to, constant: slope, bytes: rows * width, accumulate: true });
  };
  for (let i = 1; i < wanted; i++) {
    const bit = 31 - Math.clz32(i & -i);
    add(i - (1 << bit), i, 1 << bit, bit);
  }
  for (let i = wanted; i < job.size; i *= 2) add(0, i, wanted, Math.log2(i));
}

function scaleRow(
  memory: GaloisMemory,
  { field, basis }: RecoverJob,
  row: { from: number; to: number; constant: number; bytes: number; accumulate: boolean },
): void {
  memory.writeTable(field, basis, row.constant, memory.matrixTables);
  memory.words[memory.sources / 4] = row.from;
  memory.words[memory.targets / 4] = row.to;
  const { matrixTables, sources, targets } = memory;
  memory.wasm[`matrix${field}x1`](matrixTables, sources, 1, targets, row.accumulate, row.bytes);
}

/** One past the last row that is used. */
const usedRows = (rows: Int32Array): number => rows.findLastIndex((row) => row >= 0) + 1;
const nextPowerOfTwo = (n: number): number => 2 ** Math.ceil(Math.log2(n));

export function recover(memory: GaloisMemory, job: RecoverJob): void {
  const { start, end } = checkRecover(job);
  const { field, basis, rowBytes, size, inputRows, outputRows } = job;
  const present = usedRows(inputRows);
  const last = usedRows(outputRows);
  if (last === 0) return;
  // Rows past the wanted ones need no evaluation: at point 0 the outer layers leave the first half as it is.
  const wanted = nextPowerOfTwo(last);
  memory.useField(field, basis, size);
  const stageWidth = memory.stageWidth(size, end - start);
  const word = memory.stage(stageWidth);
  for (let at = start; at < end; at += stageWidth) {
    const width = Math.min(stageWidth, end - at);
    const padded = roundUp(width, 64);
    const part = { rowBytes, start: at, width, count: 1 };
    const scale = (p: number, constant: number): void => {
      const row = word.at + p * stageWidth;
      scaleRow(memory, job, { from: row, to: row, constant, bytes: padded, accumulate: false });
    };
    for (let p = 0; p < roundUp(present, Math.min(4, size)); p++) {
      const row = shift(word, p, 0);
      if (inputRows[p]! < 0) memory.bytes.fill(0, row.at, row.at + padded);
      else {
        memory.copyIn(row, job.input, { ...part, first: inputRows[p]! });
        scale(p, job.inputScale[p]!);
      }
    }
    const stripe = stripeWidth(memory, size, 1, padded);
    for (let column = 0; column < padded; column += stripe) {
      const block: Block = { field, rows: size, off: 0, width: Math.min(stripe, padded - column) };
      const work: Region = { at: memory.work, stride: block.width };
      const staged = shift(word, 0, column);
      inverseBlock(memory, block, staged, work, present);
      derivative(memory, job, block.width, wanted);
      forwardBlock(memory, { ...block, rows: wanted }, { from: work, work, to: staged }, last);
    }
    for (let p = 0; p < last; p++) {
      if (outputRows[p]! < 0) continue;
      scale(p, job.outputScale[p]!);
      memory.copyOut(shift(word, p, 0), job.output, { ...part, first: outputRows[p]! });
    }
  }
}
