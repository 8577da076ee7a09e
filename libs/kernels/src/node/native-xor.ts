import { checkXor, type XorKernels } from '../xor/xor.ts';

/** native/addon-xor.c */
export type XorAddon = { xorInPlace(target: Uint8Array, source: Uint8Array): void };

/** XOR over the addon. */
export function nativeXor(addon: XorAddon): XorKernels {
  return {
    xorInPlace(target, source) {
      checkXor(target, source);
      addon.xorInPlace(target, source);
    },
  };
}
