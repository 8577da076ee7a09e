import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  hashPieces,
  hashPieceTrees,
  inlineTaskRunner,
  referenceKernels,
  splitCombineRows,
  splitHashPieceTrees,
  splitTransform,
} from '../../src/index.ts';
import { testBytes } from '../support/backends.ts';

const kernels = referenceKernels();
const runner = inlineTaskRunner(kernels);
const partsArbitrary = fc.integer({ min: 1, max: 9 });

describe('split kernel calls', () => {
  it('a transform by columns is the whole transform, whatever the number of parts', async () => {
    await fc.assert(
      fc.asyncProperty(partsArbitrary, fc.integer({ min: 1, max: 5 }), async (parts, blocks) => {
        const rowBytes = 64 * blocks;
        const job = {
          field: 16 as const,
          blockRows: 4,
          rowBytes,
          source: testBytes(4 * rowBytes, parts),
          sourceRows: 4,
          sourcePoint: 0,
          target: new Uint8Array(6 * rowBytes),
          targetRows: 6,
          targetPoint: 4,
        };
        const tasks = splitTransform(job, parts);
        expect(tasks.length).toBeLessThanOrEqual(parts);
        await runner.run(tasks.toReversed());
        const whole = { ...job, target: new Uint8Array(6 * rowBytes) };
        kernels.galois.transform(whole);
        expect(job.target).toEqual(whole.target);
      }),
      { numRuns: 30 },
    );
  });

  it('combinations and piece trees by rows are those of all rows', async () => {
    await fc.assert(
      fc.asyncProperty(partsArbitrary, fc.integer({ min: 1, max: 20 }), async (parts, count) => {
        const rows = testBytes(192 * count, count);
        const coefficients = testBytes(8 * 192, parts);
        const combine = { rows, rowBytes: 192, coefficients, out: new Uint8Array(16 * count) };
        const hash = { rows, rowBytes: 192, pieceBytes: 80, prefix: 0 };
        const roots = new Uint8Array(32 * count);
        const tasks = [
          ...splitCombineRows(combine, parts),
          ...splitHashPieceTrees({ ...hash, out: roots }, parts),
        ];
        expect(tasks.length).toBeLessThanOrEqual(2 * parts);
        await runner.run(tasks.toReversed());
        const whole = kernels.galois.combineRows({ rows, rowBytes: 192, coefficients });
        expect(combine.out).toEqual(whole);
        expect(roots).toEqual(hashPieceTrees(kernels.sha256, hash));
      }),
      { numRuns: 30 },
    );
  });
});

describe('hashPieces', () => {
  it('hashes every piece of every row by itself, also where rows fill many batches', () => {
    const shapes = [
      { count: 1, rowBytes: 64, pieceBytes: 2048 },
      { count: 3, rowBytes: 2048, pieceBytes: 2048 },
      { count: 3, rowBytes: 4096, pieceBytes: 2048 },
      { count: 5, rowBytes: 4160, pieceBytes: 2048 },
      { count: 130, rowBytes: 2112, pieceBytes: 2048 },
      { count: 9, rowBytes: 65_600, pieceBytes: 2048 },
    ];
    for (const { count, rowBytes, pieceBytes } of shapes) {
      const rows = testBytes(count * rowBytes, rowBytes);
      const expected: Uint8Array[] = [];
      for (let row = 0; row < count; row++) {
        const end = (row + 1) * rowBytes;
        for (let at = row * rowBytes; at < end; at += pieceBytes) {
          const piece = rows.subarray(at, Math.min(end, at + pieceBytes));
          expected.push(kernels.sha256.hashMany(piece, piece.length, { prefix: 7 }));
        }
      }
      const hashes = hashPieces(kernels.sha256, { rows, rowBytes, pieceBytes, prefix: 7 });
      expect(Buffer.from(hashes).equals(Buffer.concat(expected))).toBe(true);
    }
  });
});

describe('hashPieceTrees', () => {
  it('pairs neighbours and lets an odd last node rise', () => {
    const { sha256 } = kernels;
    const pair = (left: Uint8Array, right: Uint8Array): Uint8Array =>
      sha256.hashPairs(Uint8Array.of(...left, ...right));
    const rootOf = (nodes: readonly Uint8Array[]): Uint8Array => {
      if (nodes.length === 1) return nodes[0]!;
      const split = 2 ** Math.ceil(Math.log2(nodes.length) - 1);
      return pair(rootOf(nodes.slice(0, split)), rootOf(nodes.slice(split)));
    };
    for (let pieces = 1; pieces <= 9; pieces++) {
      const [count, pieceBytes, rowBytes] = [3, 64, 64 * pieces - 20];
      const rows = testBytes(count * rowBytes, pieces);
      const job = { rows, rowBytes, pieceBytes, prefix: 0 };
      const expected = Array.from({ length: count }, (_, row) => {
        const own = rows.subarray(row * rowBytes, (row + 1) * rowBytes);
        const leaves = hashPieces(sha256, { ...job, rows: own });
        return rootOf(
          Array.from({ length: pieces }, (_, i) => leaves.subarray(32 * i, 32 * (i + 1))),
        );
      });
      const out = new Uint8Array(32 * count);
      expect(Buffer.from(hashPieceTrees(sha256, job)).equals(Buffer.concat(expected))).toBe(true);
      expect(hashPieceTrees(sha256, { ...job, out })).toBe(out);
      expect(Buffer.from(out).equals(Buffer.concat(expected))).toBe(true);
    }
  });
});
