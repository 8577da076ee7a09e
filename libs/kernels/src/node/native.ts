import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { checkMany, checkTrees } from '../checks.ts';
import type { Kernels } from '../kernels.ts';

/** Instruction sets the addon can be built for and forced to (tests); it picks the widest by itself. */
export type NativeIsa = 'portable' | 'avx2' | 'avx512' | 'neon';

type Addon = {
  keccakMany(input: Uint8Array, itemBytes: number, count: number, out: Uint8Array): void;
  sectorTreeRoots(
    input: Uint8Array,
    leavesPerTree: number,
    treeCount: number,
    out: Uint8Array,
  ): void;
  isa(): NativeIsa;
  select(isa: NativeIsa): boolean;
};

const ADDON = fileURLToPath(new URL('../../build/cairn_kernels.node', import.meta.url));

/** The native kernels, or why they are not there. */
export type NativeResult =
  | { kernels: Kernels; isa: NativeIsa; select(isa: NativeIsa): boolean }
  | { kernels?: undefined; reason: string };

/**
 * Loads the addon that `npm run build` compiled when the machine has a C compiler. Never throws: a machine without it
 * loses speed, not function.
 */
export function loadNativeKernels(): NativeResult {
  let addon: Addon;
  try {
    addon = createRequire(import.meta.url)(ADDON) as Addon;
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND';
    return {
      reason: missing ? 'the addon was not built (no C compiler at install)' : String(error),
    };
  }
  return { kernels: wrap(addon), isa: addon.isa(), select: (isa) => addon.select(isa) };
}

function wrap(addon: Addon): Kernels {
  const keccak256Many: Kernels['keccak256Many'] = (input, itemBytes, out) => {
    const count = checkMany(input, itemBytes, out);
    const target = out ?? new Uint8Array(32 * count);
    addon.keccakMany(input, itemBytes, count, target);
    return target;
  };
  return {
    backend: 'native',
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
