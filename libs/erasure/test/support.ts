import { isCodedError } from '@cairn/base';
import { referenceKernels } from '@cairn/kernels';
import type { DaKernels } from '../src/index.ts';

/** Kernels of plain TypeScript. */
export function plainKernels(): DaKernels {
  return referenceKernels();
}

/** The `code` of what `run` throws; undefined when it returns. */
export function codeOf(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error;
  }
}

/** A copy with one bit changed. */
export function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const out = bytes.slice();
  out[(bit >> 3) % out.length]! ^= 1 << (bit & 7);
  return out;
}

/** The payload of the vectors (see test/vectors/blob-0x11.json). */
export function payloadOf(bytes: number): Uint8Array {
  const out = new Uint8Array(bytes);
  for (let i = 0; i < bytes; i++) out[i] = i * 31 + (i >> 8) * 17 + (i >> 16) * 7 + 5;
  return out;
}

/** The `details` of the `CodedError` that `run` throws. */
export function detailsOf(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return isCodedError(error) ? error.details : error;
  }
}

/** How much a test of losses does: `usual`, or what `npm run soak` asks for (the testkit is not for this layer). */
export const faultCount = (usual: number): number => Number(process.env.CAIRN_FAULT_COUNT ?? usual);

/** The seed that the soak names; none in `npm test`. */
export const faultSeed = (): number | undefined =>
  process.env.CAIRN_FAULT_SEED === undefined ? undefined : Number(process.env.CAIRN_FAULT_SEED);
