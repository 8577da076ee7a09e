import { seededRandom } from '@cairn/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BlobReader,
  type BlobVersion,
  certifyRows,
  type EncodedBlob,
  encodeBlob,
  openCommitment,
  rowCode,
} from '../../src/index.ts';
import { codeOf, flipped, payloadOf, plainKernels } from '../support.ts';

const kernels = plainKernels();
const shape = { id: 200, dataRows: 8, parityRows: 24 };
const versions = [0x00, 0x10, 0x11] as const;
const blobOf = (version: BlobVersion): EncodedBlob =>
  encodeBlob(kernels, payloadOf(5000), { version, shape });
const readerOf = (blob: EncodedBlob): BlobReader =>
  new BlobReader(kernels, openCommitment(kernels, blob, blob));
const blobs = versions.map(blobOf);

describe('rebuilding a blob', () => {
  it('any K of n rows give the payload, in any order, one by one or in shards', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...blobs),
        fc.shuffledSubarray([...Array(32).keys()], { minLength: 8, maxLength: 8 }),
        fc.boolean(),
        (blob, indices, inShards) => {
          const reader = readerOf(blob);
          if (inShards) {
            for (const part of [indices.slice(0, 3), indices.slice(3)]) {
              const sorted = part.toSorted((a, b) => a - b);
              expect(reader.addShard(blob.shard(sorted), sorted)).toBe(part.length);
            }
          } else
            for (const index of indices) expect(reader.addRow(blob.rowProof(index))).toBe(true);
          expect(reader.missingCount).toBe(0);
          expect(reader.payload(5000)).toEqual(payloadOf(5000));
        },
      ),
      { numRuns: 100 },
    );
  });

  it('liars change nothing: each bad row throws, and the good ones still give the payload', () => {
    const random = seededRandom(7);
    for (const blob of blobs) {
      const reader = readerOf(blob);
      for (let index = 0; reader.missingCount > 0; index++) {
        const good = blob.rowProof(index);
        const before = reader.missingCount;
        const bit = Math.floor(random.next() * 1e6);
        const lies = [
          { ...good, row: flipped(good.row, bit) },
          { ...good, path: flipped(good.path, bit) },
          { ...good, index: index + 1 },
          { ...good, index: 32 },
          { ...good, index: -1 },
          { ...good, row: good.row.subarray(1) },
        ];
        for (const lie of lies)
          expect(codeOf(() => reader.addRow(lie))).toMatch(/^ERASURE_(ROW|PROOF)_/);
        expect(reader.missingCount).toBe(before);
        expect(reader.addRow(good)).toBe(true);
        expect(reader.addRow(good)).toBe(false);
      }
      expect(reader.payload()).toEqual(payloadOf(5000));
    }
  });

  it('fewer than K rows are not ready, and rows beyond K are not kept', () => {
    const blob = blobs[2]!;
    const reader = readerOf(blob);
    expect(reader.addShard(blob.shard([1, 2, 3, 4, 5, 6, 7]), [1, 2, 3, 4, 5, 6, 7])).toBe(7);
    expect(codeOf(() => reader.payload())).toBe('ERASURE_TOO_FEW_ROWS');
    expect(reader.addShard(blob.shard([7, 8, 9]), [7, 8, 9])).toBe(1);
    expect(reader.has(8)).toBe(true);
    expect(reader.has(9)).toBe(false);
    expect(reader.addRow(blob.rowProof(10))).toBe(false);
    expect(reader.payload()).toEqual(payloadOf(5000));
  });
});

describe('certified rows that are no frame', () => {
  it('are the empty payload for every reader: version, length, padding, another length than the header', () => {
    for (const honest of blobs) {
      const { format } = honest;
      const breakAt = (at: number): EncodedBlob => {
        const rows = honest.rows.slice();
        rows[at]! ^= 1;
        const split = shape.dataRows * format.rowBytes;
        rowCode(kernels, format).encode(
          rows.subarray(0, split),
          format.rowBytes,
          rows.subarray(split),
        );
        return certifyRows(kernels, format, rows);
      };
      for (const blob of [breakAt(0), breakAt(1), breakAt(8 * format.rowBytes - 1)]) {
        for (const first of [0, 5, 24]) {
          const reader = readerOf(blob);
          for (let i = 0; i < 8; i++) reader.addRow(blob.rowProof(first + i));
          expect(reader.payload(5000)).toEqual(new Uint8Array(0));
        }
      }
      const reader = readerOf(honest);
      for (let i = 0; i < 8; i++) reader.addRow(honest.rowProof(3 * i));
      expect(reader.payload(4999)).toEqual(new Uint8Array(0));
      expect(reader.payload()).toEqual(payloadOf(5000));
    }
  });
});
