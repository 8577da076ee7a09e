// 32-byte big-endian words, and hashes of single small inputs. Bulk hashing belongs to @cairn/kernels.
import { bytesToHash32, type Hash32 } from '@cairn/base';
import { blake2b } from '@noble/hashes/blake2.js';
import { keccak_256 } from '@noble/hashes/sha3.js';

export const U256_MAX: bigint = 2n ** 256n - 1n;

/** `value` as 32 bytes big-endian. Exact for safe integers and for bigints below 2^256. */
export function u256(value: number | bigint): Uint8Array {
  const out = new Uint8Array(32);
  let rest = BigInt(value);
  for (let i = 31; rest > 0n && i >= 0; i--) {
    out[i] = Number(rest & 255n);
    rest >>= 8n;
  }
  return out;
}

/** Big-endian bytes as a bigint. */
export function bytesToBigint(bytes: Uint8Array): bigint {
  let out = 0n;
  for (let i = 0; i < bytes.length; i++) out = (out << 8n) | BigInt(bytes[i]!);
  return out;
}

/** Big-endian bytes modulo `divisor` (1 to 2^45, so that every step is exact in a double). */
export function bytesModulo(bytes: Uint8Array, divisor: number): number {
  let rest = 0;
  for (let i = 0; i < bytes.length; i++) rest = (rest * 256 + bytes[i]!) % divisor;
  return rest;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Keccak-256 of the concatenation. */
export function keccak(...parts: readonly Uint8Array[]): Uint8Array {
  return keccak_256(joined(parts));
}

export function keccakHash32(...parts: readonly Uint8Array[]): Hash32 {
  return bytesToHash32(keccak(...parts));
}

/** BLAKE2b with a 64-byte digest, no key and no salt, of the concatenation. */
export function blake2b512(...parts: readonly Uint8Array[]): Uint8Array {
  return blake2b(joined(parts), { dkLen: 64 });
}
