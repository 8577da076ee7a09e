import type { KernelBackend, Kernels } from '../kernels.ts';
import { loadKernels } from '../load.ts';
import { loadNativeKernels } from './native.ts';

export type NodeKernels = {
  kernels: Kernels;
  /** One sentence for people: which backend runs and why. */
  why: string;
};

/** Native kernels when built, WASM otherwise, or exactly the backend asked for where it exists. */
export async function loadNodeKernels(
  backend: 'auto' | KernelBackend = 'auto',
): Promise<NodeKernels> {
  if (backend === 'auto' || backend === 'native') {
    const native = loadNativeKernels();
    if (native.kernels) return { kernels: native.kernels, why: `native addon, ${native.isa}` };
    return { kernels: await loadKernels(), why: `WebAssembly SIMD: ${native.reason}` };
  }
  return { kernels: await loadKernels({ backend }), why: `${backend}, as configured` };
}
