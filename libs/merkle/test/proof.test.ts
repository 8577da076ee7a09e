import { concatBytes, type DataRoot, type Hash32 } from '@cairn/base';
import { loadKernels } from '@cairn/kernels';
import { type FileProof, fileProofSchema } from '@cairn/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type FileTree,
  fileTreeOfBytes,
  proofToSiblings,
  segmentCounts,
  segmentLeafCount,
  segmentRoot,
  siblingsToProof,
  verifySegmentSiblings,
} from '../src/index.ts';
import { codeOf, patternBytes, SEGMENT, segmentOf } from './support.ts';

const kernels = await loadKernels();
const sizes = [
  1,
  300_000,
  SEGMENT * 3,
  SEGMENT * 5 + 1,
  SEGMENT * 17 + 5,
  3_158_073,
  SEGMENT * 33 + 1,
];
const files = sizes.map((size) => {
  const bytes = patternBytes(size, 7);
  return { bytes, tree: fileTreeOfBytes(kernels, bytes) };
});
const REFUSALS = /^MERKLE_PROOF_(LENGTH|POSITION|LEAF|ROOT|FOLD|PADDING)$/;

/** A tree and one of its real segments. */
const segment = fc
  .nat(files.length - 1)
  .chain((i) =>
    fc.tuple(fc.constant(files[i]!), fc.nat(segmentCounts(files[i]!.tree.size).real - 1)),
  );

function verify(
  tree: FileTree,
  change: Partial<Parameters<typeof verifySegmentSiblings>[1]> & { index: number },
): unknown {
  const { index } = change;
  const known = index >= 0 && index < segmentCounts(tree.size).padded;
  const input = {
    root: tree.rootBytes,
    size: tree.size,
    segmentRoot: known ? tree.segmentRoot(index) : new Uint8Array(32),
    siblings: known ? tree.siblings(index) : new Uint8Array(0),
    ...change,
  };
  return codeOf(() => verifySegmentSiblings(kernels, input));
}

const flipped = (bytes: Uint8Array, bit: number): Uint8Array => {
  const out = bytes.slice();
  out[(bit >> 3) % out.length]! ^= 1 << (bit & 7);
  return out;
};

