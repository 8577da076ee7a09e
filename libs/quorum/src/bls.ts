/*
 * BLS12-381 signatures with keys in G1 (min-pk), suite BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_. Two implementations of one
 * interface: `blst` (Node, `@cairn/quorum/node`) and `@noble/curves` (anywhere). Points are compressed (48 and 96 bytes) off
 * chain and in EIP-2537 form on chain: each field element in 64 bytes whose first 16 are zero, c0 before c1.
 */
import { concatBytes, isZeroBytes } from '@cairn/base';
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { quorumError } from './errors.ts';

export const BLS_SUITE = 'BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_';
export const PUBLIC_KEY_BYTES = 48;
export const SIGNATURE_BYTES = 96;
export const SECRET_KEY_BYTES = 32;
/** Order of the groups. */
export const BLS_ORDER: bigint =
  0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001n;

/**
 * Guarantees of an implementation: points of strangers are checked (encoding, curve, subgroup, not the identity) before they
 * are used, and one that fails makes `verify*` false and every other method throw `QUORUM_POINT`. Not constant time in the
 * noble backend: a secret key belongs on a server that uses blst.
 */
export interface Bls {
  readonly backend: 'blst' | 'noble';
  /** Public key of a secret scalar, 48 bytes. */
  publicKey(secretKey: Uint8Array): Uint8Array;
  /** Signature on a 32-byte message, 96 bytes. Signing a hash of ours is the only use. */
  sign(secretKey: Uint8Array, message: Uint8Array): Uint8Array;
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  aggregatePublicKeys(publicKeys: readonly Uint8Array[]): Uint8Array;
  aggregateSignatures(signatures: readonly Uint8Array[]): Uint8Array;
  /**
   * Checks one aggregate signature on one message by all keys. The keys must have proven possession. A sum of keys that is
   * the identity is false.
   */
  verifyAggregate(
    publicKeys: readonly Uint8Array[],
    message: Uint8Array,
    signature: Uint8Array,
  ): boolean;
  /** Compressed key to 128 bytes of EIP-2537. */
  publicKeyToEvm(publicKey: Uint8Array): Uint8Array;
  /** Compressed signature to 256 bytes of EIP-2537. */
  signatureToEvm(signature: Uint8Array): Uint8Array;
  /** 128 bytes of EIP-2537 to a compressed key. */
  publicKeyFromEvm(bytes: Uint8Array): Uint8Array;
  /** 256 bytes of EIP-2537 to a compressed signature. */
  signatureFromEvm(bytes: Uint8Array): Uint8Array;
}

/**
 * A secret scalar from at least 32 secret bytes: KeyGen of draft-irtf-cfrg-bls-signature, as blst and EIP-2333 do it. The same
 * bytes give the same key in every implementation.
 */
export function secretKeyFromSeed(seed: Uint8Array): Uint8Array {
  if (seed.length < 32) throw quorumError('QUORUM_VALUE', 'a key needs at least 32 secret bytes');
  let salt: Uint8Array = new TextEncoder().encode('BLS-SIG-KEYGEN-SALT-');
  for (;;) {
    salt = sha256(salt);
    const okm = hkdf(sha256, concatBytes(seed, Uint8Array.of(0)), salt, Uint8Array.of(0, 48), 48);
    let scalar = 0n;
    for (const byte of okm) scalar = (scalar << 8n) | BigInt(byte);
    scalar %= BLS_ORDER;
    if (scalar === 0n) continue; // probability 2^-255
    const out = new Uint8Array(SECRET_KEY_BYTES);
    for (let i = 31; i >= 0; i--, scalar >>= 8n) out[i] = Number(scalar & 255n);
    return out;
  }
}

const FIELD_BYTES = 48;
const EVM_FIELD_BYTES = 64;
/** Order of the 48-byte coordinates in an uncompressed point against EIP-2537: the standard encoding puts c1 first. */
const G1_ORDER = [0, 1];
const G2_ORDER = [1, 0, 3, 2];

function toEvm(raw: Uint8Array, order: readonly number[]): Uint8Array {
  const out = new Uint8Array(order.length * EVM_FIELD_BYTES);
  for (const [i, from] of order.entries())
    out.set(
      raw.subarray(from * FIELD_BYTES, (from + 1) * FIELD_BYTES),
      i * EVM_FIELD_BYTES + EVM_FIELD_BYTES - FIELD_BYTES,
    );
  return out;
}

function fromEvm(bytes: Uint8Array, order: readonly number[]): Uint8Array {
  if (bytes.length !== order.length * EVM_FIELD_BYTES)
    throw quorumError('QUORUM_POINT', `wrong length of a point: ${bytes.length}`);
  const out = new Uint8Array(order.length * FIELD_BYTES);
  for (const [i, to] of order.entries()) {
    const field = bytes.subarray(i * EVM_FIELD_BYTES, (i + 1) * EVM_FIELD_BYTES);
    if (!isZeroBytes(field.subarray(0, EVM_FIELD_BYTES - FIELD_BYTES)))
      throw quorumError('QUORUM_POINT', 'the upper 16 bytes of a field element must be zero');
    out.set(field.subarray(EVM_FIELD_BYTES - FIELD_BYTES), to * FIELD_BYTES);
  }
  return out;
}

/** Uncompressed G1 (96 bytes) to EIP-2537 and back; the points themselves are not checked. */
export const g1ToEvm = (raw: Uint8Array): Uint8Array => toEvm(raw, G1_ORDER);
export const g1FromEvm = (bytes: Uint8Array): Uint8Array => fromEvm(bytes, G1_ORDER);
/** Uncompressed G2 (192 bytes) to EIP-2537 and back; the points themselves are not checked. */
export const g2ToEvm = (raw: Uint8Array): Uint8Array => toEvm(raw, G2_ORDER);
export const g2FromEvm = (bytes: Uint8Array): Uint8Array => fromEvm(bytes, G2_ORDER);

/** Lengths first: what is not even the size of a point never reaches a curve. */
export function assertLength(bytes: Uint8Array, expected: number, what: string): void {
  if (bytes.length !== expected)
    throw quorumError('QUORUM_POINT', `${what}: expected ${expected} bytes, got ${bytes.length}`, {
      expected,
      actual: bytes.length,
    });
}
