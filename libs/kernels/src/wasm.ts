import { wasmGalois } from './galois/wasm.ts';
import { wasmKeccak } from './keccak/wasm.ts';
import type { Kernels } from './kernels.ts';
import { wasmMining } from './mining/wasm.ts';
import { referenceSha256 } from './sha256/reference.ts';
import type { WasmSimd } from './wasm-module.ts';
import { wordXor } from './xor/words.ts';

/**
 * Compiles and instantiates the WASM kernels (a few ms). Relaxed SIMD is used where this engine has it; `simd` forces one
 * form of the modules that have two (tests). Throws where WASM SIMD is missing.
 */
export async function wasmKernels(simd?: WasmSimd): Promise<Kernels> {
  const [keccak, mining, galois] = await Promise.all([
    wasmKeccak(),
    wasmMining(simd),
    wasmGalois(simd),
  ]);
  return {
    backend: 'wasm',
    ...keccak,
    ...wordXor,
    sha256: referenceSha256,
    mining,
    galois,
  };
}
