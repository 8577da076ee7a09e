import type { GaloisKernels, Sha256Kernels } from '@cairn/kernels';

/** What the codec computes with: two families of `Kernels`. */
export type DaKernels = { readonly sha256: Sha256Kernels; readonly galois: GaloisKernels };
