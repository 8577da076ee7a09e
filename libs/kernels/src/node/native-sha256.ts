import { checkSha256Many } from '../sha256/checks.ts';
import type { Sha256Kernels } from '../sha256/sha256.ts';

/** native/addon-sha256.c */
export type Sha256Addon = {
  /** `prefix` is -1 for none. */
  sha256Many(
    input: Uint8Array,
    itemBytes: number,
    count: number,
    prefix: number,
    out: Uint8Array,
  ): void;
  sha256Pairs(nodes: Uint8Array, count: number, out: Uint8Array): void;
};

/** The SHA-256 kernels over the addon. */
export function nativeSha256(addon: Sha256Addon): Sha256Kernels {
  return {
    hashMany(input, itemBytes, options = {}) {
      const { prefix, out } = options;
      const count = checkSha256Many(input, itemBytes, prefix, out);
      const target = out ?? new Uint8Array(32 * count);
      addon.sha256Many(input, itemBytes, count, prefix ?? -1, target);
      return target;
    },
    hashPairs(nodes, out) {
      const count = checkSha256Many(nodes, 64, undefined, out);
      const target = out ?? new Uint8Array(32 * count);
      addon.sha256Pairs(nodes, count, target);
      return target;
    },
  };
}
