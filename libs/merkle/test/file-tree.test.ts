import { bytesToHex, hexToBytes } from '@cairn/base';
import { loadKernels, referenceKernels } from '@cairn/kernels';
import { loadNativeKernels } from '@cairn/kernels/node';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  FileTree,
  FileTreeBuilder,
  fileTreeOfBytes,
  needsTail,
  paddedSectorCount,
  sectorCount,
  segmentCounts,
  segmentDataBytes,
  segmentLeafCount,
  segmentRoot,
  submissionHeights,
  submissionIdentity,
  submissionRoot,
  zeroHash,
} from '../src/index.ts';
import expectedConformance from './conformance.json' with { type: 'json' };
import { conformance } from './conformance.ts';
import { ReferenceFile } from './reference.ts';
import { patternBytes, SEGMENT, segmentOf } from './support.ts';
import vectors from './vectors/file-roots.json' with { type: 'json' };
import spec from './vectors/spec-tables.json' with { type: 'json' };
import zero from './vectors/zero-hashes.json' with { type: 'json' };

const kernels = await loadKernels();
const native = loadNativeKernels();

describe('file tree vectors', () => {
  it('zero trees equal the contract table', () => {
    const { h0, h10, h63 } = zero.zeroHashes;
    expect([0, 10, 63].map((h) => bytesToHex(zeroHash(h)))).toEqual([h0, h10, h63]);
  });

  it.each(vectors.vectors)(
    '$size bytes: root, nodes, identity, segment roots and last proof',
    (vector) => {
      const bytes = patternBytes(vector.size);
      expect(bytesToHex(kernels.keccak256(bytes))).toBe(vector.dataKeccak256);
      const tree = fileTreeOfBytes(kernels, bytes);
      expect(sectorCount(vector.size)).toBe(vector.sectors);
      expect(paddedSectorCount(vector.size)).toBe(vector.paddedSectors);
      expect(segmentCounts(vector.size).padded).toBe(vector.segments);
      expect(tree.root).toBe(vector.dataRoot);
      expect(tree.submissionNodes).toEqual(vector.submissionNodes);
      expect(submissionRoot(kernels, tree.submissionNodes)).toBe(vector.dataRoot);
      expect(submissionIdentity(kernels, tree.submissionNodes)).toBe(vector.submitEventIdentity);
      expect(bytesToHex(tree.segmentRoot(0))).toBe(vector.firstSegmentRoot);
      expect(bytesToHex(tree.segmentRoot(vector.segments - 1))).toBe(vector.lastSegmentRoot);
      const { segment, lemma, path } = vector.lastPaddedSegmentProof;
      expect(tree.proof(segment)).toEqual({ lemma, path });
    },
  );

  it.each(spec.rows)('spec/storage-rpc.md section 16: $data', ({ data, root, nodes }) => {
    const bytes = data.hex
      ? hexToBytes(data.hex)
      : Uint8Array.from({ length: data.length! }, (_, i) => (data.modulus ? i % data.modulus : 0));
    const tree = fileTreeOfBytes(kernels, bytes);
    expect(tree.root).toBe(root);
    if (nodes) expect(tree.submissionNodes).toEqual(nodes);
  });

  it.each(spec.shapes)('$size bytes split into heights $heights', (row) => {
    expect(submissionHeights(row.size)).toEqual(row.heights);
    expect(sectorCount(row.size)).toBe(row.sectors);
    expect(paddedSectorCount(row.size)).toBe(row.padded);
  });
});

