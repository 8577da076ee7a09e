import { referenceKeccak } from './keccak/reference.ts';
import type { Kernels } from './kernels.ts';

/** The plain TypeScript twin of every kernel. */
export function referenceKernels(): Kernels {
  return { backend: 'reference', ...referenceKeccak };
}
