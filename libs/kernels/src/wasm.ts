import { referenceGalois } from './galois/reference.ts';
import { wasmKeccak } from './keccak/wasm.ts';
import type { Kernels } from './kernels.ts';
import { referenceMining } from './mining/reference.ts';
import { referenceSha256 } from './sha256/reference.ts';
import { referenceXor } from './xor/xor.ts';

/** Compiles and instantiates the WASM kernels (a few ms). Throws where WASM SIMD is missing. */
export async function wasmKernels(): Promise<Kernels> {
  const [keccak] = await Promise.all([wasmKeccak()]);
  return {
    backend: 'wasm',
    ...keccak,
    ...referenceXor,
    sha256: referenceSha256,
    mining: referenceMining,
    galois: referenceGalois,
  };
}
