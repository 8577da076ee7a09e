// What the kernels compute, against vectors and against slow mathematics; on every backend.
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type GaloisKernels, referenceKernels } from '../../src/index.ts';
import { backends, testBytes } from '../support/backends.ts';
import { chacha8 } from '../support/chacha8.ts';
import {
  FIELDS,
  type FieldUnderTest,
  lagrange,
  locatorScales,
  symbolAt,
} from '../support/galois.ts';
import vectors from '../vectors/galois.json' with { type: 'json' };

const fromHex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));
const concat = (parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(parts));
const sha256 = (data: Uint8Array): Buffer => createHash('sha256').update(data).digest();
const nextPowerOfTwo = (n: number): number => 2 ** Math.ceil(Math.log2(n));

type Code = FieldUnderTest & { mode: string; dataRows: number; parityRows: number };

/** Parity rows in the natural (`low`) or leopard (`high`) layout: spec/da-encoding.md section 5. */
function parityOf(kernels: GaloisKernels, code: Code, data: Uint8Array): Uint8Array {
  const { field, basis, mode, dataRows, parityRows } = code;
  const rowBytes = data.length / dataRows;
  const target = new Uint8Array(parityRows * rowBytes);
  const natural = mode === 'low';
  const blockRows = nextPowerOfTwo(natural ? dataRows : parityRows);
  kernels.transform({
    field,
    basis,
    blockRows,
    rowBytes,
    source: data,
    sourceRows: dataRows,
    sourcePoint: natural ? 0 : blockRows,
    target,
    targetRows: parityRows,
    targetPoint: natural ? blockRows : 0,
  });
  return target;
}

const reference = { name: 'reference', load: async () => referenceKernels() };

describe.each([reference, ...backends])('finite-field kernels on $name', ({ load }) => {
  it('encode the Reed-Solomon vectors, both fields and layouts', async () => {
    const { galois } = await load();
    for (const { field, mode, K, N, data, parity } of vectors.reedSolomon) {
      const bits = field === 'gf8' ? 8 : 16;
      const code: Code = { field: bits, basis: 'cantor', mode, dataRows: K, parityRows: N };
      const got = parityOf(galois, code, concat(data.map(fromHex)));
      expect(Buffer.from(got).toString('hex')).toBe(parity.join(''));
    }
  });

  it('encode what reed-solomon-simd encodes', async () => {
    const { galois } = await load();
    for (const { mode, K, N, rowSize, seed, sha256: hash } of vectors.reedSolomonUpstreamHashes
      .cases) {
      const data = chacha8(seed, K * rowSize);
      const code: Code = { field: 16, basis: 'cantor', mode, dataRows: K, parityRows: N };
      expect(sha256(parityOf(galois, code, data)).toString('hex')).toBe(hash);
    }
  });

  it('combine the rows of the rsema1d vectors', async () => {
    const { galois } = await load();
    for (const {
      mode,
      K,
      N,
      rowSize,
      data,
      seed,
      coeff0,
      coeffLast,
      rlcOrig,
      ...one
    } of vectors.combinations) {
      const coefficients = new Uint8Array(8 * rowSize);
      for (let j = 0; j < rowSize / 2; j++) {
        const index = Buffer.alloc(4);
        index.writeUInt32LE(j);
        const hash = sha256(Buffer.concat([fromHex(seed), index]));
        for (let i = 0; i < 16; i++) coefficients[16 * j + i] = hash[i]! ^ hash[16 + i]!;
      }
      expect(Buffer.from(coefficients.subarray(0, 16)).toString('hex')).toBe(coeff0);
      expect(Buffer.from(coefficients.subarray(-16)).toString('hex')).toBe(coeffLast);
      const rows = concat(data.map(fromHex));
      const got = galois.combineRows({ rows, rowBytes: rowSize, coefficients });
      expect(Buffer.from(got).toString('hex')).toBe(rlcOrig.join(''));
      const code: Code = { field: 16, basis: 'cantor', mode, dataRows: K, parityRows: N };
      expect(sha256(parityOf(galois, code, rows)).toString('hex')).toBe(one.paritySha256);
    }
  });

  it.each(FIELDS)('evaluate polynomials: GF(2^$field), $basis basis', async (math) => {
    const { galois } = await load();
    const { field } = math;
    for (const [dataRows, parityRows] of [
      [1, 3],
      [8, 24],
      [16, 11],
      [32, 32],
    ] as const) {
      const data = testBytes(64 * dataRows, dataRows);
      const parity = parityOf(galois, { ...math, mode: 'low', dataRows, parityRows }, data);
      const points = Array.from({ length: dataRows }, (_, i) => i);
      for (const column of [0, 13, 31]) {
        const values = points.map((i) => symbolAt(field, data.subarray(64 * i), column));
        for (let j = 0; j < parityRows; j++)
          expect(symbolAt(field, parity.subarray(64 * j), column)).toBe(
            lagrange(math, points, values, dataRows + j),
          );
      }
    }
  });

  it.each(FIELDS)('recover erased rows: GF(2^$field), $basis basis', async (math) => {
    const { galois } = await load();
    for (const [dataRows, size] of [
      [1, 4],
      [4, 8],
      [8, 32],
      [16, 32],
      [64, 128],
    ] as const) {
      const parityRows = size - dataRows;
      const data = testBytes(64 * dataRows, size);
      const parity = parityOf(galois, { ...math, mode: 'low', dataRows, parityRows }, data);
      const word = concat([data, parity]);
      const shuffled = Array.from({ length: size }, (_, i) => i).sort(
        (a, b) => ((a * 37 + 11) % 101) - ((b * 37 + 11) % 101),
      );
      const kept = shuffled.slice(0, dataRows);
      const erased = Array.from({ length: size }, (_, i) => !kept.includes(i));
      const output = new Uint8Array(64 * size);
      galois.recover({
        ...math,
        size,
        rowBytes: 64,
        input: concat(kept.map((i) => word.subarray(64 * i, 64 * i + 64))),
        inputRows: Int32Array.from(erased, (gone, i) => (gone ? -1 : kept.indexOf(i))),
        output,
        outputRows: Int32Array.from(erased, (gone, i) => (gone ? i : -1)),
        ...locatorScales(math, erased),
      });
      for (let i = 0; i < size; i++) {
        const row = output.subarray(64 * i, 64 * i + 64);
        expect(row).toEqual(erased[i] ? word.subarray(64 * i, 64 * i + 64) : new Uint8Array(64));
      }
    }
  });
});
