import type { GaloisKernels } from './galois/galois.ts';
import type { KeccakKernels } from './keccak/keccak.ts';
import type { MiningKernels } from './mining/mining.ts';
import type { Sha256Kernels } from './sha256/sha256.ts';
import type { XorKernels } from './xor/xor.ts';

/** Which implementation runs. `reference` is the readable definition; the others must equal it bit for bit. */
export type KernelBackend = 'reference' | 'wasm' | 'native';

/**
 * Every family of one backend: Keccak, which everything uses, stands at the top. An instance is synchronous, not reentrant,
 * and belongs to one thread.
 */
export interface Kernels extends KeccakKernels, XorKernels {
  readonly backend: KernelBackend;
  readonly sha256: Sha256Kernels;
  readonly mining: MiningKernels;
  readonly galois: GaloisKernels;
}
