import { wasmGalois } from './galois/wasm.ts';
import { wasmKeccak } from './keccak/wasm.ts';
import type { Kernels } from './kernels.ts';
import { wasmMining } from './mining/wasm.ts';
import { wasmSha256 } from './sha256/wasm.ts';
import type { WasmSimd } from './wasm-module.ts';
import { wordXor } from './xor/words.ts';

/**
 * Compiles and instantiates the WASM kernels (a few ms). Relaxed SIMD is used where this engine has it; `simd` forces one
 * form of the modules that have two (tests). Throws where WASM SIMD is missing.
 */
export async function wasmKernels(simd?: WasmSimd): Promise<Kernels> {
  const [keccak, mining, sha256, galois] = await Promise.all([
    wasmKeccak(),
    wasmMining(simd),
    wasmSha256(),
    wasmGalois(simd),
  ]);
  return {
    backend: 'wasm',
    ...keccak,
    ...wordXor,
    sha256,
    mining,
    galois,
  };
}
