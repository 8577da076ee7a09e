import type { KernelBackend, Kernels } from '../kernels.ts';
import { loadKernels } from '../load.ts';
import { wasmKernels } from '../wasm.ts';
import { cryptoSha256 } from './crypto-sha256.ts';
import { loadNativeKernels } from './native.ts';

export type NodeKernels = {
  kernels: Kernels;
  /** One sentence for people: which backend runs and why. */
  why: string;
};

/** WASM, but for what node:crypto does faster. */
async function nodeWasmKernels(): Promise<Kernels> {
  const kernels = await wasmKernels();
  return { ...kernels, sha256: cryptoSha256(kernels.sha256) };
}

/** Native kernels when built, WASM otherwise, or exactly the backend asked for where it exists. */
export async function loadNodeKernels(
  backend: 'auto' | KernelBackend = 'auto',
): Promise<NodeKernels> {
  if (backend === 'auto' || backend === 'native') {
    const native = loadNativeKernels();
    if (native.kernels) return { kernels: native.kernels, why: `native addon, ${native.isa}` };
    return { kernels: await nodeWasmKernels(), why: `WebAssembly SIMD: ${native.reason}` };
  }
  const why = `${backend}, as configured`;
  if (backend === 'wasm') return { kernels: await nodeWasmKernels(), why };
  return { kernels: await loadKernels({ backend }), why };
}
