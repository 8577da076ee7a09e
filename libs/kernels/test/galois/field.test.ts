import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  fieldInverse,
  fieldMul,
  fieldTables,
  type GaloisField,
  twiddleTables,
} from '../../src/index.ts';
import vectors from '../vectors/galois.json' with { type: 'json' };

const FIELDS = [
  { bits: 8, basis: 'cantor' },
  { bits: 8, basis: 'polynomial' },
  { bits: 16, basis: 'cantor' },
] as const;

describe.each(FIELDS)('GF(2^$bits) in the $basis basis', ({ bits, basis }) => {
  const element = fc.nat((1 << bits) - 1);
  const mul = (a: number, b: number): number => fieldMul(bits, a, b, basis);

  it('is a field: products associate, commute and distribute over XOR; 1 is one; inverses', () => {
    fc.assert(
      fc.property(element, element, element, (a, b, c) => {
        expect(mul(a, b)).toBe(mul(b, a));
        expect(mul(a, mul(b, c))).toBe(mul(mul(a, b), c));
        expect(mul(a, b ^ c)).toBe(mul(a, b) ^ mul(a, c));
        expect(mul(a, 1)).toBe(a);
        if (a !== 0) expect(mul(a, fieldInverse(bits, a, basis))).toBe(1);
      }),
    );
    expect(() => fieldInverse(bits, 0, basis)).toThrow(/inverse/);
  });

  it('has FFT constants that are the normalised subspace polynomials, and their slopes', () => {
    const { layers, derivative } = twiddleTables(bits, basis);
    const last = Math.min(bits, 8);
    for (let d = 0; d < last; d++) {
      const subspace = Array.from({ length: 1 << d }, (_, a) => a);
      const s = (x: number): number => subspace.reduce((product, a) => mul(product, x ^ a), 1);
      const inverse = fieldInverse(bits, s(1 << d), basis);
      for (const v of [0, 1 << d, 3 << d, 5 << d, (1 << bits) - 1]) {
        if (v >> bits === 0) expect(layers[d]![v >> d]).toBe(mul(s(v), inverse));
      }
      const slope = subspace.reduce((product, a) => (a === 0 ? product : mul(product, a)), 1);
      expect(derivative[d]).toBe(mul(slope, inverse));
    }
  });
});

describe.each([
  [8, vectors.field.gf8],
  [16, vectors.field.gf16],
] as const)('GF(2^%i) in Cantor coordinates', (bits: GaloisField, expected) => {
  const { log, exp, modulus } = fieldTables(bits);

  it('has the products, logarithms and powers of the vectors', () => {
    for (const { a, b, product } of expected.mul) expect(fieldMul(bits, a, b)).toBe(product);
    for (const one of expected.log) expect(log[one.a]).toBe(one.log);
    for (const one of expected.exp) {
      expect(exp[one.e]).toBe(one.exp);
      expect(exp[one.e + modulus]).toBe(one.exp);
    }
    const bytes = new Uint8Array(log.buffer);
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(
      expected.sha256_of_log_table_u16le_with_log0_as_0,
    );
  });

  it('has a basis in which b_i^2 + b_i = b_(i-1): FFT constants are shifts, slopes are 1', () => {
    for (let i = 1; i < bits; i++)
      expect(fieldMul(bits, 1 << i, 1 << i) ^ (1 << i)).toBe(1 << (i - 1));
    const { layers, derivative } = twiddleTables(bits);
    for (const layer of layers) expect(layer.every((value, i) => value === i)).toBe(true);
    expect([...derivative]).toEqual(new Array(bits).fill(1));
  });
});

it('GF(2^16) has no polynomial basis here', () => {
  expect(() => fieldTables(16, 'polynomial')).toThrow(/Cantor/);
});
