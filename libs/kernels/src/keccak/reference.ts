// The definition of the Keccak kernels, on top of the audited @noble/hashes. Slow (about 0.1 M sectors/s) and obvious.
import { keccak_256 } from '@noble/hashes/sha3.js';
import { checkMany, checkTrees } from './checks.ts';
import { type KeccakKernels, SECTOR_BYTES } from './keccak.ts';

function keccak256Many(input: Uint8Array, itemBytes: number, out?: Uint8Array): Uint8Array {
  const count = checkMany(input, itemBytes, out);
  const target = out ?? new Uint8Array(32 * count);
  for (let i = 0; i < count; i++) {
    target.set(keccak_256(input.subarray(i * itemBytes, (i + 1) * itemBytes)), 32 * i);
  }
  return target;
}

function sectorTreeRoots(input: Uint8Array, leavesPerTree: number, out?: Uint8Array): Uint8Array {
  const trees = checkTrees(input, leavesPerTree, out);
  let level = keccak256Many(input, SECTOR_BYTES);
  while (level.length > 32 * trees) level = keccak256Many(level, 64);
  if (!out) return level;
  out.set(level);
  return out;
}

/** The plain TypeScript twin of the Keccak kernels. */
export const referenceKeccak: KeccakKernels = {
  keccak256: (input) => keccak_256(input),
  keccak256Many,
  sectorTreeRoots,
  hashPairs: (nodes, out) => keccak256Many(nodes, 64, out),
};
