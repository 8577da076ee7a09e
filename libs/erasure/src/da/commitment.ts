/*
 * What a blob is called, and the linear combination that ties its rows to one code word. Sources: spec/da-encoding.md
 * sections 7 and 8, design/da-protocol.md section 3.
 *
 *     seed        = SHA256(rowRoot || LE32 K || LE32 N || LE32 rowBytes)
 *     h_j         = SHA256(seed || LE32 j);   coefficient j, limb k = LE16(h_j[2k..]) ^ LE16(h_j[16+2k..])
 *     z_i         = XOR over symbols j of row i: sym_(i,j) * coefficient j, limb by limb         (16 bytes)
 *     commitment  = SHA256(rowRoot || rlcRoot)                                                   0x00, 0x10
 *                   SHA256(0x02 || 0x11 || shape || LE32 rowBytes || rowRoot || rlcRoot)         0x11
 *
 * z of the data rows (the "rlc", 16 K bytes) is part of every shard. The code is linear and works column by column, so z of
 * a parity row must be the code's extension of them.
 */
import { assert } from '@cairn/base';
import { hashPieceTrees, type PiecesJob, type Sha256Kernels } from '@cairn/kernels';
import { ReedSolomon } from '../code/reed-solomon.ts';
import { type BlobFormat, rowCountOf, versionRules } from './format.ts';
import type { DaKernels } from './kernels.ts';
import { HASH_BYTES, HashTree, hashLeaves, LEAF_PREFIX } from './tree.ts';

/** Bytes of one linear combination: 8 limbs, LE16. */
export const RLC_BYTES = 16;
const LIMBS = 8;
/** Bytes of a planar block of the code (32 symbols), of which a combination fills the first 8. */
const BLOCK_BYTES = 64;
const HIGH = 32;

/** SHA-256 of one input; 32 new bytes. */
function hashOne(sha: Sha256Kernels, input: Uint8Array): Uint8Array {
  return sha.hashMany(input, input.length);
}

/** How the leaves of consecutive rows are made: trees over their pieces (one piece, the row, in versions without). */
export function pieceJob(format: BlobFormat, rows: Uint8Array): PiecesJob {
  const { rowBytes } = format;
  const { pieceBytes = rowBytes } = versionRules(format.version);
  return { rows, rowBytes, pieceBytes, prefix: LEAF_PREFIX };
}

/** Leaves of consecutive rows (from raw bytes): 32 bytes each. */
export function rowLeaves(sha: Sha256Kernels, format: BlobFormat, rows: Uint8Array): Uint8Array {
  return hashPieceTrees(sha, pieceJob(format, rows));
}

/** Coefficients of the linear combination: 16 bytes (8 limbs, LE16) per symbol, `8 * rowBytes` bytes. */
export function rlcCoefficients(
  sha: Sha256Kernels,
  { shape, rowBytes }: BlobFormat,
  rowRoot: Uint8Array,
): Uint8Array {
  assert(rowRoot.length === HASH_BYTES, 'a root has 32 bytes');
  const preimage = new Uint8Array(HASH_BYTES + 12);
  const view = new DataView(preimage.buffer);
  preimage.set(rowRoot);
  view.setUint32(32, shape.dataRows, true);
  view.setUint32(36, shape.parityRows, true);
  view.setUint32(40, rowBytes, true);
  const seed = hashOne(sha, preimage);

  const count = rowBytes / 2;
  const items = new Uint8Array(36 * count);
  const itemsView = new DataView(items.buffer);
  for (let j = 0; j < count; j++) {
    items.set(seed, 36 * j);
    itemsView.setUint32(36 * j + 32, j, true);
  }
  const hashes = sha.hashMany(items, 36);
  const out = new Uint8Array(RLC_BYTES * count);
  for (let j = 0; j < count; j++)
    for (let k = 0; k < RLC_BYTES; k++)
      out[RLC_BYTES * j + k] = hashes[32 * j + k]! ^ hashes[32 * j + 16 + k]!;
  return out;
}

/** Tree over the linear combinations of the data rows (16 bytes each). */
export function rlcTree(sha: Sha256Kernels, format: BlobFormat, rlc: Uint8Array): HashTree {
  assert(rlc.length === format.shape.dataRows * RLC_BYTES, 'a combination per data row');
  return new HashTree(sha, versionRules(format.version), hashLeaves(sha, rlc, RLC_BYTES));
}

/** The commitment of a blob: 32 bytes. */
export function commitmentOf(
  sha: Sha256Kernels,
  { version, shape, rowBytes }: BlobFormat,
  { rowRoot, rlcRoot }: { rowRoot: Uint8Array; rlcRoot: Uint8Array },
): Uint8Array {
  const headBytes = versionRules(version).boundCommitment ? 7 : 0;
  const preimage = new Uint8Array(headBytes + 2 * HASH_BYTES);
  if (headBytes > 0) {
    preimage.set([0x02, version, shape.id]);
    new DataView(preimage.buffer).setUint32(3, rowBytes, true);
  }
  preimage.set(rowRoot, headBytes);
  preimage.set(rlcRoot, headBytes + HASH_BYTES);
  return hashOne(sha, preimage);
}

/** The code of a format's rows. */
export function rowCode(kernels: DaKernels, { version, shape }: BlobFormat): ReedSolomon {
  const { dataRows, parityRows } = shape;
  const { layout } = versionRules(version);
  return new ReedSolomon(kernels.galois, { field: 16, layout, dataRows, parityRows });
}

/**
 * Linear combinations of all rows (16 bytes each, data rows first) from those of the data rows, by the rows' own code: limb k
 * rides in symbol k of a 64-byte row. About a millisecond per 4096 data rows.
 */
export function extendRlc(kernels: DaKernels, format: BlobFormat, rlc: Uint8Array): Uint8Array {
  const { dataRows, parityRows } = format.shape;
  assert(rlc.length === dataRows * RLC_BYTES, 'a combination per data row');
  const data = new Uint8Array(dataRows * BLOCK_BYTES);
  for (let i = 0; i < dataRows; i++) {
    for (let k = 0; k < LIMBS; k++) {
      data[BLOCK_BYTES * i + k] = rlc[RLC_BYTES * i + 2 * k]!;
      data[BLOCK_BYTES * i + HIGH + k] = rlc[RLC_BYTES * i + 2 * k + 1]!;
    }
  }
  const parity = rowCode(kernels, format).encode(data, BLOCK_BYTES);
  const out = new Uint8Array(rowCountOf(format.shape) * RLC_BYTES);
  out.set(rlc);
  for (let i = 0; i < parityRows; i++) {
    const at = RLC_BYTES * (dataRows + i);
    for (let k = 0; k < LIMBS; k++) {
      out[at + 2 * k] = parity[BLOCK_BYTES * i + k]!;
      out[at + 2 * k + 1] = parity[BLOCK_BYTES * i + HIGH + k]!;
    }
  }
  return out;
}
