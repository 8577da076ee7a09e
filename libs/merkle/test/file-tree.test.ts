import { bytesToHex, type DataRoot, type Hash32, hexToBytes } from '@cairn/base';
import { loadKernels, referenceKernels, segmentRootOf } from '@cairn/kernels';
import type { FileProof } from '@cairn/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type FileTree,
  FileTreeBuilder,
  fileTreeOfBytes,
  paddedSectorCount,
  proofToSiblings,
  sectorCount,
  segmentCounts,
  segmentDataBytes,
  segmentLeafCount,
  submissionIdentity,
  submissionRoot,
  verifySegmentSiblings,
  zeroHash,
} from '../src/index.ts';
import { patternBytes } from './support.ts';
import vectors from './vectors/file-roots.json' with { type: 'json' };
import zero from './vectors/zero-hashes.json' with { type: 'json' };

const kernels = await loadKernels();

/** The definition: hash every sector, split at the largest power of two below n. */
function naiveRoot(bytes: Uint8Array): string {
  const padded = new Uint8Array(paddedSectorCount(bytes.length) * 256);
  padded.set(bytes);
  const leaves = Array.from({ length: padded.length / 256 }, (_, i) =>
    kernels.keccak256(padded.subarray(i * 256, i * 256 + 256)),
  );
  const root = (nodes: Uint8Array[]): Uint8Array => {
    if (nodes.length === 1) return nodes[0]!;
    let k = 1;
    while (k * 2 < nodes.length) k *= 2;
    return kernels.hashPairs(new Uint8Array([...root(nodes.slice(0, k)), ...root(nodes.slice(k))]));
  };
  return bytesToHex(root(leaves));
}

/** Reads segment `index` as a node does. */
function segmentOf(bytes: Uint8Array, index: number): Uint8Array {
  const out = new Uint8Array(segmentDataBytes(bytes.length, index));
  out.set(bytes.subarray(index * 262_144, index * 262_144 + out.length));
  return out;
}

describe('file tree vectors', () => {
  it('zero trees equal the contract table', () => {
    expect(bytesToHex(zeroHash(0))).toBe(zero.zeroHashes.h0);
    expect(bytesToHex(zeroHash(10))).toBe(zero.zeroHashes.h10);
    expect(bytesToHex(zeroHash(63))).toBe(zero.zeroHashes.h63);
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

  it.each([
    ['61', '0x200e594efa2ab0b924e60f9bb9445f75b8d058f0de13b35a83c71d494b0a15ca'],
    ['68656c6c6f2c203067', '0xd5a4a1c9f588c07f894a2cc37017a87c19f8baf771d0d21d6c47dc0825458ba7'],
    ['00'.repeat(257), '0xf73e6947d7d1628b9976a6e40d7b278a8a16405e96324a68df45b12a51b7cfde'],
  ])('root of %s', (hex, root) => {
    expect(fileTreeOfBytes(kernels, hexToBytes(hex)).root).toBe(root);
  });

  it.each([
    [307_200, '0x670018e9b5b0ffc559a5155317adb8b36032cc602f80a6fb803243d15690bad4'],
    [1_048_577, '0x3bdc4fe98b58589538649dc2bfa4675ab5d18d30908256443d6e86ad70da2756'],
  ])('root of %d bytes i mod 251', (size, root) => {
    expect(
      fileTreeOfBytes(
        kernels,
        Uint8Array.from({ length: size }, (_, i) => i % 251),
      ).root,
    ).toBe(root);
  });
});

describe('file tree properties', () => {
  it('equals the definition for any size', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.integer({ min: 1, max: 20_000 }), fc.integer({ min: 1, max: 700_000 })),
        (size) => {
          const bytes = patternBytes(size, size & 255);
          expect(fileTreeOfBytes(kernels, bytes).root).toBe(naiveRoot(bytes));
        },
      ),
      { numRuns: 40 },
    );
  });

  it('does not depend on how the bytes arrive', () => {
    const bytes = patternBytes(262_144 * 5 + 777, 3);
    const whole = fileTreeOfBytes(kernels, bytes).root;
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 900_000 }), { minLength: 1, maxLength: 12 }),
        (cuts) => {
          const builder = new FileTreeBuilder(kernels);
          let at = 0;
          for (const cut of cuts) {
            builder.update(bytes.subarray(at, at + cut));
            at = Math.min(bytes.length, at + cut);
          }
          builder.update(bytes.subarray(at));
          expect(builder.finish().root).toBe(whole);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('wasm and reference kernels agree on a whole tree', () => {
    const bytes = patternBytes(300_001, 9);
    expect(fileTreeOfBytes(referenceKernels(), bytes).root).toBe(
      fileTreeOfBytes(kernels, bytes).root,
    );
  });
});