describe('segment proofs', () => {
  it('every segment of every file proves, from its bytes alone, as bytes and as JSON', () => {
    for (const { bytes, tree } of files) {
      const { size, root } = tree;
      for (let index = 0; index < segmentCounts(size).real; index++) {
        const leaf = segmentRoot(kernels, segmentOf(bytes, index), segmentLeafCount(size, index));
        expect(verify(tree, { index, segmentRoot: leaf })).toBeUndefined();
        const proof = fileProofSchema.parse(JSON.parse(JSON.stringify(tree.proof(index))));
        const siblings = proofToSiblings(proof, { size, index, root, segmentRoot: leaf });
        expect(siblings).toEqual(tree.siblings(index));
        expect(siblingsToProof({ size, index, root, segmentRoot: leaf, siblings })).toEqual(proof);
      }
    }
  });

  it('a flipped bit in a sibling, the segment or the root is refused', () => {
    fc.assert(
      fc.property(segment, fc.nat(100_000), ([{ tree }, index], bit) => {
        const siblings = tree.siblings(index);
        if (siblings.length > 0)
          expect(verify(tree, { index, siblings: flipped(siblings, bit) })).toMatch(REFUSALS);
        expect(verify(tree, { index, segmentRoot: flipped(tree.segmentRoot(index), bit) })).toBe(
          'MERKLE_PROOF_FOLD',
        );
        expect(verify(tree, { index, root: flipped(tree.rootBytes, bit) })).toBe(
          'MERKLE_PROOF_FOLD',
        );
      }),
    );
  });

  it('a proof cut short, grown or of odd length is refused before anything is hashed', () => {
    fc.assert(
      fc.property(segment, fc.integer({ min: 1, max: 3000 }), ([{ tree }, index], by) => {
        const siblings = tree.siblings(index);
        const wrong = [
          concatBytes(siblings, new Uint8Array(by)),
          siblings.subarray(0, Math.max(0, siblings.length - by)),
        ];
        for (const bytes of wrong) {
          if (bytes.length === siblings.length) continue;
          expect(verify(tree, { index, siblings: bytes })).toBe('MERKLE_PROOF_LENGTH');
        }
      }),
    );
  });

  it('a proof does not serve another segment, another size, or a swap of its siblings', () => {
    fc.assert(
      fc.property(segment, fc.nat(40), fc.nat(9), ([{ tree }, index], other, swap) => {
        const own = { segmentRoot: tree.segmentRoot(index), siblings: tree.siblings(index) };
        if (other !== index) expect(verify(tree, { ...own, index: other })).toMatch(REFUSALS);
        const count = own.siblings.length / 32;
        if (count < 2) return;
        const [i, j] = [swap % count, (swap + 1) % count];
        const siblings = own.siblings.slice();
        siblings.set(own.siblings.subarray(32 * i, 32 * i + 32), 32 * j);
        siblings.set(own.siblings.subarray(32 * j, 32 * j + 32), 32 * i);
        expect(verify(tree, { index, siblings })).toMatch(REFUSALS);
      }),
    );
    for (const { tree } of files) {
      const size = tree.size * 2 + SEGMENT;
      expect(verify(tree, { index: 0, size })).toMatch(REFUSALS);
    }
  });

  it('an index that is not a segment of the file is refused, whatever it is', () => {
    const { tree } = files[3]!;
    const { padded } = segmentCounts(tree.size);
    for (const index of [-1, padded, 2 ** 53, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(verify(tree, { index })).toBe('MERKLE_PROOF_POSITION');
      const input = { size: tree.size, index, root: tree.root, segmentRoot: tree.segmentRoot(0) };
      expect(codeOf(() => proofToSiblings(tree.proof(0), input))).toBe('MERKLE_PROOF_POSITION');
    }
  });

  it('refuses padding that is not zero, even when the root agrees with it', () => {
    // 33 segments and a byte pad to 36: segments 34 and 35 are padding. A liar builds the tree over other bytes there.
    const { bytes, tree } = files.at(-1)!;
    const { size } = tree;
    expect(segmentCounts(size)).toEqual({ real: 34, padded: 36 });
    const lie = new Uint8Array(SEGMENT * 36);
    lie.set(bytes);
    lie.fill(1, SEGMENT * 35);
    const liar = fileTreeOfBytes(kernels, lie);
    const index = 33;
    const fold = { root: liar.rootBytes, siblings: liar.siblings(index) };
    expect(
      codeOf(() =>
        verifySegmentSiblings(kernels, {
          ...fold,
          size: lie.length,
          index,
          segmentRoot: liar.segmentRoot(index),
        }),
      ),
    ).toBeUndefined();
    expect(verify(tree, { ...fold, index })).toBe('MERKLE_PROOF_PADDING');
    expect(verify(tree, { index })).toBeUndefined();
  });
});

describe('JSON proofs', () => {
  const { tree } = files[3]!;
  const proof = tree.proof(2);
  const input = { size: tree.size, index: 2, root: tree.root, segmentRoot: tree.segmentRoot(2) };
  const code = (bad: FileProof, change: Partial<typeof input> = {}): unknown =>
    codeOf(() => proofToSiblings(bad, { ...input, ...change }));
  const hash = (byte: string): Hash32 => `0x${byte.repeat(32)}` as Hash32;

  it('names what is wrong', () => {
    expect(code(proof)).toBeUndefined();
    expect(code({ ...proof, lemma: proof.lemma.slice(1) })).toBe('MERKLE_PROOF_LENGTH');
    expect(code({ ...proof, path: proof.path.slice(1) })).toBe('MERKLE_PROOF_LENGTH');
    expect(code({ lemma: [], path: [] })).toBe('MERKLE_PROOF_LENGTH');
    expect(code({ lemma: [tree.root], path: [] })).toBe('MERKLE_PROOF_POSITION');
    expect(code({ ...proof, path: proof.path.map((side) => !side) })).toBe('MERKLE_PROOF_POSITION');
    expect(code(proof, { index: 3 })).toBe('MERKLE_PROOF_POSITION');
    expect(code({ ...proof, lemma: [hash('11'), ...proof.lemma.slice(1)] })).toBe(
      'MERKLE_PROOF_LEAF',
    );
    expect(code(proof, { root: hash('22') as DataRoot })).toBe('MERKLE_PROOF_ROOT');
    const short = proof.lemma.with(1, '0x1234' as Hash32);
    expect(code({ ...proof, lemma: short })).toBe('MERKLE_PROOF_LENGTH');
    const noHex = proof.lemma.with(1, `0x${'zz'.repeat(32)}` as Hash32);
    expect(code({ ...proof, lemma: noHex })).toBe('BASE_INVALID_HEX');
  });

  it('a file of one segment has the root alone as its proof', () => {
    const single = files[0]!.tree;
    const own = { size: 1, index: 0, root: single.root, segmentRoot: single.rootBytes };
    expect(single.proof(0)).toEqual({ lemma: [single.root], path: [] });
    expect(proofToSiblings(single.proof(0), own)).toEqual(new Uint8Array(0));
    const other = { ...own, root: hash('33') as DataRoot };
    expect(codeOf(() => proofToSiblings(single.proof(0), other))).toBe('MERKLE_PROOF_ROOT');
    expect(codeOf(() => proofToSiblings({ lemma: [other.root], path: [] }, other))).toBe(
      'MERKLE_PROOF_LEAF',
    );
  });

  it('whatever else is changed, form check and fold together refuse it', () => {
    const bit = fc.tuple(fc.constant('lemma' as const), fc.nat(proof.lemma.length * 256 - 1));
    const side = fc.tuple(fc.constant('path' as const), fc.nat(proof.path.length - 1));
    fc.assert(
      fc.property(fc.oneof(bit, side), ([field, at]) => {
        const bad = { lemma: [...proof.lemma], path: [...proof.path] };
        if (field === 'path') bad.path[at] = !bad.path[at];
        else {
          const digits = [...bad.lemma[at >> 8]!];
          const nibble = 2 + ((at >> 2) & 63);
          digits[nibble] = (Number.parseInt(digits[nibble]!, 16) ^ (1 << (at & 3))).toString(16);
          bad.lemma[at >> 8] = digits.join('') as Hash32;
        }
        const refused = codeOf(() => {
          const siblings = proofToSiblings(bad, input);
          verifySegmentSiblings(kernels, { ...input, root: tree.rootBytes, siblings });
        });
        expect(refused).toMatch(REFUSALS);
      }),
    );
  });
});
