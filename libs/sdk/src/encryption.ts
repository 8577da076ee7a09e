/*
 * Client-side encryption, readable by the official clients (storage-rpc section 13): stream = header ‖ AES-256-CTR.
 *
 * The stream carries no authentication tag of its own: a root names the exact ciphertext, and every download is verified
 * against it. A wrong key is not noticed by the format; the caller gets other bytes.
 */
import { bytesToHex, CodedError, concatBytes, type Hex, hexToBytes } from '@cairn/base';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import type { DownloadSink, UploadSource } from './source.ts';

const NONCE_BYTES = 16;
const BLOCK_BYTES = 16;
/** Header of version 1: version, nonce. */
export const SYMMETRIC_HEADER_BYTES = 17;
/** Header of version 2: version, compressed ephemeral public key, nonce. */
export const ECIES_HEADER_BYTES = 50;
const ECIES_INFO = utf8ToBytes('0g-storage-client/ecies/v1/aes-256');

/** How to encrypt: with a key both sides have, or to the public key of an account. */
export type EncryptTo =
  | { key: Uint8Array }
  | {
      /** Compressed or uncompressed secp256k1 key. */
      recipient: Hex;
    };
/** What opens a stream: the 32-byte key of version 1, the private key of version 2, or both. */
export type DecryptWith = { key?: Uint8Array | undefined; privateKey?: Hex | undefined };

/** The parsed or fresh header of a stream and the key that belongs to it. */
export type Cipher = {
  header: Uint8Array;
  /** XORs the keystream onto `bytes` that stand at `offset` of the plaintext; a new array. */
  apply(offset: number, bytes: Uint8Array): Promise<Uint8Array>;
};

/** 16 pseudo-random bytes from a secret and what is encrypted, so that the same input gives the same stream. */
function derivedNonce(secret: Uint8Array, context: Uint8Array): Uint8Array {
  return hmac(sha256, secret, concatBytes(utf8ToBytes('cairn/nonce/v1'), context)).subarray(
    0,
    NONCE_BYTES,
  );
}

/**
 * A cipher for one new stream. With `plaintextRoot` the nonce is derived from key and content (as in SIV modes): the
 * same file under the same key has the same root, so an interrupted upload goes on and a repeated one is free; nobody
 * without the key learns more than that two streams are equal. Without it the nonce is random.
 * `ephemeralSeed` (32 secret bytes) does the same for encryption to a public key.
 * Throws `SDK_ENCRYPT_KEY` for a key of the wrong length or off the curve.
 */
export async function newCipher(
  to: EncryptTo,
  options: { plaintextRoot?: Uint8Array; ephemeralSeed?: Uint8Array } = {},
): Promise<Cipher> {
  const { plaintextRoot, ephemeralSeed } = options;
  const random = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length));
  if ('key' in to) {
    checkKey(to.key);
    const nonce = plaintextRoot ? derivedNonce(to.key, plaintextRoot) : random(NONCE_BYTES);
    return cipher(concatBytes(Uint8Array.of(1), nonce), to.key, nonce);
  }
  const recipient = publicKey(to.recipient);
  const context = concatBytes(recipient, plaintextRoot ?? new Uint8Array());
  const ephemeral =
    ephemeralSeed && plaintextRoot
      ? secp256k1.utils.randomSecretKey(
          hkdf(
            sha256,
            ephemeralSeed,
            undefined,
            concatBytes(utf8ToBytes('cairn/ephemeral/v1'), context),
            48,
          ),
        )
      : secp256k1.utils.randomSecretKey();
  const nonce =
    ephemeralSeed && plaintextRoot ? derivedNonce(ephemeral, context) : random(NONCE_BYTES);
  const header = concatBytes(Uint8Array.of(2), secp256k1.getPublicKey(ephemeral, true), nonce);
  return cipher(header, sharedKey(ephemeral, recipient), nonce);
}

/**
 * The cipher of an existing stream from its first bytes (50 are enough).
 * Throws `SDK_DECRYPT_FORMAT` for no header, `SDK_DECRYPT_KEY` when the matching key is not given.
 */
