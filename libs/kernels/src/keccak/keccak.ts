/**
 * Batch hashing. Every function takes views and writes to the front of `out` when given (which it returns) or to a new
 * array. `out` may begin where the input begins when items have 32 bytes or more, so a tree can be hashed in place; it must
 * not overlap otherwise. Lengths are asserted: a wrong one is the caller's bug.
 */
export interface KeccakKernels {
  /** Keccak-256 of one input of any length; 32 new bytes. */
  keccak256(input: Uint8Array): Uint8Array;
  /** Keccak-256 of `input.length / itemBytes` consecutive inputs; 32 bytes each, in order. */
  keccak256Many(input: Uint8Array, itemBytes: number, out?: Uint8Array): Uint8Array;
  /**
   * Roots of perfect binary trees over 256-byte sectors: `input` holds trees of `leavesPerTree` (a power of two, at most
   * 1024) sectors each; 32 bytes per tree.
   */
  sectorTreeRoots(input: Uint8Array, leavesPerTree: number, out?: Uint8Array): Uint8Array;
  /** One Merkle level: n pairs of nodes (64 n bytes) to n parents (32 n bytes). */
  hashPairs(nodes: Uint8Array, out?: Uint8Array): Uint8Array;
}

/** Bytes of one leaf of every storage tree. */
export const SECTOR_BYTES = 256;
/** Most leaves `sectorTreeRoots` takes per tree: one segment. */
export const TREE_LEAVES_MAX = 1024;
