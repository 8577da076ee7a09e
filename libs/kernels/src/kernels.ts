import type { KeccakKernels } from './keccak/keccak.ts';

/** Which implementation runs. `reference` is the readable definition; the others must equal it bit for bit. */
export type KernelBackend = 'reference' | 'wasm' | 'native';

/**
 * Every family of one backend: Keccak is used by everything and stands at the top. Instances are synchronous, not reentrant,
 * and belong to one thread.
 */
export interface Kernels extends KeccakKernels {
  readonly backend: KernelBackend;
}
