// Error locator of erasure decoding by a Walsh-Hadamard transform as long as the code (spec/da-encoding.md section 12), not
// as long as the field: for 32 positions of GF(2^16) that is 32 values instead of 65,536.
import { log2Exact } from '@cairn/base';
import { fieldTables, type GaloisBasis, type GaloisField } from '@cairn/kernels';

/** Unnormalised +/- transform modulo 2^bits - 1, in place; values stay below the modulus. */
function walsh(values: Uint32Array, modulus: number): void {
  for (let half = 1; half < values.length; half *= 2) {
    for (let p = 0; p < values.length; p += 2 * half) {
      for (let i = p; i < p + half; i++) {
        const a = values[i]!;
        const b = values[i + half]!;
        const sum = a + b;
        const difference = a - b;
        values[i] = sum >= modulus ? sum - modulus : sum;
        values[i + half] = difference < 0 ? difference + modulus : difference;
      }
    }
  }
}

type Field = { field: GaloisField; basis: GaloisBasis };

const walshOfLog = new Map<string, Uint32Array>();

/** Kept per field and length, of which there are 35: half a megabyte in all. */
function transformedLog(field: Field, size: number): Uint32Array {
  const key = `${field.field}/${field.basis}/${size}`;
  let found = walshOfLog.get(key);
  if (!found) {
    const { log, modulus } = fieldTables(field.field, field.basis);
    found = Uint32Array.from(log.subarray(0, size), (value) => value % modulus);
    walsh(found, modulus);
    walshOfLog.set(key, found);
  }
  return found;
}

/**
 * Logarithm, per position, of the product of (position XOR j) over erased positions j other than itself. `erased` has one
 * byte (0 or 1) per position, a power of two of them. Cost: two transforms of that length.
 */
export function locatorLogs(field: Field, erased: Uint8Array): Uint16Array {
  const { modulus } = fieldTables(field.field, field.basis);
  const values = Uint32Array.from(erased);
  walsh(values, modulus);
  const logs = transformedLog(field, erased.length);
  for (let i = 0; i < values.length; i++) values[i] = (values[i]! * logs[i]!) % modulus; // exact: below 2^32
  walsh(values, modulus);
  const scale = 2 ** (field.field - log2Exact(erased.length)) % modulus;
  return Uint16Array.from(values, (value) => (value * scale) % modulus);
}
