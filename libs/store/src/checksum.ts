/*
 * One CRC-32 over many blocks, from the CRC-32 of each.
 *
 * A segment keeps a checksum for each of its 64 blocks, and a call of `crc32` costs about as much as its 4 KiB. Appending 4 KiB to a
 * message multiplies its CRC by x^32768 modulo the polynomial, which is linear: four table look-ups. So the checksum that the
 * whole run must have is folded from those of its blocks, and the bytes are gone over in one call.
 */
import { crc32 } from 'node:zlib';
import { BLOCK_BYTES } from './slot.ts';

/** The CRC-32 polynomial, bits reflected. */
const POLYNOMIAL = 0xedb8_8320;

/** a · b modulo the polynomial; the highest bit is x^0. */
function multiply(a: number, b: number): number {
  let product = 0;
  let shifted = b;
  for (let bit = 0x8000_0000; bit !== 0; bit >>>= 1) {
    if ((a & bit) !== 0) product ^= shifted;
    shifted = (shifted & 1) === 1 ? (shifted >>> 1) ^ POLYNOMIAL : shifted >>> 1;
  }
  return product >>> 0;
}

/** What a CRC becomes when a block of zeros follows: entry 256 k + v is that of v << 8 k. */
const APPEND_BLOCK: Uint32Array = appendTable(BLOCK_BYTES);

function appendTable(bytes: number): Uint32Array {
  let factor = 0x4000_0000; // x
  for (let bits = 1; bits < 8 * bytes; bits *= 2) factor = multiply(factor, factor);
  const table = new Uint32Array(4 * 256);
  for (let i = 0; i < table.length; i++)
    table[i] = multiply(factor, ((i & 255) << (8 * (i >> 8))) >>> 0);
  return table;
}

/** CRC-32 of the blocks [start, end) one after another, from the CRC-32 of each. */
export function foldChecksums(checksums: Uint32Array, start: number, end: number): number {
  let sum = checksums[start]!;
  for (let block = start + 1; block < end; block++) {
    sum =
      APPEND_BLOCK[sum & 255]! ^
      APPEND_BLOCK[256 + ((sum >>> 8) & 255)]! ^
      APPEND_BLOCK[512 + ((sum >>> 16) & 255)]! ^
      APPEND_BLOCK[768 + (sum >>> 24)]! ^
      checksums[block]!;
  }
  return sum >>> 0;
}

/** Whether the bytes of whole blocks [start, end) have these checksums. */
export function matchesChecksums(
  bytes: Uint8Array,
  checksums: Uint32Array,
  start: number,
): boolean {
  return crc32(bytes) === foldChecksums(checksums, start, start + bytes.length / BLOCK_BYTES);
}
