// Slow and independent: Lagrange's formula and the definition of an error locator, for tests of the finite-field kernels.
import {
  fieldInverse,
  fieldMul,
  type GaloisBasis,
  type GaloisField,
  type RecoverJob,
} from '../../src/index.ts';

export type FieldUnderTest = { field: GaloisField; basis: GaloisBasis };

export const FIELDS: readonly FieldUnderTest[] = [
  { field: 8, basis: 'cantor' },
  { field: 8, basis: 'polynomial' },
  { field: 16, basis: 'cantor' },
];

/** Symbol `index` of a row. */
export function symbolAt(field: GaloisField, row: Uint8Array, index: number): number {
  if (field === 8) return row[index]!;
  const at = (index >> 5) * 64 + (index & 31);
  return row[at]! | (row[at + 32]! << 8);
}

/** Value at `x` of the polynomial of degree below n that is `values[i]` at `points[i]`. */
export function lagrange(
  { field, basis }: FieldUnderTest,
  points: readonly number[],
  values: readonly number[],
  x: number,
): number {
  const mul = (a: number, b: number): number => fieldMul(field, a, b, basis);
  let sum = 0;
  for (const [i, point] of points.entries()) {
    let term = values[i]!;
    for (const other of points) {
      if (other === point) continue;
      term = mul(term, mul(x ^ other, fieldInverse(field, point ^ other, basis)));
    }
    sum ^= term;
  }
  return sum;
}

/** Scales of a recovery: products of (position XOR erased position), by definition; its inverse for erased positions. */
export function locatorScales(
  { field, basis }: FieldUnderTest,
  erased: readonly boolean[],
): Pick<RecoverJob, 'inputScale' | 'outputScale'> {
  const inputScale = new Uint16Array(erased.length);
  const outputScale = new Uint16Array(erased.length);
  for (let i = 0; i < erased.length; i++) {
    let product = 1;
    for (let j = 0; j < erased.length; j++)
      if (erased[j] && j !== i) product = fieldMul(field, product, i ^ j, basis);
    inputScale[i] = product;
    outputScale[i] = fieldInverse(field, product, basis);
  }
  return { inputScale, outputScale };
}
