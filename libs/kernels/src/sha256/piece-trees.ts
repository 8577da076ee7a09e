// Left-heavy SHA-256 trees over the pieces of rows: neighbours are paired level by level without a prefix, and an odd last
// node rises unpaired (design/da-protocol.md section 3).
import { divCeil } from '@cairn/base';
import { hashPieces, type PiecesJob } from './pieces.ts';
import type { Sha256Kernels } from './sha256.ts';

const HASH_BYTES = 32;

/** One level of `count` trees of `width` nodes each, one after another: the next level, densely packed. */
export function pieceLevel(
  sha256: Sha256Kernels,
  nodes: Uint8Array,
  { count, width }: { count: number; width: number },
): Uint8Array {
  if (width % 2 === 0) return sha256.hashPairs(nodes);
  const pairBytes = (width - 1) * HASH_BYTES;
  const widthBytes = width * HASH_BYTES;
  const pairs = new Uint8Array(count * pairBytes);
  for (let i = 0; i < count; i++)
    pairs.set(nodes.subarray(i * widthBytes, i * widthBytes + pairBytes), i * pairBytes);
  const parents = sha256.hashPairs(pairs);
  const nextBytes = pairBytes / 2 + HASH_BYTES;
  const out = new Uint8Array(count * nextBytes);
  for (let i = 0; i < count; i++) {
    const at = i * nextBytes;
    out.set(parents.subarray((i * pairBytes) / 2, ((i + 1) * pairBytes) / 2), at);
    const last = (i + 1) * widthBytes;
    out.set(nodes.subarray(last - HASH_BYTES, last), at + pairBytes / 2);
  }
  return out;
}

/** The root over the pieces of each row, 32 bytes each: `out` or a new array. A row of one piece has that piece's hash. */
export function hashPieceTrees(
  sha256: Sha256Kernels,
  job: PiecesJob & { out?: Uint8Array | undefined },
): Uint8Array {
  const count = job.rows.length / job.rowBytes;
  let width = divCeil(job.rowBytes, job.pieceBytes);
  if (width === 1) return hashPieces(sha256, job);
  let nodes = hashPieces(sha256, { ...job, out: undefined });
  for (; width > 1; width = divCeil(width, 2)) nodes = pieceLevel(sha256, nodes, { count, width });
  if (!job.out) return nodes;
  job.out.set(nodes);
  return job.out;
}