describe('segment proofs', () => {
  const sizes = [1, 300_000, 262_144 * 3, 262_144 * 5 + 1, 262_144 * 17 + 5, 3_158_073];
  const files = sizes.map((size) => {
    const bytes = patternBytes(size, 7);
    return { bytes, tree: fileTreeOfBytes(kernels, bytes) };
  });
  const check = (
    tree: FileTree,
    index: number,
    segmentRoot: Uint8Array,
    siblings: Uint8Array,
  ): void =>
    verifySegmentSiblings(kernels, {
      root: tree.rootBytes,
      size: tree.size,
      index,
      segmentRoot,
      siblings,
    });

  it('every segment of every file proves, from its bytes alone', () => {
    for (const { bytes, tree } of files) {
      for (let i = 0; i < segmentCounts(tree.size).real; i++) {
        const root = segmentRootOf(kernels, segmentOf(bytes, i), segmentLeafCount(tree.size, i));
        check(tree, i, root, tree.siblings(i));
        const siblings = proofToSiblings(tree.proof(i), {
          size: tree.size,
          index: i,
          root: tree.root,
          segmentRoot: root,
        });
        expect(siblings).toEqual(tree.siblings(i));
      }
    }
  });

  it('a proof does not serve another index, another size, or a changed byte', () => {
    const { tree } = files[4]!;
    fc.assert(
      fc.property(fc.nat(17), fc.nat(17), fc.nat(1000), (index, other, flip) => {
        const siblings = tree.siblings(index);
        if (other !== index)
          expect(() => check(tree, other, tree.segmentRoot(index), siblings)).toThrowError(
            /proof|padding/,
          );
        const bad = siblings.slice();
        bad[flip % bad.length]! ^= 1;
        expect(() => check(tree, index, tree.segmentRoot(index), bad)).toThrowError(/root|padding/);
        expect(() =>
          check(tree, index, tree.segmentRoot(index), siblings.subarray(32)),
        ).toThrowError(expect.objectContaining({ code: 'MERKLE_PROOF_LENGTH' }));
      }),
      { numRuns: 100 },
    );
  });

  it('refuses padding that is not zero', () => {
    // 17 segments + 5 bytes pad to 18: the sibling of the last real segment is not padding, so use a file with padding segments.
    const size = 262_144 * 33 + 1;
    const tree = fileTreeOfBytes(kernels, patternBytes(size, 1));
    const { real, padded } = segmentCounts(size);
    expect(padded).toBeGreaterThan(real);
    const last = real - 1;
    const siblings = tree.siblings(last);
    siblings.fill(1, 32, 64); // step 0 is a left sibling, step 1 covers the padding
    expect(() => check(tree, last, tree.segmentRoot(last), siblings)).toThrowError(
      expect.objectContaining({ code: 'MERKLE_PROOF_PADDING' }),
    );
  });

  it('names what is wrong with a JSON proof', () => {
    const { tree } = files[3]!;
    const proof = tree.proof(2);
    const input = { size: tree.size, index: 2, root: tree.root, segmentRoot: tree.segmentRoot(2) };
    const code = (bad: FileProof, change: Partial<typeof input> = {}): unknown => {
      try {
        proofToSiblings(bad, { ...input, ...change });
        return 'accepted';
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    expect(code({ ...proof, lemma: proof.lemma.slice(1) })).toBe('MERKLE_PROOF_LENGTH');
    expect(code({ ...proof, path: proof.path.slice(1) })).toBe('MERKLE_PROOF_LENGTH');
    expect(code({ ...proof, path: proof.path.map((side) => !side) })).toBe('MERKLE_PROOF_POSITION');
    expect(code(proof, { index: 3 })).toBe('MERKLE_PROOF_POSITION');
    expect(
      code({ ...proof, lemma: [`0x${'11'.repeat(32)}` as Hash32, ...proof.lemma.slice(1)] }),
    ).toBe('MERKLE_PROOF_LEAF');
    expect(code(proof, { root: `0x${'22'.repeat(32)}` as DataRoot })).toBe('MERKLE_PROOF_ROOT');
    expect(code(proof)).toBe('accepted');
  });
});
