import { assert } from '@cairn/base';

export interface XorKernels {
  /** `target ^= source`, equal lengths (asserted). They are one array or do not overlap. */
  xorInPlace(target: Uint8Array, source: Uint8Array): void;
}

/** Asserts equal lengths. */
export function checkXor(target: Uint8Array, source: Uint8Array): void {
  assert(target.length === source.length, 'xorInPlace: equal lengths');
}

/** The definition, byte by byte. */
export const referenceXor: XorKernels = {
  xorInPlace(target, source) {
    checkXor(target, source);
    for (let i = 0; i < target.length; i++) target[i]! ^= source[i]!;
  },
};
