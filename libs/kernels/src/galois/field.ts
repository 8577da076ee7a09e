/*
 * GF(2^8) and GF(2^16): arithmetic tables, and the constants of additive FFTs over the points 0, 1, 2, … (the span of the
 * stored values 1, 2, 4, …). In Cantor coordinates a stored value v stands for the XOR of the basis elements of its set bits, and
 * the constants are shifts. Source: spec/da-encoding.md sections 2 and 3; for other bases Lin, Chung and Han, "Novel
 * polynomial basis and its application to Reed-Solomon erasure codes" (FOCS 2014).
 */
import { assert } from '@cairn/base';
import type { GaloisBasis, GaloisField } from './galois.ts';

/** Arithmetic tables of one field; logarithms are to base x of the polynomial basis. */
export type FieldTables = {
  readonly bits: GaloisField;
  readonly basis: GaloisBasis;
  /** 2^bits - 1: the order of the multiplicative group. */
  readonly modulus: number;
  /** log[v] for v > 0; log[0] is 0 and must not be used in products. */
  readonly log: Uint16Array;
  /** exp[e] for 0 <= e < 2 * modulus. */
  readonly exp: Uint16Array;
};

/** Constants of additive FFTs. With s_d(x) the product of (x - a) over the points a below 2^d, n_d = s_d(2^d): */
export type TwiddleTables = {
  /** `layers[d][v >> d]` = s_d(v) / n_d: the constant of the butterflies of rows 2^d apart whose first point is v. */
  readonly layers: readonly Uint16Array[];
  /** s_d' / n_d, a constant because s_d is a linearised polynomial: the formal derivative's factor for bit d. */
  readonly derivative: Uint16Array;
};

const POLYNOMIALS = { 8: 0x11d, 16: 0x1002d } as const;
const CANTOR_BASES = {
  8: [1, 214, 152, 146, 86, 200, 88, 230],
  16: [
    0x0001, 0xacca, 0x3c0e, 0x163e, 0xc582, 0xed2e, 0x914c, 0x4012, 0x6c98, 0x10d8, 0x6a72, 0xb900,
    0xfdb8, 0xfb34, 0xff38, 0x991e,
  ],
} as const;

function buildField(bits: GaloisField, basis: GaloisBasis): FieldTables {
  const order = 1 << bits;
  const modulus = order - 1;
  const polynomialLog = new Uint16Array(order);
  for (let e = 0, state = 1; e < modulus; e++) {
    polynomialLog[state] = e;
    state <<= 1;
    if (state >= order) state ^= POLYNOMIALS[bits];
  }
  const elements = new Uint16Array(order);
  const log = new Uint16Array(order);
  const exp = new Uint16Array(2 * modulus);
  for (let v = 1; v < order; v++) {
    const bit = 31 - Math.clz32(v & -v);
    const unit = basis === 'cantor' ? CANTOR_BASES[bits][bit]! : 1 << bit;
    elements[v] = elements[v & (v - 1)]! ^ unit;
    const e = polynomialLog[elements[v]!]!;
    log[v] = e;
    exp[e] = v;
    exp[e + modulus] = v;
  }
  return { bits, basis, modulus, log, exp };
}

const fields = new Map<string, FieldTables>();
const twiddles = new Map<string, TwiddleTables>();

/** The tables of a field, built once (GF(2^16): about 2 ms, 512 KiB). */
export function fieldTables(bits: GaloisField, basis: GaloisBasis = 'cantor'): FieldTables {
  assert(bits === 8 || basis === 'cantor', 'GF(2^16) is in Cantor coordinates');
  const key = `${bits}/${basis}`;
  let found = fields.get(key);
  if (!found) {
    found = buildField(bits, basis);
    fields.set(key, found);
  }
  return found;
}

/** Product of two elements. */
export function fieldMul(
  bits: GaloisField,
  a: number,
  b: number,
  basis: GaloisBasis = 'cantor',
): number {
  if (a === 0 || b === 0) return 0;
  const { log, exp } = fieldTables(bits, basis);
  return exp[log[a]! + log[b]!]!;
}

/** Inverse of a non-zero element. */
export function fieldInverse(bits: GaloisField, a: number, basis: GaloisBasis = 'cantor'): number {
  assert(a !== 0, 'zero has no inverse');
  const { log, exp, modulus } = fieldTables(bits, basis);
  return exp[modulus - log[a]!]!;
}

function buildTwiddles(bits: GaloisField, basis: GaloisBasis): TwiddleTables {
  const mul = (a: number, b: number): number => fieldMul(bits, a, b, basis);
  const layers: Uint16Array[] = [];
  const derivative = new Uint16Array(bits);
  /** s_d of every point, and s_d'. */
  let values = Uint16Array.from({ length: 1 << bits }, (_, v) => v);
  let slope = 1;
  for (let d = 0; d < bits; d++) {
    const norm = values[1 << d]!;
    const inverse = fieldInverse(bits, norm, basis);
    const layer = new Uint16Array(1 << (bits - d));
    for (let i = 0; i < layer.length; i++) layer[i] = mul(values[i << d]!, inverse);
    layers.push(layer);
    derivative[d] = mul(slope, inverse);
    // s_{d+1}(x) = s_d(x) s_d(x - 2^d) = s_d(x)^2 + n_d s_d(x)
    values = values.map((s) => mul(s, s) ^ mul(norm, s));
    slope = mul(norm, slope);
  }
  return { layers, derivative };
}

/** The FFT constants of GF(2^8) in either basis, built once. GF(2^16) needs no table: `point >> d` and 1. */
export function twiddleTables(bits: GaloisField, basis: GaloisBasis = 'cantor'): TwiddleTables {
  const key = `${bits}/${basis}`;
  let found = twiddles.get(key);
  if (!found) {
    found = buildTwiddles(bits, basis);
    twiddles.set(key, found);
  }
  return found;
}