describe('file tree properties', () => {
  const size = fc.oneof(
    fc.integer({ min: 1, max: 20_000 }),
    fc.integer({ min: 1, max: 5 * SEGMENT }),
    // around segment boundaries
    fc
      .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: -600, max: 600 }))
      .map(([segments, off]) => segments * SEGMENT + off),
  );

  it('equals the twin for any size: root, nodes, and the proof of every segment', () => {
    fc.assert(
      fc.property(size, fc.nat(255), (length, seed) => {
        const bytes = patternBytes(length, seed);
        const tree = fileTreeOfBytes(kernels, bytes);
        const twin = new ReferenceFile(bytes);
        expect(tree.root).toBe(twin.root());
        expect(tree.submissionNodes).toEqual(twin.nodes());
        for (let i = 0; i < segmentCounts(length).padded; i++)
          expect(tree.proof(i)).toEqual(twin.proof(i));
      }),
      { numRuns: 20 },
    );
  });

  it('does not depend on how the bytes arrive', () => {
    const bytes = patternBytes(5 * SEGMENT + 777, 3);
    const cut = fc.oneof(
      fc.integer({ min: 0, max: 900_000 }),
      fc.integer({ min: 0, max: 300 }),
      fc.constantFrom(SEGMENT, 2 * SEGMENT, SEGMENT - 1, SEGMENT + 1),
    );
    fc.assert(
      fc.property(
        fc.array(cut, { maxLength: 12 }),
        fc.integer({ min: 1, max: bytes.length }),
        (cuts, length) => {
          const file = bytes.subarray(0, length);
          const builder = new FileTreeBuilder(kernels);
          let at = 0;
          for (const take of cuts) {
            builder.update(file.subarray(at, at + take));
            at = Math.min(length, at + take);
          }
          builder.update(file.subarray(at));
          const tree = builder.finish();
          const whole = fileTreeOfBytes(kernels, file);
          expect(tree.root).toBe(whole.root);
          expect(tree.submissionNodes).toEqual(whole.submissionNodes);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('is the same from segment roots alone, with the tail only where it is needed', () => {
    fc.assert(
      fc.property(size, (length) => {
        const bytes = patternBytes(length, 4);
        const { real } = segmentCounts(length);
        const roots = new Uint8Array(32 * real);
        for (let i = 0; i < real; i++) {
          const leaves = segmentLeafCount(length, i);
          roots.set(segmentRoot(kernels, segmentOf(bytes, i), leaves), 32 * i);
        }
        const tail = bytes.subarray((real - 1) * SEGMENT);
        const tree = FileTree.fromSegmentRoots(
          kernels,
          length,
          roots,
          needsTail(length) ? tail : undefined,
        );
        const whole = fileTreeOfBytes(kernels, bytes);
        expect(tree.root).toBe(whole.root);
        expect(tree.submissionNodes).toEqual(whole.submissionNodes);
        if (needsTail(length)) {
          const other = tail.slice();
          other[other.length - 1]! ^= 1;
          expect(() => FileTree.fromSegmentRoots(kernels, length, roots, other)).toThrowError(
            expect.objectContaining({ code: 'MERKLE_TAIL', kind: 'conflict' }),
          );
        }
      }),
      { numRuns: 30 },
    );
  });

  it('shape: heights fall strictly, add up, are at most four; padding segments are whole', () => {
    fc.assert(
      fc.property(
        fc
          .oneof(
            fc.integer({ min: 1, max: 2 ** 30 }),
            fc.maxSafeInteger().map((n) => Math.abs(n) / 2 + 1),
          )
          .map(Math.floor),
        (length) => {
          const heights = submissionHeights(length);
          const { real, padded } = segmentCounts(length);
          expect(heights.length).toBeLessThanOrEqual(4);
          expect(heights.toSorted((a, b) => b - a)).toEqual(heights);
          expect(new Set(heights).size).toBe(heights.length);
          expect(heights[0]! - heights.at(-1)!).toBeLessThan(4);
          expect(heights.reduce((sum, h) => sum + 2 ** h, 0)).toBe(paddedSectorCount(length));
          expect(paddedSectorCount(length)).toBeGreaterThanOrEqual(sectorCount(length));
          if (segmentLeafCount(length, padded - 1) < 1024) expect(padded).toBe(real);
          const whole = (real - 1) * SEGMENT;
          expect(segmentDataBytes(length, real - 1)).toBe(Math.ceil((length - whole) / 256) * 256);
        },
      ),
    );
  });

  it('asserts a size that cannot be', () => {
    expect(() => fileTreeOfBytes(kernels, new Uint8Array(0))).toThrow('positive');
    expect(() => new FileTreeBuilder(kernels).finish()).toThrow('positive');
    for (const bad of [0, -1, 1.5, Number.NaN, 2 ** 53]) expect(() => sectorCount(bad)).toThrow();
  });
});

describe('conformance', () => {
  const backends = [kernels, ...(native.kernels ? [native.kernels] : [])];

  it.each(backends.map((one) => [one.backend, one] as const))('%s kernels', (_, one) => {
    const { cases, keccak256 } = expectedConformance;
    expect(conformance(one)).toEqual({ cases, keccak256 });
  });

  it('the reference kernels agree on the first cases', () => {
    expect(conformance(referenceKernels(), 16)).toEqual(conformance(kernels, 16));
  });
});
