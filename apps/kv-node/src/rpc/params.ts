// Untrusted positional parameters to typed values; each failure is the JSON-RPC error that clients know.
import { type Address, type Hash32, isCodedError, parseAddress, parseHash32 } from '@cairn/base';
import { KEY_BYTES_MAX, NEWEST } from '@cairn/kv';
import { invalidParams } from '@cairn/rpc';

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

export function parseStreamId(value: unknown): Hash32 {
  try {
    return parseHash32(value);
  } catch (error) {
    if (!isCodedError(error)) throw error;
    throw invalidParams('stream_id', 'expected 0x and 64 hex digits');
  }
}

export function parseAccount(value: unknown): Address {
  try {
    return parseAddress(value);
  } catch (error) {
    if (!isCodedError(error)) throw error;
    throw invalidParams('account', 'expected 0x and 40 hex digits');
  }
}

export function parseKey(value: unknown): Uint8Array {
  if (typeof value !== 'string' || value.length % 4 !== 0 || !BASE64.test(value))
    throw invalidParams('key', 'expected padded base64');
  const key = Buffer.from(value, 'base64');
  if (key.length === 0) throw invalidParams('key', 'key is empty');
  if (key.length > KEY_BYTES_MAX) throw invalidParams('key', 'key is too long');
  return key;
}

export function parsePosition(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0)
    throw invalidParams(name, 'expected a non-negative integer');
  return value;
}

/** Bytes to answer with. */
export function parseLength(value: unknown, max: number): number {
  const length = parsePosition(value, 'len');
  if (length > max) throw invalidParams('len', 'query length too large');
  return length;
}

export function parseFlag(value: unknown, name: string): boolean {
  if (typeof value !== 'boolean') throw invalidParams(name, 'expected true or false');
  return value;
}

/** Highest txSeq to look at; missing, null and everything from 2^53 - 1 on (Go sends 2^64 - 1) mean the newest. */
export function parseVersion(value: unknown): number {
  if (value === undefined || value === null) return NEWEST;
  return Math.min(NEWEST, parsePosition(value, 'version'));
}

/** A txSeq as a number (Go) or in decimal digits (TypeScript). */
export function parseSeq(value: unknown): number {
  const seq = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value;
  return parsePosition(seq, 'tx_seq');
}
