import { segmentDataBytes } from '../src/index.ts';

export const SEGMENT = 262_144;

/** Bytes of the vectors' pattern (spec/storage-protocol.md 2.6). */
export function patternBytes(size: number, seed = 0): Uint8Array {
  const out = new Uint8Array(size);
  for (let i = 0; i < size; i++) out[i] = (i * 31 + (i >> 8) * 17 + (i >> 16) * 7 + 5 + seed) & 255;
  return out;
}

/** Segment `index` as it goes over the wire: whole sectors, zero-filled. */
export function segmentOf(bytes: Uint8Array, index: number): Uint8Array {
  const out = new Uint8Array(segmentDataBytes(bytes.length, index));
  out.set(bytes.subarray(index * SEGMENT, index * SEGMENT + out.length));
  return out;
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
