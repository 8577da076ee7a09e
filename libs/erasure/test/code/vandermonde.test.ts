import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { concatBytes, seededRandom } from '@cairn/base';
import { ReedSolomonErasure } from '@subspace/reed-solomon-erasure.wasm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ReedSolomon } from '../../src/index.ts';
import { plainKernels } from '../support.ts';

const entry = createRequire(import.meta.url).resolve('@subspace/reed-solomon-erasure.wasm');
const peer = ReedSolomonErasure.fromBytes(
  readFileSync(join(entry, '../reed_solomon_erasure_bg.wasm')),
);
const { galois } = plainKernels();

/** Parity rows by the npm build of reed-solomon-erasure. */
function peerParity(data: Uint8Array, dataRows: number, parityRows: number): Uint8Array {
  const rowBytes = data.length / dataRows;
  const shards = concatBytes(data, new Uint8Array(parityRows * rowBytes));
  expect(peer.encode(shards, dataRows, parityRows)).toBe(ReedSolomonErasure.RESULT_OK);
  return shards.subarray(data.length);
}

describe('the Vandermonde layout is the code of reed-solomon-erasure', () => {
  const shapeOf = (dataRows: number, parityRows: number) =>
    ({ field: 8, layout: 'vandermonde', dataRows, parityRows }) as const;

  it('by matrix, by transform, and by both: the shapes of the benchmarks and odd ones', () => {
    const counts = [
      [1, 1],
      [10, 4],
      [16, 16],
      [29, 51],
      [29, 3],
      [64, 64],
      [64, 192],
      [65, 130],
      [128, 128],
      [255, 1],
    ] as const;
    for (const [dataRows, parityRows] of counts) {
      const data = seededRandom(dataRows).bytes(dataRows * 33);
      const parity = new ReedSolomon(galois, shapeOf(dataRows, parityRows)).encode(data, 33);
      expect(parity).toEqual(peerParity(data, dataRows, parityRows));
    }
  });

  it('any shape, and any rows restore what the peer encoded', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 90 }),
        fc.integer({ min: 1, max: 90 }),
        fc.nat(),
        (dataRows, parityRows, seed) => {
          const random = seededRandom(seed);
          const data = random.bytes(dataRows * 8);
          const rows = concatBytes(data, peerParity(data, dataRows, parityRows));
          const code = new ReedSolomon(galois, shapeOf(dataRows, parityRows));
          expect(code.verify(rows, 8)).toBe(true);
          const indices = [...Array(dataRows + parityRows).keys()]
            .map((index) => ({ index, key: random.next() }))
            .toSorted((a, b) => a.key - b.key)
            .slice(0, dataRows)
            .map(({ index }) => index);
          const present = concatBytes(
            ...indices.map((index) => rows.subarray(8 * index, 8 * index + 8)),
          );
          const wanted = [...Array(dataRows + parityRows).keys()];
          const out = code.reconstruct({ rows: present, indices, rowBytes: 8, wanted });
          expect(out).toEqual(rows);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('more than 256 rows, and GF(2^16), do not exist', () => {
    expect(() => new ReedSolomon(galois, shapeOf(200, 57))).toThrow(/assertion/);
    expect(() => new ReedSolomon(galois, { ...shapeOf(4, 4), field: 16 })).toThrow(/assertion/);
    new ReedSolomon(galois, shapeOf(200, 56));
  });
});
