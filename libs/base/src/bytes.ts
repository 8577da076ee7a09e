import type { Hash32, Hex } from './brand.ts';
import { CodedError } from './errors.ts';

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));

/** `0x` + lowercase hex of the bytes. */
export function bytesToHex(bytes: Uint8Array): Hex {
  let out = '0x';
  for (let i = 0; i < bytes.length; i++) out += HEX[bytes[i]!];
  return out as Hex;
}

/** Hex of 32 bytes, as a brand. Throws on another length. */
export function bytesToHash32(bytes: Uint8Array): Hash32 {
  if (bytes.length !== 32) {
    throw new CodedError({
      code: 'BASE_INVALID_VALUE',
      kind: 'invalid',
      message: `hash: expected 32 bytes, got ${bytes.length}`,
    });
  }
  return bytesToHex(bytes) as Hash32;
}

function nibble(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  if (code >= 97 && code <= 102) return code - 87;
  if (code >= 65 && code <= 70) return code - 55;
  return -1;
}

/** Bytes of a hex string, `0x` optional, any letter case. Throws `BASE_INVALID_HEX`. Returns a new array. */
export function hexToBytes(hex: string): Uint8Array {
  const start = hex.startsWith('0x') || hex.startsWith('0X') ? 2 : 0;
  const digits = hex.length - start;
  const out = new Uint8Array(digits >> 1);
  for (let i = 0; i < out.length; i++) {
    const high = nibble(hex.charCodeAt(start + 2 * i));
    const low = nibble(hex.charCodeAt(start + 2 * i + 1));
    if (high < 0 || low < 0) throw invalidHex(hex);
    out[i] = (high << 4) | low;
  }
  if (digits % 2 !== 0) throw invalidHex(hex);
  return out;
}

function invalidHex(hex: string): CodedError {
  return new CodedError({
    code: 'BASE_INVALID_HEX',
    kind: 'invalid',
    message: `not a hex string: ${hex.slice(0, 40)}`,
  });
}

/** A new array holding the inputs in order. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/** Byte equality; not constant time, never for secrets. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** True when every byte is zero. */
export function isZeroBytes(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}
