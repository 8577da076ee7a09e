import {
  checkCombine,
  checkMatrix,
  checkMulAdd,
  checkRecover,
  checkTransform,
} from '../galois/checks.ts';
import type { GaloisBasis, GaloisField, GaloisKernels } from '../galois/galois.ts';

/** Field and basis, bytes of a row, columns [start, end). */
type Rows = [kind: number, rowBytes: number, start: number, end: number];

/** native/addon-galois.c */
export type GaloisAddon = {
  galoisTransform(
    ...args: [
      ...Rows,
      blockRows: number,
      source: Uint8Array,
      sourceRows: number,
      sourcePoint: number,
      target: Uint8Array,
      targetRows: number,
      targetPoint: number,
    ]
  ): void;
  galoisMatrix(
    ...args: [
      ...Rows,
      constants: Uint8Array,
      source: Uint8Array,
      sourceRows: Uint8Array,
      target: Uint8Array,
      targetRows: Uint8Array,
      accumulate: number,
    ]
  ): void;
  galoisRecover(
    ...args: [
      ...Rows,
      size: number,
      input: Uint8Array,
      inputRows: Uint8Array,
      inputScale: Uint8Array,
      output: Uint8Array,
      outputRows: Uint8Array,
      outputScale: Uint8Array,
    ]
  ): void;
  galoisCombine(
    rows: Uint8Array,
    rowBytes: number,
    count: number,
    coefficients: Uint8Array,
    out: Uint8Array,
  ): void;
};

const bytesOf = ({ buffer, byteOffset, byteLength }: Int32Array | Uint16Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

function rowsOf(
  {
    field,
    basis,
    rowBytes,
  }: { field: GaloisField; basis?: GaloisBasis | undefined; rowBytes: number },
  { start, end }: { start: number; end: number },
): Rows {
  const kind = field === 16 ? 2 : basis === 'polynomial' ? 1 : 0;
  return [kind, rowBytes, start, end];
}

const ONE_ROW = bytesOf(Int32Array.of(0));

/** The finite-field kernels over the addon. They work on the caller's memory: nothing is copied but ragged ends. */
export function nativeGalois(addon: GaloisAddon): GaloisKernels {
  return {
    workspace: (bytes) => new Uint8Array(bytes),
    mulAdd(job) {
      checkMulAdd(job);
      const { source, target } = job;
      if (source.length === 0) return;
      const rowBytes = source.length;
      const rows = rowsOf({ ...job, rowBytes }, { start: 0, end: rowBytes });
      const constant = bytesOf(Uint16Array.of(job.constant));
      addon.galoisMatrix(...rows, constant, source, ONE_ROW, target, ONE_ROW, 1);
    },
    multiplyMatrix(job) {
      const { columns, sourceRows, targetRows, constants } = checkMatrix(job);
      const [sources, targets] = [bytesOf(sourceRows), bytesOf(targetRows)];
      const rows = rowsOf(job, columns);
      addon.galoisMatrix(...rows, bytesOf(constants), job.source, sources, job.target, targets, 0);
    },
    transform(job) {
      const rows = rowsOf(job, checkTransform(job));
      const { source, sourceRows, sourcePoint, target, targetRows, targetPoint } = job;
      addon.galoisTransform(
        ...rows,
        job.blockRows,
        source,
        sourceRows,
        sourcePoint,
        target,
        targetRows,
        targetPoint,
      );
    },
    recover(job) {
      const rows = rowsOf(job, checkRecover(job));
      addon.galoisRecover(
        ...rows,
        job.size,
        job.input,
        bytesOf(job.inputRows),
        bytesOf(job.inputScale),
        job.output,
        bytesOf(job.outputRows),
        bytesOf(job.outputScale),
      );
    },
    combineRows(job) {
      const count = checkCombine(job);
      const out = job.out ?? new Uint8Array(16 * count);
      addon.galoisCombine(job.rows, job.rowBytes, count, job.coefficients, out);
      return out;
    },
  };
}
