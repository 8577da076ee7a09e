import { concatBytes } from '@cairn/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BlobReader,
  type BlobVersion,
  certifyRows,
  checkDataRow,
  checkRow,
  checkShard,
  type EncodedBlob,
  encodeBlob,
  openCommitment,
  type Shard,
} from '../../src/index.ts';
import { codeOf, detailsOf, flipped, payloadOf, plainKernels } from '../support.ts';

const kernels = plainKernels();
const shape = { id: 200, dataRows: 8, parityRows: 24 };
const blobs = ([0x00, 0x10, 0x11] as const).flatMap((version: BlobVersion) =>
  [400, 20_000].map((bytes) => encodeBlob(kernels, payloadOf(bytes), { version, shape })),
);
const blobArbitrary = fc.constantFrom(...blobs);
const indicesArbitrary = fc
  .uniqueArray(fc.nat(31), { minLength: 1, maxLength: 32 })
  .map((list) => list.toSorted((a, b) => a - b));

function check(blob: EncodedBlob, change: Partial<Shard>, assigned: number[]): unknown {
  return codeOf(() => checkShard(kernels, blob, { ...blob.shard(assigned), ...change }, assigned));
}

describe('shards', () => {
  it('any set of rows checks, with a path of its own for every row', () => {
    fc.assert(
      fc.property(blobArbitrary, indicesArbitrary, (blob, indices) => {
        const shard = blob.shard(indices);
        const checked = checkShard(kernels, blob, shard, indices);
        for (const index of indices) {
          expect(checked.pathOf(index)).toEqual(blob.rowProof(index).path);
          checkRow(kernels, checked.open, {
            index,
            row: blob.row(index),
            path: checked.pathOf(index),
          });
        }
        // The next shard of the blob needs no second opening.
        const again = checkShard(kernels, checked.open, shard, indices);
        expect(again.open).toBe(checked.open);
      }),
      { numRuns: 60 },
    );
  });

  it('a changed bit of one row names that row, whatever else is right', () => {
    fc.assert(
      fc.property(blobArbitrary, indicesArbitrary, fc.nat(), (blob, indices, bit) => {
        const rows = flipped(blob.shard(indices).rows, bit);
        const changed = Math.floor(((bit >> 3) % rows.length) / blob.format.rowBytes);
        const run = (): unknown =>
          checkShard(kernels, blob, { ...blob.shard(indices), rows }, indices);
        expect(codeOf(run)).toBe('ERASURE_ROW_RLC');
        expect(detailsOf(run)).toEqual({ index: indices[changed], committed: false });
      }),
      { numRuns: 60 },
    );
  });

  it('a changed bit of a sibling, the combinations, the row root or the commitment is refused', () => {
    fc.assert(
      fc.property(blobArbitrary, indicesArbitrary, fc.nat(), (blob, indices, bit) => {
        const { siblings, rlc, rowRoot } = blob.shard(indices);
        if (siblings.length > 0)
          expect(check(blob, { siblings: flipped(siblings, bit) }, indices)).toBe(
            'ERASURE_MULTIPROOF',
          );
        expect(check(blob, { rlc: flipped(rlc, bit) }, indices)).toBe('ERASURE_COMMITMENT');
        expect(check(blob, { rowRoot: flipped(rowRoot, bit) }, indices)).toBe('ERASURE_COMMITMENT');
        const id = { format: blob.format, commitment: flipped(blob.commitment, bit) };
        expect(codeOf(() => checkShard(kernels, id, blob.shard(indices), indices))).toBe(
          'ERASURE_COMMITMENT',
        );
      }),
      { numRuns: 60 },
    );
  });

  it('parts cut short or grown are refused before anything is hashed', () => {
    const silent = {
      galois: kernels.galois,
      sha256: {
        hashMany: () => expect.fail('hashed before the lengths were checked'),
        hashPairs: () => expect.fail('hashed before the lengths were checked'),
      },
    };
    const run = (blob: EncodedBlob, change: Partial<Shard>, assigned: number[]): unknown =>
      codeOf(() => checkShard(silent, blob, { ...blob.shard(assigned), ...change }, assigned));
    for (const blob of blobs) {
      const assigned = [1, 5, 6, 30];
      const { rows, siblings } = blob.shard(assigned);
      const longer = concatBytes(rows, new Uint8Array(64));
      expect(run(blob, { rows: longer }, assigned)).toBe('ERASURE_ROW_LENGTH');
      expect(run(blob, { rows: rows.subarray(64) }, assigned)).toBe('ERASURE_ROW_LENGTH');
      expect(run(blob, { rows: new Uint8Array(0) }, assigned)).toBe('ERASURE_ROW_LENGTH');
      for (const bytes of [
        siblings.subarray(32),
        concatBytes(siblings, new Uint8Array(32)),
        siblings.subarray(1),
      ])
        expect(run(blob, { siblings: bytes }, assigned)).toBe('ERASURE_PROOF_LENGTH');
    }
  });

  it('combinations of another count are refused', () => {
    for (const blob of blobs) {
      const { rlc } = blob;
      for (const bytes of [rlc.subarray(16), concatBytes(rlc, new Uint8Array(16)), rlc.subarray(1)])
        expect(check(blob, { rlc: bytes }, [3])).toBe('ERASURE_RLC_LENGTH');
    }
  });

  it('rows that are not the assigned ones are refused: fewer, more, twice, another, out of range', () => {
    const blob = blobs[4]!;
    const assigned = [2, 9, 17];
    const lists = [[], [2, 9], [2, 9, 17, 20], [2, 9, 9], [2, 2, 17], [2, 10, 17], [9, 2, 17]];
    for (const indices of [...lists, [2, 9, 32], [2, 9, -1], [2, 9, 17.5], [2, 9, Number.NaN]])
      expect(check(blob, { indices }, assigned)).toBe('ERASURE_ROW_INDEX');
    expect(codeOf(() => checkShard(kernels, blob, blob.shard([2]), [32]))).toBe(
      'ERASURE_ROW_INDEX',
    );
  });

  it('rows of one blob do not serve another, nor the same rows under another shape id', () => {
    const [a, b] = [blobs[4]!, encodeBlob(kernels, payloadOf(401), { version: 0x11, shape })];
    expect(codeOf(() => checkShard(kernels, a, b.shard([1]), [1]))).toBe('ERASURE_COMMITMENT');
    const format = { ...a.format, shape: { ...shape, id: 7 } };
    const id = { format, commitment: a.commitment };
    expect(codeOf(() => checkShard(kernels, id, a.shard([1]), [1]))).toBe('ERASURE_COMMITMENT');
  });
});

