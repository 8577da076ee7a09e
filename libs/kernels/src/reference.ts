import { referenceGalois } from './galois/reference.ts';
import { referenceKeccak } from './keccak/reference.ts';
import type { Kernels } from './kernels.ts';
import { referenceMining } from './mining/reference.ts';
import { referenceSha256 } from './sha256/reference.ts';
import { referenceXor } from './xor/xor.ts';

/** The plain TypeScript twin of every kernel. */
export function referenceKernels(): Kernels {
  return {
    backend: 'reference',
    ...referenceKeccak,
    ...referenceXor,
    sha256: referenceSha256,
    mining: referenceMining,
    galois: referenceGalois,
  };
}
