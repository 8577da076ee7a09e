/*
 * Checks of rows against a commitment (spec/da-encoding.md section 10), in the order a member makes them before it signs
 * (design/da-protocol.md section 3):
 *
 *     indices exactly the assigned ones -> one row size -> exact paths to one row root -> tree of the combinations and
 *     commitment -> extension of the combinations by our own encoder -> combination of every row
 *
 * What depends on the commitment alone (its last three parts but the rows' combinations) is an `OpenCommitment`, made once
 * and used for every row of the blob, whoever sends it.
 */
import { equalBytes, log2Exact } from '@cairn/base';
import { erasureError } from '../errors.ts';
import {
  commitmentOf,
  extendRlc,
  RLC_BYTES,
  rlcCoefficients,
  rlcTree,
  rowLeaves,
} from './commitment.ts';
import { type BlobFormat, rowCountOf, versionRules } from './format.ts';
import type { DaKernels } from './kernels.ts';
import { foldMultiproof, multiproofBytes } from './multiproof.ts';
import type { DataRowProof, RowProof, Shard } from './proof.ts';
import { foldPaths, HASH_BYTES, hashLeaves } from './tree.ts';

/** Which blob: its commitment (32 bytes) and what its header says of it. */
export type BlobId = { format: BlobFormat; commitment: Uint8Array };

/** A commitment whose row root and combinations are known and checked. 24 bytes per row and 8 per byte of a row. */
export type OpenCommitment = BlobId & {
  readonly rowRoot: Uint8Array;
  /** Combinations of the data rows. */
  readonly rlc: Uint8Array;
  readonly rlcRoot: Uint8Array;
  /** Combinations of all rows, extended here. */
  readonly extended: Uint8Array;
  readonly coefficients: Uint8Array;
};

/**
 * Checks that a row root and combinations hash to the commitment, and extends the combinations. Keeps `rlc` and `rowRoot`.
 * Throws `ERASURE_RLC_LENGTH`, `ERASURE_PROOF_LENGTH` or `ERASURE_COMMITMENT`.
 */
export function openCommitment(
  kernels: DaKernels,
  { format, commitment }: BlobId,
  { rowRoot, rlc }: { rowRoot: Uint8Array; rlc: Uint8Array },
): OpenCommitment {
  const expected = format.shape.dataRows * RLC_BYTES;
  if (rlc.length !== expected) {
    throw erasureError('ERASURE_RLC_LENGTH', `${rlc.length} bytes of combinations`, {
      expected,
      actual: rlc.length,
    });
  }
  if (rowRoot.length !== HASH_BYTES)
    throw erasureError('ERASURE_PROOF_LENGTH', 'a row root has 32 bytes');
  const rlcRoot = rlcTree(kernels.sha256, format, rlc).root;
  if (!equalBytes(commitmentOf(kernels.sha256, format, { rowRoot, rlcRoot }), commitment)) {
    throw erasureError(
      'ERASURE_COMMITMENT',
      'the row root and the combinations do not hash to the commitment',
    );
  }
  return {
    format,
    commitment,
    rowRoot,
    rlc,
    rlcRoot,
    extended: extendRlc(kernels, format, rlc),
    coefficients: rlcCoefficients(kernels.sha256, format, rowRoot),
  };
}

function checkRowLength({ rowBytes }: BlobFormat, index: number, row: Uint8Array): void {
  if (row.length === rowBytes) return;
  throw erasureError('ERASURE_ROW_LENGTH', `row ${index} has ${row.length} bytes`, {
    index,
    expected: rowBytes,
    actual: row.length,
  });
}

function checkIndex({ shape }: BlobFormat, index: number): void {
  if (Number.isInteger(index) && index >= 0 && index < rowCountOf(shape)) return;
  throw erasureError('ERASURE_ROW_INDEX', `there is no row ${index}`, { index });
}

function checkPathLength(path: Uint8Array, leafCount: number, index: number): void {
  const expected = log2Exact(leafCount) * HASH_BYTES;
  if (path.length === expected) return;
  throw erasureError('ERASURE_PROOF_LENGTH', `the path of row ${index} has the wrong length`, {
    index,
    expected,
    actual: path.length,
  });
}

/** First of `rows` whose combination is not the code word's. */
function findBadRow(
  kernels: DaKernels,
  open: OpenCommitment,
  indices: readonly number[],
  rows: Uint8Array,
): number | undefined {
  const { format, coefficients, extended } = open;
  const combined = kernels.galois.combineRows({ rows, rowBytes: format.rowBytes, coefficients });
  return indices.find((index, i) => {
    const own = combined.subarray(i * RLC_BYTES, (i + 1) * RLC_BYTES);
    return !equalBytes(own, extended.subarray(index * RLC_BYTES, (index + 1) * RLC_BYTES));
  });
}

/** `committed`: the row is under the row root, so the encoder cheated; otherwise it was changed on the way. */
function badRow(index: number, committed: boolean): Error {
  const message = `row ${index} is not on the code word of this commitment`;
  return erasureError('ERASURE_ROW_RLC', message, { index, committed });
}

