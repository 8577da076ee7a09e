import { checkMany, checkTrees } from '../keccak/checks.ts';
import type { KeccakKernels } from '../keccak/keccak.ts';

/** native/addon-keccak.c */
export type KeccakAddon = {
  keccakMany(input: Uint8Array, itemBytes: number, count: number, out: Uint8Array): void;
  sectorTreeRoots(
    input: Uint8Array,
    leavesPerTree: number,
    treeCount: number,
    out: Uint8Array,
  ): void;
};

/** The Keccak kernels over the addon. */
export function nativeKeccak(addon: KeccakAddon): KeccakKernels {
  const keccak256Many: KeccakKernels['keccak256Many'] = (input, itemBytes, out) => {
    const count = checkMany(input, itemBytes, out);
    const target = out ?? new Uint8Array(32 * count);
    addon.keccakMany(input, itemBytes, count, target);
    return target;
  };
  return {
    keccak256(input) {
      const out = new Uint8Array(32);
      addon.keccakMany(input, input.length, 1, out);
      return out;
    },
    keccak256Many,
    sectorTreeRoots(input, leavesPerTree, out) {
      const trees = checkTrees(input, leavesPerTree, out);
      const target = out ?? new Uint8Array(32 * trees);
      addon.sectorTreeRoots(input, leavesPerTree, trees, target);
      return target;
    },
    hashPairs: (nodes, out) => keccak256Many(nodes, 64, out),
  };
}