describe('an encoder that cheats', () => {
  /** Commits to rows that are not a code word: one byte of row `index` is changed. */
  function crooked(honest: EncodedBlob, index: number): EncodedBlob {
    const rows = honest.rows.slice();
    rows[index * honest.format.rowBytes]! ^= 1;
    return certifyRows(kernels, honest.format, rows);
  }
  const all = [...Array(32).keys()];
  const badRows = (blob: EncodedBlob): number[] =>
    all.filter((index) => check(blob, {}, [index]) === 'ERASURE_ROW_RLC');

  it('with a parity row is caught by whoever gets it, and it is proven to be committed', () => {
    for (const honest of blobs) {
      const blob = crooked(honest, 20);
      const run = (): unknown => checkShard(kernels, blob, blob.shard([4, 20, 21]), [4, 20, 21]);
      expect(codeOf(run)).toBe('ERASURE_ROW_RLC');
      expect(detailsOf(run)).toEqual({ index: 20, committed: true });
      expect(badRows(blob)).toEqual([20]);
    }
  });

  it('with a data row is caught by every parity row: the combinations are extended here', () => {
    for (const honest of blobs) expect(badRows(crooked(honest, 3))).toEqual(all.slice(8));
  });

  it('is caught by single rows and by a reader too', () => {
    for (const honest of blobs) {
      const blob = crooked(honest, 20);
      const open = openCommitment(kernels, blob, blob);
      const run = (): unknown => checkRow(kernels, open, blob.rowProof(20));
      expect(codeOf(run)).toBe('ERASURE_ROW_RLC');
      expect(detailsOf(run)).toEqual({ index: 20, committed: true });
      const reader = new BlobReader(kernels, open);
      expect(codeOf(() => reader.addRow(blob.rowProof(20)))).toBe('ERASURE_ROW_RLC');
      expect(codeOf(() => reader.addShard(blob.shard([19, 20]), [19, 20]))).toBe('ERASURE_ROW_RLC');
      expect(reader.missingCount).toBe(8);
    }
  });
});

describe('single rows', () => {
  it('every row checks against an open commitment, and no changed one does', () => {
    for (const blob of blobs) {
      const open = openCommitment(kernels, blob, blob);
      for (let index = 0; index < 32; index++) {
        const proof = blob.rowProof(index);
        const run = (change: object): unknown =>
          codeOf(() => checkRow(kernels, open, { ...proof, ...change }));
        expect(run({})).toBeUndefined();
        expect(run({ row: flipped(proof.row, 999 * index) })).toBe('ERASURE_ROW_PATH');
        expect(run({ path: flipped(proof.path, 99 * index) })).toBe('ERASURE_ROW_PATH');
        expect(run({ index: index ^ 1 })).toBe('ERASURE_ROW_PATH');
        expect(run({ index: 32 + index })).toBe('ERASURE_ROW_INDEX');
        expect(run({ path: proof.path.subarray(32) })).toBe('ERASURE_PROOF_LENGTH');
        expect(run({ path: concatBytes(proof.path, new Uint8Array(32)) })).toBe(
          'ERASURE_PROOF_LENGTH',
        );
        expect(run({ row: proof.row.subarray(64) })).toBe('ERASURE_ROW_LENGTH');
      }
    }
  });

  it('a data row checks with nothing but the commitment; a parity row does not', () => {
    for (const blob of blobs) {
      for (let index = 0; index < 8; index++) {
        const proof = blob.dataRowProof(index);
        const run = (change: object): unknown =>
          codeOf(() => checkDataRow(kernels, blob, { ...proof, ...change }));
        expect(run({})).toBeUndefined();
        expect(run({ row: flipped(proof.row, 999 * index) })).toBe('ERASURE_COMMITMENT');
        expect(run({ path: flipped(proof.path, 99 * index) })).toBe('ERASURE_COMMITMENT');
        expect(run({ rlcPath: flipped(proof.rlcPath, 99 * index) })).toBe('ERASURE_COMMITMENT');
        expect(run({ index: index ^ 1 })).toBe('ERASURE_COMMITMENT');
        expect(run({ rlcPath: proof.path })).toBe('ERASURE_PROOF_LENGTH');
        expect(run({ row: proof.row.subarray(64) })).toBe('ERASURE_ROW_LENGTH');
        const parity = { ...blob.rowProof(8 + index), rlcPath: proof.rlcPath };
        expect(run(parity)).toBe('ERASURE_ROW_INDEX');
      }
    }
  });
});
