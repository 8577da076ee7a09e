/*
 * A blob from payload to commitment, with the proofs of its rows. The frame is written where the data rows will stay and the
 * parity rows are computed behind them: one buffer of n * rowBytes (four times the blob), 96 bytes per row of trees.
 */
import { assert } from '@cairn/base';
import {
  commitmentOf,
  RLC_BYTES,
  rlcCoefficients,
  rlcTree,
  rowCode,
  rowLeaves,
} from './commitment.ts';
import {
  type BlobFormat,
  type BlobShape,
  type BlobVersion,
  rowCountOf,
  versionRules,
} from './format.ts';
import { formatFor, writeFrame } from './frame.ts';
import type { DaKernels } from './kernels.ts';
import { multiproofOf } from './multiproof.ts';
import { pieceProofOf } from './piece.ts';
import type { DataRowProof, PieceProof, RowProof, Shard } from './proof.ts';
import { HashTree } from './tree.ts';

/** An encoded blob. All arrays it gives are views of its own memory unless said otherwise: do not write to them. */
export class EncodedBlob {
  readonly format: BlobFormat;
  /** All rows, data first: `n * rowBytes` bytes. */
  readonly rows: Uint8Array;
  /** Linear combinations of the data rows, 16 bytes each. */
  readonly rlc: Uint8Array;
  /** 32 bytes. */
  readonly commitment: Uint8Array;
  readonly #kernels: DaKernels;
  readonly #rowTree: HashTree;
  readonly #rlcTree: HashTree;

  constructor(
    kernels: DaKernels,
    parts: { format: BlobFormat; rows: Uint8Array; rowTree: HashTree; rlc: Uint8Array },
  ) {
    const { format, rows, rowTree, rlc } = parts;
    this.#kernels = kernels;
    this.format = format;
    this.rows = rows;
    this.rlc = rlc;
    this.#rowTree = rowTree;
    this.#rlcTree = rlcTree(kernels.sha256, format, rlc);
    this.commitment = commitmentOf(kernels.sha256, format, this);
  }

  get rowRoot(): Uint8Array {
    return this.#rowTree.root;
  }

  get rlcRoot(): Uint8Array {
    return this.#rlcTree.root;
  }

  /** Row `index`, data rows first. */
  row(index: number): Uint8Array {
    const { shape, rowBytes } = this.format;
    assert(Number.isInteger(index) && index >= 0 && index < rowCountOf(shape), 'no such row');
    return this.rows.subarray(index * rowBytes, (index + 1) * rowBytes);
  }

  /** Row `index` with its path (new bytes). */
  rowProof(index: number): RowProof {
    return { index, row: this.row(index), path: this.#rowTree.path(index) };
  }

  /** Data row `index` with the paths of both trees (new bytes). */
  dataRowProof(index: number): DataRowProof {
    assert(index < this.format.shape.dataRows, 'a data row');
    return { ...this.rowProof(index), rlcPath: this.#rlcTree.path(index) };
  }

  /** Rows `indices` (strictly increasing) under one proof; rows and siblings are new bytes. */
  shard(indices: readonly number[]): Shard {
    const { rowBytes } = this.format;
    const rows = new Uint8Array(indices.length * rowBytes);
    for (const [i, index] of indices.entries()) rows.set(this.row(index), i * rowBytes);
    return {
      indices: [...indices],
      rows,
      siblings: multiproofOf(this.#rowTree, indices),
      rowRoot: this.rowRoot,
      rlc: this.rlc,
    };
  }

  /** Answer to a challenge of one piece of one row. Version 0x11. */
  pieceProof(rowIndex: number, pieceIndex: number): PieceProof {
    const { row, path } = this.rowProof(rowIndex);
    const at = { rowIndex, pieceIndex, row, rowPath: path, rlcRoot: this.rlcRoot };
    return pieceProofOf(this.#kernels.sha256, this.format, at);
  }
}

/** Row tree, linear combinations and commitment of rows that are a code word already (data first). `rows` is kept. */
export function certifyRows(kernels: DaKernels, format: BlobFormat, rows: Uint8Array): EncodedBlob {
  const { shape, rowBytes } = format;
  assert(rows.length === rowCountOf(shape) * rowBytes, 'all rows');
  const leaves = rowLeaves(kernels.sha256, format, rows);
  const rowTree = new HashTree(kernels.sha256, versionRules(format.version), leaves);
  const coefficients = rlcCoefficients(kernels.sha256, format, rowTree.root);
  const data = rows.subarray(0, shape.dataRows * rowBytes);
  const rlc = kernels.galois.combineRows({
    rows: data,
    rowBytes,
    coefficients,
    out: new Uint8Array(shape.dataRows * RLC_BYTES),
  });
  return new EncodedBlob(kernels, { format, rows, rowTree, rlc });
}

/**
 * Encodes a payload. Throws `ERASURE_PAYLOAD` when it is empty or does not fit the shape. `rows`, when given, is the memory
 * to use (`n * rowBytes` bytes, any content; see `formatFor`), so that a caller may pool or share it.
 */
export function encodeBlob(
  kernels: DaKernels,
  payload: Uint8Array,
  options: { version: BlobVersion; shape: BlobShape; rows?: Uint8Array | undefined },
): EncodedBlob {
  const { version, shape } = options;
  const format = formatFor(payload.length, version, shape);
  const { rowBytes } = format;
  const rows = options.rows ?? new Uint8Array(rowCountOf(shape) * rowBytes);
  assert(rows.length === rowCountOf(shape) * rowBytes, 'rows has n * rowBytes bytes');
  writeFrame(format, payload, rows);
  const split = shape.dataRows * rowBytes;
  rowCode(kernels, format).encode(rows.subarray(0, split), rowBytes, rows.subarray(split));
  return certifyRows(kernels, format, rows);
}
