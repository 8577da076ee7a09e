// Every backend this machine can run, for suites that hold all of them to the reference.
import { type Kernels, wasmKernels } from '../../src/index.ts';
import { loadNativeKernels, loadNodeKernels } from '../../src/node/index.ts';

export type BackendUnderTest = {
  name: string;
  /** Call before each use: instruction sets are chosen per process. */
  load(): Promise<Kernels>;
};

const native = loadNativeKernels();
const wasm = { relaxed: wasmKernels('relaxed'), strict: wasmKernels('strict') };

/** WASM as Node has it, with node:crypto where that is faster. */
export const wasmInNode: BackendUnderTest = {
  name: 'wasm in Node',
  load: async () => (await loadNodeKernels('wasm')).kernels,
};

/** WASM in both forms, and the addon once per instruction set of this CPU. */
export const backends: readonly BackendUnderTest[] = [
  { name: 'wasm (relaxed SIMD where there is)', load: () => wasm.relaxed },
  { name: 'wasm strict', load: () => wasm.strict },
  ...(['portable', 'neon', 'avx2', 'sha', 'avx512', 'gfni'] as const)
    .filter((isa) => native.kernels && native.select(isa))
    .map((isa) => ({
      name: `native ${isa}`,
      load: async () => {
        if (!native.kernels) throw new Error('unreachable');
        native.select(isa);
        return native.kernels;
      },
    })),
];

/** `length` bytes that differ from place to place, starting `offset` bytes into their buffer. */
export function testBytes(length: number, seed: number, offset = 0): Uint8Array {
  const out = new Uint8Array(offset + length).subarray(offset);
  let state = seed >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    out[i] = state >>> 24;
  }
  return out;
}
