import { type KeccakKernels, SECTOR_BYTES } from './keccak.ts';

const SEGMENT_BYTES = 262_144;
const SEGMENT_LEAVES = 1024;

/**
 * Root of a left-heavy tree over `leafCount` sectors: the bytes of `data` (its last sector zero-filled), then zero sectors.
 * `leafCount` 1..1024 and at least the sectors of `data`. 32 new bytes. Source: spec/storage-protocol.md 2.3.
 *
 * Splits into perfect subtrees of descending powers of two, as the submission nodes do, and folds them from the right.
 */
export function segmentRootOf(
  kernels: KeccakKernels,
  data: Uint8Array,
  leafCount: number,
): Uint8Array {
  if (leafCount === SEGMENT_LEAVES && data.length === SEGMENT_BYTES)
    return kernels.sectorTreeRoots(data, SEGMENT_LEAVES);
  let padded = data;
  if (data.length < leafCount * SECTOR_BYTES) {
    padded = new Uint8Array(leafCount * SECTOR_BYTES);
    padded.set(data);
  }
  const nodes: Uint8Array[] = [];
  let at = 0;
  for (let size = SEGMENT_LEAVES; size >= 1; size >>= 1) {
    if (leafCount - at < size) continue;
    nodes.push(
      kernels.sectorTreeRoots(padded.subarray(at * SECTOR_BYTES, (at + size) * SECTOR_BYTES), size),
    );
    at += size;
  }
  let root = nodes.pop()!;
  const pair = new Uint8Array(64);
  for (let left = nodes.pop(); left; left = nodes.pop()) {
    pair.set(left);
    pair.set(root, 32);
    root = kernels.hashPairs(pair);
  }
  return root;
}

/** Roots of consecutive 256 KiB segments; the last one may be shorter and hashes over `lastLeafCount` leaves. */
export function segmentRootsOf(
  kernels: KeccakKernels,
  data: Uint8Array,
  lastLeafCount: number,
): Uint8Array {
  const count = Math.ceil(data.length / SEGMENT_BYTES);
  const whole =
    data.length % SEGMENT_BYTES === 0 && lastLeafCount === SEGMENT_LEAVES ? count : count - 1;
  const roots = new Uint8Array(32 * count);
  if (whole > 0)
    kernels.sectorTreeRoots(data.subarray(0, whole * SEGMENT_BYTES), SEGMENT_LEAVES, roots);
  if (whole < count)
    roots.set(
      segmentRootOf(kernels, data.subarray(whole * SEGMENT_BYTES), lastLeafCount),
      32 * whole,
    );
  return roots;
}
