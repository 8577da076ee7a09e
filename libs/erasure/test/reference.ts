/*
 * The codec once more, from the definitions alone: field elements are multiplied bit by bit in the polynomial basis, rows
 * are extended by Lagrange's formula instead of an FFT, trees are recursive, hashes are @noble/hashes. Shares no code with
 * src. Slow: for shapes of up to a few dozen rows. Sources: spec/da-encoding.md sections 2 to 8, design/da-protocol.md 3.
 */
import { concatBytes } from '@cairn/base';
import { sha256 } from '@noble/hashes/sha2.js';

const POLYNOMIAL = 0x1002d;
const BASIS = [
  0x0001, 0xacca, 0x3c0e, 0x163e, 0xc582, 0xed2e, 0x914c, 0x4012, 0x6c98, 0x10d8, 0x6a72, 0xb900,
  0xfdb8, 0xfb34, 0xff38, 0x991e,
];

/** Product in the polynomial basis of GF(2^16). */
function multiply(a: number, b: number): number {
  let product = 0;
  for (; b > 0; b >>>= 1) {
    if (b & 1) product ^= a;
    a <<= 1;
    if (a & 0x10000) a ^= POLYNOMIAL;
  }
  return product;
}

function power(a: number, exponent: number): number {
  let out = 1;
  for (; exponent > 0; exponent >>>= 1) {
    if (exponent & 1) out = multiply(out, a);
    a = multiply(a, a);
  }
  return out;
}

const inverse = (a: number): number => power(a, 0xfffe);

/** Field element of a stored value. */
const element = (stored: number): number =>
  BASIS.reduce((sum, basis, bit) => ((stored >> bit) & 1 ? sum ^ basis : sum), 0);

/** Stored value of each field element. */
const STORED = new Uint16Array(65_536);
for (let v = 0; v < 65_536; v++) STORED[element(v)] = v;

/** Symbols of a row, as field elements. */
function symbolsOf(row: Uint8Array): number[] {
  return Array.from({ length: row.length / 2 }, (_, j) => {
    const at = 64 * (j >> 5) + (j & 31);
    return element(row[at]! | (row[at + 32]! << 8));
  });
}

function rowOf(symbols: readonly number[]): Uint8Array {
  const row = new Uint8Array(2 * symbols.length);
  for (const [j, symbol] of symbols.entries()) {
    const at = 64 * (j >> 5) + (j & 31);
    row[at] = STORED[symbol]! & 255;
    row[at + 32] = STORED[symbol]! >> 8;
  }
  return row;
}

/** Points of the rows of a code, as stored values, data rows first, and the points that are known to be zero rows. */
export function points(
  layout: 'natural' | 'leopard-high',
  dataRows: number,
  parityRows: number,
): { rows: number[]; zeros: number[] } {
  const up = (n: number): number => 2 ** Math.ceil(Math.log2(n));
  const range = (start: number, end: number): number[] =>
    Array.from({ length: end - start }, (_, i) => start + i);
  if (layout === 'natural') {
    const block = up(dataRows);
    return {
      rows: [...range(0, dataRows), ...range(block, block + parityRows)],
      zeros: range(dataRows, block),
    };
  }
  const block = up(parityRows);
  const end = up(block + dataRows);
  return {
    rows: [...range(block, block + dataRows), ...range(0, parityRows)],
    zeros: range(block + dataRows, end),
  };
}

/** Values at `wanted` of the polynomial of least degree through (xs[i], columns of rows[i]); points are stored values. */
export function interpolate(
  xs: readonly number[],
  rows: readonly Uint8Array[],
  wanted: readonly number[],
): Uint8Array[] {
  const at = xs.map(element);
  const symbols = rows.map(symbolsOf);
  return wanted.map((point) => {
    const x = element(point);
    const out = new Array<number>(symbols[0]!.length).fill(0);
    for (const [i, xi] of at.entries()) {
      let factor = 1;
      for (const [k, xk] of at.entries()) {
        if (k === i) continue;
        factor = multiply(factor, multiply(x ^ xk, inverse(xi ^ xk)));
      }
      for (const [j, symbol] of symbols[i]!.entries()) out[j]! ^= multiply(symbol, factor);
    }
    return rowOf(out);
  });
}

