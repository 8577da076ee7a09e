// The hashing libraries that the kernels suite compares with, each asked the way it is fastest.
import { createHash, hash } from 'node:crypto';
import { hashInto } from '@chainsafe/as-sha256';
import { blake2b } from '@noble/hashes/blake2.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { createBLAKE2b, createKeccak, createSHA256 } from 'hash-wasm';
import sha3 from 'js-sha3';
import type { PlainHashes } from './pora.ts';

type One = (input: Uint8Array) => Uint8Array;

/** One function per hash and library; results are new or reused buffers, to be read at once. */
export type HashPeers = {
  keccak256: Record<string, One>;
  blake2b512: Record<string, One>;
  sha256: Record<string, One>;
  /** One Merkle level at a time. */
  sha256Level(nodes: Uint8Array, out: Uint8Array): void;
  plain: Record<'noble' | 'hash-wasm', PlainHashes>;
};

export async function loadHashPeers(): Promise<HashPeers> {
  const [keccak, blake, sha] = await Promise.all([
    createKeccak(256),
    createBLAKE2b(512),
    createSHA256(),
  ]);
  const reused =
    (hasher: typeof keccak): One =>
    (input) =>
      hasher.init().update(input).digest('binary');
  const node = (name: string): One => {
    return (input) => createHash(name).update(input).digest();
  };
  return {
    keccak256: {
      noble: (input) => keccak_256(input),
      'hash-wasm': reused(keccak),
      'js-sha3': (input) => new Uint8Array(sha3.keccak256.arrayBuffer(input)),
    },
    blake2b512: {
      'node-crypto': node('blake2b512'),
      noble: (input) => blake2b(input),
      'hash-wasm': reused(blake),
    },
    sha256: {
      'node-crypto': (input) => hash('sha256', input, 'buffer'),
      noble: (input) => sha256(input),
      'hash-wasm': reused(sha),
    },
    sha256Level: hashInto,
    plain: {
      noble: { keccak256: (input) => keccak_256(input), blake2b512: (input) => blake2b(input) },
      'hash-wasm': { keccak256: reused(keccak), blake2b512: reused(blake) },
    },
  };
}
