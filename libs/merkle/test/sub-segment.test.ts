import { hexToBytes } from '@cairn/base';
import { loadKernels } from '@cairn/kernels';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  fileTreeOfBytes,
  isSubSegmentOf,
  segmentDataBytes,
  segmentLeafCount,
  segmentRootFromPiece,
  subSegmentSiblings,
  verifySegmentSiblings,
} from '../src/index.ts';

const kernels = await loadKernels();

/** A file of pseudo-random bytes and one segment of it as the wire carries it. */
function segmentOf(size: number, index: number): Uint8Array {
  const bytes = fileBytes(size);
  const out = new Uint8Array(segmentDataBytes(size, index));
  out.set(bytes.subarray(index * 262_144, index * 262_144 + out.length));
  return out;
}
function fileBytes(size: number): Uint8Array {
  const bytes = new Uint8Array(size);
  for (let i = 0, state = size | 1; i < size; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) | 0;
    bytes[i] = state >>> 16;
  }
  return bytes;
}

describe('pieces of a segment', () => {
  it('every aligned piece of files of many shapes proves itself up to the file root', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 700_000 }),
        fc.nat(),
        fc.nat({ max: 10 }),
        fc.nat(),
        (size, indexSeed, heightSeed, positionSeed) => {
          const index = indexSeed % Math.ceil(size / 262_144);
          const data = segmentOf(size, index);
          const sectors = data.length / 256;
          const height = Math.min(heightSeed, Math.floor(Math.log2(sectors)));
          const piece = {
            height,
            position: positionSeed % Math.floor(sectors / 2 ** height),
          };
          const leafCount = segmentLeafCount(size, index);
          const siblings = subSegmentSiblings(kernels, { data, leafCount, piece });
          const from = piece.position * 2 ** height * 256;
          const part = data.slice(from, from + 2 ** height * 256);
          const tree = fileTreeOfBytes(kernels, fileBytes(size));
          const verify = (bytes: Uint8Array, proof: Uint8Array, at = piece): void =>
            verifySegmentSiblings(kernels, {
              root: hexToBytes(tree.root),
              size,
              index,
              segmentRoot: segmentRootFromPiece(kernels, {
                data: bytes,
                leafCount,
                piece: at,
                siblings: proof,
              }),
              siblings: tree.siblings(index),
            });
          verify(part, siblings);
          part[0]! ^= 1;
          expect(() => verify(part, siblings)).toThrow();
          part[0]! ^= 1;
          if (siblings.length > 0) {
            expect(() => verify(part, siblings.subarray(32))).toThrow();
            const bad = siblings.slice();
            bad[bad.length - 1]! ^= 1;
            expect(() => verify(part, bad)).toThrow();
            expect(() =>
              verify(part, siblings, { height, position: piece.position ^ 1 }),
            ).toThrow();
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('pieces outside the segment are refused', () => {
    expect(isSubSegmentOf({ height: 11, position: 0 }, 1024)).toBe(false);
    expect(isSubSegmentOf({ height: 2, position: 256 }, 1024)).toBe(false);
    expect(isSubSegmentOf({ height: 0, position: -1 }, 1024)).toBe(false);
    expect(isSubSegmentOf({ height: 10, position: 0 }, 1024)).toBe(true);
    expect(() =>
      segmentRootFromPiece(kernels, {
        data: new Uint8Array(1024),
        leafCount: 3,
        piece: { height: 2, position: 0 },
        siblings: new Uint8Array(0),
      }),
    ).toThrow('does not lie');
  });
});
