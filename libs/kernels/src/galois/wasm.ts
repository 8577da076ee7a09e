import type { WasmSimd } from '../wasm-module.ts';
import type { GaloisKernels } from './galois.ts';
import { createGaloisMemory } from './wasm-memory.ts';
import { combineRows, mulAdd, multiplyMatrix } from './wasm-rows.ts';
import { recover, transform } from './wasm-transform.ts';

/** The finite-field kernels on WASM SIMD, 108 MiB of memory that is only touched when used. `simd` forces a build (tests). */
export async function wasmGalois(simd?: WasmSimd): Promise<GaloisKernels> {
  const memory = await createGaloisMemory(simd);
  return {
    workspace: (bytes) => memory.workspace(bytes),
    mulAdd: (job) => mulAdd(memory, job),
    multiplyMatrix: (job) => multiplyMatrix(memory, job),
    transform: (job) => transform(memory, job),
    recover: (job) => recover(memory, job),
    combineRows: (job) => combineRows(memory, job),
  };
}
