/*
 * Rebuilds a blob from rows of any members, whoever lies. A row is kept only after its path and its linear combination have
 * been checked, so any K kept rows are rows of one code word and decode to the blob that was certified: no re-encoding
 * (spec/da-encoding.md sections 11 and 12). Memory: K rows, once more while decoding, and one byte per row.
 */
import { erasureError } from '../errors.ts';
import { rowCode } from './commitment.ts';
import { rowCountOf } from './format.ts';
import { readCertifiedFrame } from './frame.ts';
import type { DaKernels } from './kernels.ts';
import type { RowProof, Shard } from './proof.ts';
import { checkRow, checkShard, type OpenCommitment } from './verify.ts';

/** Collects rows of one open commitment until there are enough. */
export class BlobReader {
  readonly open: OpenCommitment;
  readonly #kernels: DaKernels;
  readonly #rows: Uint8Array;
  readonly #indices: number[] = [];
  readonly #have: Uint8Array;

  constructor(kernels: DaKernels, open: OpenCommitment) {
    const { shape, rowBytes } = open.format;
    this.#kernels = kernels;
    this.open = open;
    this.#rows = new Uint8Array(shape.dataRows * rowBytes);
    this.#have = new Uint8Array(rowCountOf(shape));
  }

  /** Distinct rows still needed; 0 when `payload` can be called. */
  get missingCount(): number {
    return this.open.format.shape.dataRows - this.#indices.length;
  }

  /** Whether row `index` is here. */
  has(index: number): boolean {
    return this.#have[index] === 1;
  }

  /**
   * Checks a row and copies it in; true when it was new and needed. A row that fails throws an `ERASURE_…` error that names
   * it, and nothing changes.
   */
  addRow(proof: RowProof): boolean {
    if (this.missingCount === 0 || this.has(proof.index)) return false;
    checkRow(this.#kernels, this.open, proof);
    this.#keep(proof.index, proof.row);
    return true;
  }

  /** The same for a shard whose indices are what was asked for: the number of rows that were new and needed. */
  addShard(shard: Shard, asked: readonly number[]): number {
    const { indices, rows } = checkShard(this.#kernels, this.open, shard, asked);
    const { rowBytes } = this.open.format;
    let added = 0;
    for (const [i, index] of indices.entries()) {
      if (this.missingCount === 0 || this.has(index)) continue;
      this.#keep(index, rows.subarray(i * rowBytes, (i + 1) * rowBytes));
      added++;
    }
    return added;
  }

  #keep(index: number, row: Uint8Array): void {
    this.#rows.set(row, this.#indices.length * row.length);
    this.#indices.push(index);
    this.#have[index] = 1;
  }

  /** All data rows, `K * rowBytes` new bytes. Throws `ERASURE_TOO_FEW_ROWS` (not_ready) before there are K. */
  dataRows(): Uint8Array {
    const { shape, rowBytes } = this.open.format;
    if (this.missingCount > 0) {
      const [have, needed] = [this.#indices.length, shape.dataRows];
      const details = { rows: have, needed };
      throw erasureError('ERASURE_TOO_FEW_ROWS', `${have} rows of the ${needed} needed`, details);
    }
    const code = rowCode(this.#kernels, this.open.format);
    return code.reconstruct({ rows: this.#rows, indices: this.#indices, rowBytes });
  }

  /** The payload (a view of new bytes), as `readCertifiedFrame` reads it. */
  payload(length?: number): Uint8Array {
    return readCertifiedFrame(this.open.format, this.dataRows(), length);
  }
}
