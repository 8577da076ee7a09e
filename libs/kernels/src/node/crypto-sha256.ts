/*
 * SHA-256 of long items by node:crypto, whose OpenSSL uses the SHA instructions of the CPU: twice as fast as four messages at a
 * time in 128-bit lanes. A call costs half a microsecond before it hashes, so short items stay with the other kernels.
 */
import { hash } from 'node:crypto';
import { checkSha256Many } from '../sha256/checks.ts';
import type { Sha256Kernels } from '../sha256/sha256.ts';

/** Items from which node:crypto wins over WASM; at 600 bytes both are equally fast. */
const ITEM_BYTES_MIN = 1024;
/** Longest item that is copied behind its prefix. */
const PREFIXED_BYTES_MAX = 64 * 1024;

/** `kernels`, with items of 1 KiB and more hashed by node:crypto. */
export function cryptoSha256(kernels: Sha256Kernels): Sha256Kernels {
  const prefixed = new Uint8Array(1 + PREFIXED_BYTES_MAX);
  return {
    hashPairs: (nodes, out) => kernels.hashPairs(nodes, out),
    hashMany(input, itemBytes, options = {}) {
      const { prefix, out } = options;
      const isShort = itemBytes < ITEM_BYTES_MIN;
      if (isShort || (prefix !== undefined && itemBytes > PREFIXED_BYTES_MAX))
        return kernels.hashMany(input, itemBytes, options);
      const count = checkSha256Many(input, itemBytes, prefix, out);
      const result = out ?? new Uint8Array(32 * count);
      const target = Buffer.from(result.buffer, result.byteOffset, result.length);
      if (prefix !== undefined) prefixed[0] = prefix;
      for (let i = 0, at = 0; i < count; i++, at += itemBytes) {
        let message = input.subarray(at, at + itemBytes);
        if (prefix !== undefined) {
          prefixed.set(message, 1);
          message = prefixed.subarray(0, 1 + itemBytes);
        }
        // A string of 32 characters: a Buffer for every digest costs more.
        target.write(hash('sha256', message, 'binary'), 32 * i, 'latin1');
      }
      return result;
    },
  };
}