export async function openCipher(start: Uint8Array, keys: DecryptWith): Promise<Cipher> {
  const version = start[0];
  if (version === 1 && start.length >= SYMMETRIC_HEADER_BYTES) {
    if (!keys.key) throw missingKey('with a key', 'give --encryption-key FILE');
    checkKey(keys.key);
    const header = start.slice(0, SYMMETRIC_HEADER_BYTES);
    return cipher(header, keys.key, header.subarray(1));
  }
  if (version === 2 && start.length >= ECIES_HEADER_BYTES) {
    if (!keys.privateKey)
      throw missingKey('to a public key', 'give --decrypt-key FILE with the private key');
    const header = start.slice(0, ECIES_HEADER_BYTES);
    const key = sharedKey(
      hexToBytes(keys.privateKey),
      publicKey(bytesToHex(header.subarray(1, 34))),
    );
    return cipher(header, key, header.subarray(34));
  }
  throw new CodedError({
    code: 'SDK_DECRYPT_FORMAT',
    kind: 'invalid',
    message: 'the file is not encrypted in a way that is known here',
    hint: 'download it without a key to see its bytes',
  });
}

/** The AES key that a private and a public key share. */
export function sharedKey(privateKey: Uint8Array, peer: Uint8Array): Uint8Array {
  let point: Uint8Array;
  try {
    point = secp256k1.getSharedSecret(privateKey, peer, true);
  } catch (error) {
    throw keyError('the key is not one of secp256k1', error);
  }
  return hkdf(sha256, point.subarray(1), undefined, ECIES_INFO, 32);
}

async function cipher(header: Uint8Array, key: Uint8Array, nonce: Uint8Array): Promise<Cipher> {
  const aes = await crypto.subtle.importKey('raw', key.slice(), 'AES-CTR', false, ['encrypt']);
  return {
    header,
    async apply(offset, bytes) {
      const skip = offset % BLOCK_BYTES;
      let input = bytes;
      if (skip !== 0) {
        input = new Uint8Array(skip + bytes.length);
        input.set(bytes, skip);
      }
      const out = await crypto.subtle.encrypt(
        {
          name: 'AES-CTR',
          counter: counterBlock(nonce, Math.floor(offset / BLOCK_BYTES)) as BufferSource,
          length: 128,
        },
        aes,
        input as BufferSource,
      );
      return new Uint8Array(out, skip);
    },
  };
}

/** nonce + block as a 128-bit big-endian number that wraps. */
function counterBlock(nonce: Uint8Array, block: number): Uint8Array {
  const out = new Uint8Array(nonce);
  let carry = block;
  for (let i = 15; i >= 0 && carry > 0; i--) {
    const sum = out[i]! + (carry % 256);
    out[i] = sum & 255;
    carry = Math.floor(carry / 256) + (sum >> 8);
  }
  return out;
}

/** The encrypted stream of a source, made on the fly; any part can be read again. */
export function encryptedSource(plain: UploadSource, { header, apply }: Cipher): UploadSource {
  const size = plain.size + header.length;
  return {
    size,
    async read(start, end) {
      const from = Math.max(0, start - header.length);
      const to = Math.max(0, end - header.length);
      const body = to > from ? await apply(from, await plain.read(from, to)) : new Uint8Array();
      if (start >= header.length) return body;
      return concatBytes(header.subarray(start, Math.min(end, header.length)), body);
    },
  };
}

/** Decrypts what is written: offsets in are of the stream, offsets out of the plaintext. The header is swallowed. */
export function decryptingSink(sink: DownloadSink, { header, apply }: Cipher): DownloadSink {
  return {
    async write(offset, bytes) {
      const skip = Math.max(0, Math.min(bytes.length, header.length - offset));
      const body = bytes.subarray(skip);
      if (body.length === 0) return;
      const at = offset + skip - header.length;
      await sink.write(at, await apply(at, body));
    },
  };
}

function checkKey(key: Uint8Array): void {
  if (key.length !== 32) throw keyError(`an encryption key has 32 bytes, not ${key.length}`);
}

function publicKey(hex: Hex): Uint8Array {
  try {
    return secp256k1.Point.fromHex(hex.slice(2)).toBytes(true);
  } catch (error) {
    throw keyError('the public key is not a point of secp256k1', error);
  }
}

function keyError(message: string, cause?: unknown): CodedError {
  return new CodedError({ code: 'SDK_ENCRYPT_KEY', kind: 'invalid', message, cause });
}

function missingKey(how: string, hint: string): CodedError {
  return new CodedError({
    code: 'SDK_DECRYPT_KEY',
    kind: 'invalid',
    message: `the file is encrypted ${how}, which was not given`,
    hint,
  });
}
