import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Kernels } from '../kernels.ts';
import { type GaloisAddon, nativeGalois } from './native-galois.ts';
import { type KeccakAddon, nativeKeccak } from './native-keccak.ts';
import { type MiningAddon, nativeMining } from './native-mining.ts';
import { nativeSha256, type Sha256Addon } from './native-sha256.ts';
import { nativeXor, type XorAddon } from './native-xor.ts';

/** Instruction sets the addon can be built for and forced to (tests); it picks the widest by itself. */
export type NativeIsa = 'portable' | 'neon' | 'avx2' | 'sha' | 'avx512' | 'gfni';

type Addon = KeccakAddon &
  MiningAddon &
  Sha256Addon &
  XorAddon &
  GaloisAddon & {
    isa(): NativeIsa;
    select(isa: NativeIsa): boolean;
  };

const ADDON = fileURLToPath(new URL('../../build/cairn_kernels.node', import.meta.url));

/** The native kernels, or why they are not there. */
export type NativeResult =
  | {
      kernels: Kernels;
      isa: NativeIsa;
      /** Limits every kernel of the process to an instruction set; false when there is no such thing here. */
      select(isa: NativeIsa): boolean;
    }
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
  const kernels: Kernels = {
    backend: 'native',
    ...nativeKeccak(addon),
    ...nativeXor(addon),
    sha256: nativeSha256(addon),
    mining: nativeMining(addon),
    galois: nativeGalois(addon),
  };
  return { kernels, isa: addon.isa(), select: (isa) => addon.select(isa) };
}
