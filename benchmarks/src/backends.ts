// Which backends of the kernels a run measures: `CAIRN_KERNELS=wasm` leaves the addon out, as on a machine without a compiler.
import { loadNativeKernels, type NativeResult } from '@cairn/kernels/node';

const isWasmOnly = process.env.CAIRN_KERNELS === 'wasm';

/** The addon, or why it is not measured. */
export const nativeBackend = (): NativeResult =>
  isWasmOnly ? { reason: 'CAIRN_KERNELS=wasm' } : loadNativeKernels();

/** What threads of a pool load. */
export const poolBackend = isWasmOnly ? 'wasm' : 'auto';
