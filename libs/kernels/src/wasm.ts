import { wasmKeccak } from './keccak/wasm.ts';
import type { Kernels } from './kernels.ts';

/** Compiles and instantiates the WASM kernels (a few ms). Throws where WASM SIMD is missing. */
export async function wasmKernels(): Promise<Kernels> {
  const [keccak] = await Promise.all([wasmKeccak()]);
  return { backend: 'wasm', ...keccak };
}
