import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bytesToHash32,
  bytesToHex,
  concatBytes,
  equalBytes,
  hexToBytes,
  isZeroBytes,
} from '../src/index.ts';

describe('bytes', () => {
  it('hex decode undoes hex encode, in any letter case and without 0x', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const hex = bytesToHex(bytes);
        expect(hexToBytes(hex)).toEqual(bytes);
        expect(hexToBytes(hex.slice(2).toUpperCase())).toEqual(bytes);
      }),
    );
  });

  it.each(['0x1', '0xzz', '0x0g', 'hello', '0x 1'])('refuses %s as hex', (text) => {
    expect(() => hexToBytes(text)).toThrowError(
      expect.objectContaining({ code: 'BASE_INVALID_HEX' }),
    );
  });

  it('refuses a hash of another length than 32', () => {
    expect(() => bytesToHash32(new Uint8Array(31))).toThrowError(/32 bytes/);
  });

  it('concatenation keeps order and copies', () => {
    const a = Uint8Array.of(1, 2);
    const out = concatBytes(a, new Uint8Array(0), Uint8Array.of(3));
    a[0] = 9;
    expect(out).toEqual(Uint8Array.of(1, 2, 3));
    expect(equalBytes(out, Uint8Array.of(1, 2, 3))).toBe(true);
    expect(equalBytes(out, Uint8Array.of(1, 2))).toBe(false);
    expect(isZeroBytes(new Uint8Array(3))).toBe(true);
    expect(isZeroBytes(out)).toBe(false);
  });
});
