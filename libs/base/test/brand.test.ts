import { describe, expect, it } from 'vitest';
import {
  parseAddress,
  parseHash32,
  positionFromBigint,
  toSectorIndex,
  toTxSeq,
} from '../src/index.ts';

const invalid = expect.objectContaining({ code: 'BASE_INVALID_VALUE', kind: 'invalid' });

describe('brands', () => {
  it('hashes and addresses come out in lower case', () => {
    expect(parseHash32(`0x${'AB'.repeat(32)}`)).toBe(`0x${'ab'.repeat(32)}`);
    expect(parseAddress(`0x${'Cd'.repeat(20)}`)).toBe(`0x${'cd'.repeat(20)}`);
  });

  it.each([undefined, 7, '', '0x12', `0x${'g'.repeat(64)}`, 'ab'.repeat(32)])(
    'refuses %s as a hash',
    (value) => {
      expect(() => parseHash32(value)).toThrowError(invalid);
    },
  );

  it.each([-1, 0.5, Number.NaN, 2 ** 53])('refuses %s as a position', (value) => {
    expect(() => toTxSeq(value)).toThrowError(invalid);
    expect(() => toSectorIndex(value)).toThrowError(invalid);
  });

  it('takes 2^53-1 and nothing above from the ABI', () => {
    expect(positionFromBigint(2n ** 53n - 1n)).toBe(Number.MAX_SAFE_INTEGER);
    expect(() => positionFromBigint(2n ** 53n)).toThrowError(invalid);
    expect(() => positionFromBigint(-1n)).toThrowError(invalid);
  });
});