/** Parity rows of data rows. */
export function encodeRows(
  layout: 'natural' | 'leopard-high',
  data: readonly Uint8Array[],
  parityRows: number,
): Uint8Array[] {
  const { rows, zeros } = points(layout, data.length, parityRows);
  const zero = new Uint8Array(data[0]!.length);
  const known = [...rows.slice(0, data.length), ...zeros];
  return interpolate(known, [...data, ...zeros.map(() => zero)], rows.slice(data.length));
}

export type TwinFormat = {
  version: number;
  shapeId: number;
  dataRows: number;
  parityRows: number;
  rowBytes: number;
};

const le32 = (value: number): Uint8Array =>
  Uint8Array.of(value & 255, (value >> 8) & 255, (value >> 16) & 255, value >>> 24);
const hash = (...parts: Uint8Array[]): Uint8Array => sha256(concatBytes(...parts));
const byte = (value: number): Uint8Array => Uint8Array.of(value);

/** Hash of an inner node. */
export function nodeOf(version: number, left: Uint8Array, right: Uint8Array): Uint8Array {
  return version === 0x11 ? hash(left, right) : hash(byte(1), left, right);
}

/** Root of a left-heavy tree over leaf hashes. */
export function treeRoot(version: number, leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 1) return leaves[0]!;
  const half = 2 ** (Math.ceil(Math.log2(leaves.length)) - 1);
  const [left, right] = [leaves.slice(0, half), leaves.slice(half)];
  return nodeOf(version, treeRoot(version, left), treeRoot(version, right));
}

/** Siblings of leaf `index`, from the leaf up. */
export function treePath(
  version: number,
  leaves: readonly Uint8Array[],
  index: number,
): Uint8Array[] {
  if (leaves.length === 1) return [];
  const half = 2 ** (Math.ceil(Math.log2(leaves.length)) - 1);
  const [left, right] = [leaves.slice(0, half), leaves.slice(half)];
  return index < half
    ? [...treePath(version, left, index), treeRoot(version, right)]
    : [...treePath(version, right, index - half), treeRoot(version, left)];
}

/** Pieces of a row: all of 2048 bytes but the last. One piece, the row, for versions without pieces. */
export function piecesOf(version: number, row: Uint8Array): Uint8Array[] {
  if (version !== 0x11) return [row];
  const count = Math.ceil(row.length / 2048);
  return Array.from({ length: count }, (_, j) => row.subarray(2048 * j, 2048 * (j + 1)));
}

export const leafOf = (bytes: Uint8Array): Uint8Array => hash(byte(0), bytes);

export function rowLeafOf(version: number, row: Uint8Array): Uint8Array {
  return treeRoot(version, piecesOf(version, row).map(leafOf));
}

/** Coefficients, each 8 limbs as stored values. */
export function coefficientsOf(format: TwinFormat, rowRoot: Uint8Array): Uint16Array[] {
  const { dataRows, parityRows, rowBytes } = format;
  const seed = hash(rowRoot, le32(dataRows), le32(parityRows), le32(rowBytes));
  return Array.from({ length: rowBytes / 2 }, (_, j) => {
    const h = hash(seed, le32(j));
    return Uint16Array.from(
      { length: 8 },
      (_, k) => (h[2 * k]! | (h[2 * k + 1]! << 8)) ^ (h[16 + 2 * k]! | (h[17 + 2 * k]! << 8)),
    );
  });
}

/** Linear combination of a row: 16 bytes. */
export function combinationOf(row: Uint8Array, coefficients: readonly Uint16Array[]): Uint8Array {
  const sum = new Array<number>(8).fill(0);
  for (const [j, symbol] of symbolsOf(row).entries())
    for (let k = 0; k < 8; k++) sum[k]! ^= multiply(symbol, element(coefficients[j]![k]!));
  return concatBytes(...sum.map((limb) => Uint8Array.of(STORED[limb]! & 255, STORED[limb]! >> 8)));
}