/** Checks one row of an open commitment. Throws an `ERASURE_…` error that names it. */
export function checkRow(kernels: DaKernels, open: OpenCommitment, proof: RowProof): void {
  const { format } = open;
  const { index, row, path } = proof;
  checkIndex(format, index);
  checkRowLength(format, index, row);
  const rowCount = rowCountOf(format.shape);
  checkPathLength(path, rowCount, index);
  const root = foldPaths(kernels.sha256, versionRules(format.version), {
    indices: [index],
    leaves: rowLeaves(kernels.sha256, format, row),
    paths: path,
    depth: log2Exact(rowCount),
  });
  if (!equalBytes(root, open.rowRoot)) {
    throw erasureError('ERASURE_ROW_PATH', `row ${index} is not under the row root`, { index });
  }
  if (findBadRow(kernels, open, [index], row) !== undefined) throw badRow(index, true);
}

/** A shard that passed every check. */
export type CheckedShard = {
  open: OpenCommitment;
  indices: readonly number[];
  /** Rows in that order: the shard's own bytes. */
  rows: Uint8Array;
  /** Path of one of the rows to the row root, `log2 n * 32` new bytes: to keep and to serve it with. */
  pathOf(index: number): Uint8Array;
};

function checkIndices(format: BlobFormat, shard: Shard, assigned: readonly number[]): void {
  const refuse = (index: number | undefined, what: string): Error =>
    erasureError('ERASURE_ROW_INDEX', `the shard has ${what}`, { index });
  const { indices } = shard;
  // Lengths first: a stranger's list is not walked further than the assigned one.
  if (indices.length > assigned.length) {
    throw refuse(undefined, `${indices.length} rows where ${assigned.length} are assigned`);
  }
  for (const [i, index] of assigned.entries()) {
    checkIndex(format, index);
    if (indices[i] === index) continue;
    throw refuse(index, `row ${indices[i]} where row ${index} is assigned`);
  }
}

/**
 * Checks the rows that `assigned` (strictly increasing, one at least) names, in the order above, against `open` when the
 * commitment is open already. Throws an `ERASURE_…` error; `details.index` names a bad row wherever one is to blame.
 */
export function checkShard(
  kernels: DaKernels,
  blob: BlobId | OpenCommitment,
  shard: Shard,
  assigned: readonly number[],
): CheckedShard {
  const { format } = blob;
  const { indices, rows, siblings } = shard;
  checkIndices(format, shard, assigned);
  if (rows.length !== indices.length * format.rowBytes) {
    throw erasureError('ERASURE_ROW_LENGTH', 'the rows are not of the size the header says', {
      expected: indices.length * format.rowBytes,
      actual: rows.length,
    });
  }
  const depth = log2Exact(rowCountOf(format.shape));
  const expected = multiproofBytes(indices, depth);
  if (siblings.length !== expected) {
    throw erasureError('ERASURE_PROOF_LENGTH', 'the proof of the rows has the wrong length', {
      expected,
      actual: siblings.length,
    });
  }
  const folded = foldMultiproof(kernels.sha256, versionRules(format.version), {
    indices,
    leaves: rowLeaves(kernels.sha256, format, rows),
    siblings,
    depth,
  });
  const open = 'extended' in blob ? blob : openCommitment(kernels, blob, shard);
  // Compared after the combinations, so that a changed row is named; what is left then is a changed sibling.
  const committed = equalBytes(folded.root, open.rowRoot);
  const bad = findBadRow(kernels, open, indices, rows);
  if (bad !== undefined) throw badRow(bad, committed);
  if (!committed)
    throw erasureError('ERASURE_MULTIPROOF', 'the siblings do not lead the rows to the row root');
  return { open, indices, rows, pathOf: folded.pathOf };
}

/**
 * Checks a data row against nothing but a commitment. It says that the row is part of what was committed to and certified;
 * it does not say that the rows are a code word (that takes the combinations and 148 random rows). Throws `ERASURE_…`.
 */
export function checkDataRow(
  kernels: DaKernels,
  { format, commitment }: BlobId,
  proof: DataRowProof,
): void {
  const { index, row, path, rlcPath } = proof;
  const { shape, version, rowBytes } = format;
  checkIndex(format, index);
  if (index >= shape.dataRows) {
    const message = `row ${index} is a parity row: it needs the combinations`;
    throw erasureError('ERASURE_ROW_INDEX', message, { index });
  }
  checkRowLength(format, index, row);
  checkPathLength(path, rowCountOf(shape), index);
  checkPathLength(rlcPath, shape.dataRows, index);
  const rules = versionRules(version);
  const fold = (leaves: Uint8Array, paths: Uint8Array, count: number): Uint8Array =>
    foldPaths(kernels.sha256, rules, { indices: [index], leaves, paths, depth: log2Exact(count) });
  const rowRoot = fold(rowLeaves(kernels.sha256, format, row), path, rowCountOf(shape));
  const coefficients = rlcCoefficients(kernels.sha256, format, rowRoot);
  const rlc = kernels.galois.combineRows({ rows: row, rowBytes, coefficients });
  const rlcRoot = fold(hashLeaves(kernels.sha256, rlc, RLC_BYTES), rlcPath, shape.dataRows);
  if (!equalBytes(commitmentOf(kernels.sha256, format, { rowRoot, rlcRoot }), commitment))
    throw erasureError('ERASURE_COMMITMENT', `row ${index} is not of this commitment`, { index });
}
