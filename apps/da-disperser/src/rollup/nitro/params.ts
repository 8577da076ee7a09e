// Parameters as Nitro writes them: bytes and hashes in 0x-hex, integers as 0x-hex quantities (spec/rollup-interfaces.md section 3).
import { hexToBytes } from '@cairn/base';
import { RpcError } from '@cairn/rpc';

const invalid = (name: string, expected: string): RpcError =>
  new RpcError(-32602, `invalid params: ${name} is not ${expected}`);

export function bytesParam(value: unknown, name: string): Uint8Array {
  if (typeof value !== 'string' || !/^0x([0-9a-fA-F]{2})*$/.test(value))
    throw invalid(name, '0x-hex bytes');
  return hexToBytes(value);
}

export function hashParam(value: unknown, name: string): Uint8Array {
  const bytes = bytesParam(value, name);
  if (bytes.length !== 32) throw invalid(name, 'a 32-byte hash');
  return bytes;
}

export function uint64Param(value: unknown, name: string): bigint {
  if (typeof value !== 'string' || !/^0x[0-9a-fA-F]{1,16}$/.test(value))
    throw invalid(name, 'a 0x-hex uint64');
  return BigInt(value);
}

/** A uint64 that is a count or a size: what does not fit a number is `Number.MAX_SAFE_INTEGER`, beyond every limit. */
export function countParam(value: unknown, name: string): number {
  const found = uint64Param(value, name);
  return found > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(found);
}
