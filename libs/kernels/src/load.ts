import type { KernelBackend, Kernels } from './kernels.ts';
import { referenceKernels } from './reference.ts';
import { wasmKernels } from './wasm.ts';

export type LoadKernelsOptions = {
  /** `auto` and `native` give WASM here; `@cairn/kernels/node` has the native addon. */
  backend?: 'auto' | KernelBackend | undefined;
};

/** Loads the fastest kernels that run in a browser. `backend` of the result says what runs. */
export async function loadKernels(options: LoadKernelsOptions = {}): Promise<Kernels> {
  return options.backend === 'reference' ? referenceKernels() : wasmKernels();
}