/** Data rows of a payload. */
export function frameOf(format: TwinFormat, payload: Uint8Array): Uint8Array[] {
  const { version, dataRows, rowBytes } = format;
  const length = [24, 16, 8, 0].map((shift) => (payload.length >>> shift) & 255);
  const stream = new Uint8Array(dataRows * rowBytes);
  stream.set(concatBytes(byte(version), Uint8Array.from(length), payload));
  return Array.from({ length: dataRows }, (_, i) => stream.slice(i * rowBytes, (i + 1) * rowBytes));
}

export type TwinBlob = {
  rows: Uint8Array[];
  leaves: Uint8Array[];
  rowRoot: Uint8Array;
  coefficients: Uint16Array[];
  rlc: Uint8Array[];
  rlcLeaves: Uint8Array[];
  rlcRoot: Uint8Array;
  commitment: Uint8Array;
};

/** Everything about a blob, from its data rows (and its parity rows, where they are known otherwise). */
export function twinBlob(
  format: TwinFormat,
  data: readonly Uint8Array[],
  parity: readonly Uint8Array[] = encodeRows(
    format.version === 0 ? 'leopard-high' : 'natural',
    data,
    format.parityRows,
  ),
): TwinBlob {
  const { version } = format;
  const rows = [...data, ...parity];
  const leaves = rows.map((row) => rowLeafOf(version, row));
  const rowRoot = treeRoot(version, leaves);
  const coefficients = coefficientsOf(format, rowRoot);
  const rlc = data.map((row) => combinationOf(row, coefficients));
  const rlcLeaves = rlc.map(leafOf);
  const rlcRoot = treeRoot(version, rlcLeaves);
  const head =
    version === 0x11 ? [byte(2), byte(version), byte(format.shapeId), le32(format.rowBytes)] : [];
  const commitment = hash(...head, rowRoot, rlcRoot);
  return { rows, leaves, rowRoot, coefficients, rlc, rlcLeaves, rlcRoot, commitment };
}

/** Logarithms to base 2 (the polynomial x) of field elements, and their powers twice over. */
function logTables(): { log: Uint16Array; exp: Uint16Array } {
  const log = new Uint16Array(65_536);
  const exp = new Uint16Array(2 * 65_535);
  for (let e = 0, x = 1; e < 65_535; e++, x = multiply(x, 2)) {
    log[x] = e;
    exp[e] = exp[e + 65_535] = x;
  }
  return { log, exp };
}

/**
 * Parity rows in the natural layout for a power of two of data rows, by Lagrange's formula with tables of logarithms: still
 * K multiplications per parity symbol, but a few nanoseconds each. For vectors of the network's shapes.
 */
export function extendByTables(data: readonly Uint8Array[], parityRows: number): Uint8Array[] {
  const { log, exp } = logTables();
  const order = 65_535;
  const xs = data.map((_, i) => element(i));
  const symbols = data.map((row) => Uint16Array.from(symbolsOf(row)));
  const logOfDenominators = xs.map((xi) =>
    xs.reduce((sum, xk) => (xk === xi ? sum : (sum + log[xi ^ xk]!) % order), 0),
  );
  return Array.from({ length: parityRows }, (_, p) => {
    const x = element(data.length + p);
    const logOfProduct = xs.reduce((sum, xk) => (sum + log[x ^ xk]!) % order, 0);
    const out = new Uint16Array(symbols[0]!.length);
    for (const [i, xi] of xs.entries()) {
      const factor = (logOfProduct + 2 * order - log[x ^ xi]! - logOfDenominators[i]!) % order;
      const row = symbols[i]!;
      for (let j = 0; j < out.length; j++)
        if (row[j] !== 0) out[j]! ^= exp[log[row[j]!]! + factor]!;
    }
    return rowOf([...out]);
  });
}
