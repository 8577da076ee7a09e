/*
 * `K(abi(...))` of design/da-protocol.md: Keccak-256 over the words that Solidity's `abi.encode` gives for value types.
 * Everything this protocol hashes is made of static types, so an encoding is a list of 32-byte words and no offset is
 * ever needed. `test/reference.ts` makes the same hashes with viem's encoder, and the contracts with Solidity's.
 */
import { type Address, bytesToHex, type Hash32, type Hex, hexToBytes } from '@cairn/base';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { quorumError } from './errors.ts';

const WORD = 32;
const UINT256_END = 1n << 256n;

/** One word: an unsigned integer, 32 raw bytes, or an address. */
export type Word = number | bigint | Hash32 | Address | Uint8Array;

function writeUint(out: Uint8Array, at: number, value: number | bigint): void {
  let rest = BigInt(value);
  if (rest < 0n || rest >= UINT256_END)
    throw quorumError('QUORUM_VALUE', `not a uint256: ${value}`, { value: String(value) });
  for (let i = at + WORD - 1; rest > 0n; i--) {
    out[i] = Number(rest & 255n);
    rest >>= 8n;
  }
}

function writeBytes(out: Uint8Array, at: number, bytes: Uint8Array): void {
  if (bytes.length !== 32 && bytes.length !== 20)
    throw quorumError('QUORUM_VALUE', `a word has 32 or 20 bytes, got ${bytes.length}`);
  out.set(bytes, at + WORD - bytes.length);
}

/** The words in order, 32 bytes each. A new array. Throws `QUORUM_VALUE`. */
export function encodeWords(words: readonly Word[]): Uint8Array {
  const out = new Uint8Array(words.length * WORD);
  for (const [i, word] of words.entries()) {
    const at = i * WORD;
    if (typeof word === 'number') {
      if (!Number.isSafeInteger(word))
        throw quorumError('QUORUM_VALUE', `not a safe integer: ${word}`);
      writeUint(out, at, word);
    } else if (typeof word === 'bigint') writeUint(out, at, word);
    else writeBytes(out, at, typeof word === 'string' ? hexToBytes(word) : word);
  }
  return out;
}

/** Keccak-256 as 32 bytes. */
export function keccak(bytes: Uint8Array): Uint8Array {
  return keccak_256(bytes);
}

/** `K(abi(words))` as lowercase hex. */
export function hashWords(...words: readonly Word[]): Hash32 {
  return bytesToHex(keccak(encodeWords(words))) as Hash32;
}

/** A hash read as a big-endian uint256. */
export function hashToUint(hash: Hex): bigint {
  return BigInt(hash);
}

/** The bytes of a 32-byte value cut into words. `bytes.length` is a multiple of 32. */
export function wordsOf(bytes: Uint8Array): Uint8Array[] {
  if (bytes.length % WORD !== 0)
    throw quorumError('QUORUM_VALUE', `not whole words: ${bytes.length} bytes`);
  return Array.from({ length: bytes.length / WORD }, (_, i) =>
    bytes.subarray(i * WORD, (i + 1) * WORD),
  );
}
