// The definition of the SHA-256 kernels, on @noble/hashes.
import { sha256 } from '@noble/hashes/sha2.js';
import { checkSha256Many } from './checks.ts';
import type { Sha256Kernels } from './sha256.ts';

const hashMany: Sha256Kernels['hashMany'] = (input, itemBytes, options = {}) => {
  const { prefix, out } = options;
  const count = checkSha256Many(input, itemBytes, prefix, out);
  const target = out ?? new Uint8Array(32 * count);
  for (let i = 0; i < count; i++) {
    const hasher = sha256.create();
    if (prefix !== undefined) hasher.update(Uint8Array.of(prefix));
    hasher.update(input.subarray(i * itemBytes, (i + 1) * itemBytes));
    target.set(hasher.digest(), 32 * i);
  }
  return target;
};

/** The plain TypeScript twin of the SHA-256 kernels. */
export const referenceSha256: Sha256Kernels = {
  hashMany,
  hashPairs: (nodes, out) => hashMany(nodes, 64, { out }),
};
