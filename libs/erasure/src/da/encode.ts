/*
 * A blob from payload to commitment, with the proofs of its rows. The frame is written where the data rows will stay and the
 * parity rows are computed behind them: one buffer of n * rowBytes (four times the blob), 96 bytes per row of trees.
 */
import { assert } from '@cairn/base';
import {
  type KernelTask,
  splitCombineRows,
  splitHashPieceTrees,
  splitTransform,
  type TaskRunner,
} from '@cairn/kernels';
import {
  commitmentOf,
  pieceJob,
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
import { HASH_BYTES, HashTree } from './tree.ts';

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
    return { ...this.shardProof(indices), rows };
  }

  /** The same without the rows, for a sender that streams them. */
  shardProof(indices: readonly number[]): Omit<Shard, 'rows'> {
    return {
      indices: [...indices],
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

/** What both ways of encoding share: rows with the frame in them. */
function framedRows(
  payload: Uint8Array,
  { version, shape, rows: memory }: EncodeOptions,
  allocate: (bytes: number) => Uint8Array,
): { format: BlobFormat; rows: Uint8Array; data: Uint8Array; parity: Uint8Array } {
  const format = formatFor(payload.length, version, shape);
  const bytes = rowCountOf(shape) * format.rowBytes;
  const rows = memory ?? allocate(bytes);
  assert(rows.length === bytes, 'rows has n * rowBytes bytes');
  writeFrame(format, payload, rows);
  const split = shape.dataRows * format.rowBytes;
  return { format, rows, data: rows.subarray(0, split), parity: rows.subarray(split) };
}

/** Row tree, linear combinations and commitment of rows that are a code word already (data first). `rows` is kept. */
export function certifyRows(kernels: DaKernels, format: BlobFormat, rows: Uint8Array): EncodedBlob {
  const { shape, rowBytes, version } = format;
  assert(rows.length === rowCountOf(shape) * rowBytes, 'all rows');
  const { sha256, galois } = kernels;
  const rowTree = new HashTree(sha256, versionRules(version), rowLeaves(sha256, format, rows));
  const coefficients = rlcCoefficients(sha256, format, rowTree.root);
  const data = rows.subarray(0, shape.dataRows * rowBytes);
  const rlc = galois.combineRows({ rows: data, rowBytes, coefficients });
  return new EncodedBlob(kernels, { format, rows, rowTree, rlc });
}

export type EncodeOptions = {
  version: BlobVersion;
  shape: BlobShape;
  /**
   * Memory to use, so that a caller may pool or share it: `n * rowBytes` bytes (see `formatFor`) of any content. In that of
   * `kernels.galois.workspace` WASM encodes 1.3 times as fast, and the rows last until the next blob takes their place.
   */
  rows?: Uint8Array | undefined;
};

/** Encodes a payload in this thread. Throws `ERASURE_PAYLOAD` when it is empty or does not fit the shape. */
export function encodeBlob(
  kernels: DaKernels,
  payload: Uint8Array,
  options: EncodeOptions,
): EncodedBlob {
  const allocate = (bytes: number): Uint8Array => new Uint8Array(bytes);
  const { format, rows, data, parity } = framedRows(payload, options, allocate);
  rowCode(kernels, format).encode(data, format.rowBytes, parity);
  return certifyRows(kernels, format, rows);
}

const shared = (bytes: number): Uint8Array => new Uint8Array(new SharedArrayBuffer(bytes));

/** Tasks per thread and step: enough that a thread that was late does not leave the others waiting for long. */
const TASKS_PER_THREAD = 4;

/**
 * The same blob with the rows computed, hashed and combined by the threads of `runner`; this thread does the trees. `rows`,
 * when given, is on shared memory and is the runner's until the promise settles. Rejects with `ERASURE_PAYLOAD`, the
 * signal's reason, or what the runner reports. Worth it from about 1 MiB.
 */
export async function encodeBlobInThreads(
  kernels: DaKernels,
  runner: TaskRunner,
  payload: Uint8Array,
  options: EncodeOptions & { signal?: AbortSignal | undefined },
): Promise<EncodedBlob> {
  const { sha256 } = kernels;
  const { format, rows, data, parity } = framedRows(payload, options, shared);
  const { rowBytes, version, shape } = format;
  const parts = TASKS_PER_THREAD * runner.threads;
  const run = (tasks: KernelTask[]): Promise<void> => runner.run(tasks, options);

  await run(splitTransform(rowCode(kernels, format).encodeJob(data, rowBytes, parity), parts));
  const leaves = shared(HASH_BYTES * rowCountOf(shape));
  await run(splitHashPieceTrees({ ...pieceJob(format, rows), out: leaves }, parts));
  const rowTree = new HashTree(sha256, versionRules(version), leaves);
  const coefficients = shared(8 * rowBytes);
  coefficients.set(rlcCoefficients(sha256, format, rowTree.root));
  const rlc = shared(shape.dataRows * RLC_BYTES);
  await run(splitCombineRows({ rows: data, rowBytes, coefficients, out: rlc }, parts));
  return new EncodedBlob(kernels, { format, rows, rowTree, rlc });
}
