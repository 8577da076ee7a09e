import { seededRandom } from '@cairn/base';
import { loadKernels } from '@cairn/kernels';
import { BYTES_PER_SEGMENT } from '@cairn/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FileTree, needsTail, PartialFileTree, segmentCounts, zeroHash } from '../src/index.ts';

const kernels = await loadKernels();

/** A tree over invented segment roots: hashing bytes is not what is tested. */
function treeOf(segments: number, seed: number): FileTree {
  const size = segments * BYTES_PER_SEGMENT;
  expect(needsTail(size)).toBe(false);
  const roots = seededRandom(seed).bytes(32 * segments);
  return FileTree.fromSegmentRoots(kernels, size, roots);
}
const partial = (tree: FileTree): PartialFileTree =>
  new PartialFileTree(kernels, { size: tree.size, root: tree.rootBytes });
const rootsOf = (tree: FileTree, indexes: readonly number[]): Map<number, Uint8Array> =>
  new Map(indexes.map((index) => [index, tree.segmentRoot(index)]));

describe('a partial tree', () => {
  it('gives the siblings that the whole tree gives, from proofs of one half and hashes of the other', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 200 }),
        fc.nat(),
        fc.array(fc.boolean(), { minLength: 16, maxLength: 16 }),
        (segments, pick, lost) => {
          const tree = treeOf(segments, segments);
          const first = 16 * (pick % Math.ceil(segments / 16));
          const indexes = lost.map((_, i) => first + i).filter((index) => index < segments);
          const missing = indexes.filter((index) => lost[index - first]);
          const known = partial(tree);
          for (const index of indexes)
            if (!lost[index - first])
              known.learn({
                index,
                segmentRoot: tree.segmentRoot(index),
                siblings: tree.siblings(index),
              });
          const proven = known.prove(rootsOf(tree, missing));
          if (missing.length < indexes.length || missing.length === 0) expect(proven).toBeDefined();
          for (const [index, siblings] of proven ?? [])
            expect(Buffer.from(siblings).equals(tree.siblings(index))).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('says that it does not know enough, and knows with the submission’s nodes', () => {
    // 64 + 8: the last half stripe is a submission node of its own.
    const tree = treeOf(72, 1);
    const tail = rootsOf(tree, [64, 65, 66, 67, 68, 69, 70, 71]);
    const known = partial(tree);
    expect(known.prove(tail)).toBeUndefined();
    known.learnSubmission(tree.submissionNodes);
    expect([...known.prove(tail)!.keys()]).toEqual([...tail.keys()]);
  });

  it('a lost half stripe is proven by any segment of the other half', () => {
    const tree = treeOf(64, 5);
    const half = Array.from({ length: 16 }, (_, i) => 32 + i);
    const known = partial(tree);
    known.learn({ index: 50, segmentRoot: tree.segmentRoot(50), siblings: tree.siblings(50) });
    for (const [index, siblings] of known.prove(rootsOf(tree, half))!)
      expect(siblings).toEqual(tree.siblings(index));
  });

  it('padding is known without being told', () => {
    const segments = 33;
    const tree = treeOf(segments, 2);
    expect(segmentCounts(tree.size).padded).toBeGreaterThan(segments);
    const known = partial(tree);
    known.learn({ index: 3, segmentRoot: tree.segmentRoot(3), siblings: tree.siblings(3) });
    expect(known.prove(rootsOf(tree, [32]))!.get(32)).toEqual(tree.siblings(32));
  });

  it('a wrong candidate, and nodes of another file, are refused', () => {
    const tree = treeOf(40, 3);
    const known = partial(tree);
    known.learn({ index: 0, segmentRoot: tree.segmentRoot(0), siblings: tree.siblings(0) });
    const code = (run: () => unknown): unknown => {
      try {
        run();
        return undefined;
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    expect(code(() => known.prove(new Map([[1, zeroHash(10)]])))).toBe('MERKLE_PROOF_FOLD');
    const other = treeOf(40, 4);
    expect(code(() => known.learnSubmission(other.submissionNodes))).toBe('MERKLE_PROOF_FOLD');
    expect(code(() => known.learnSubmission(tree.submissionNodes.slice(1)))).toBe(
      'MERKLE_PROOF_FOLD',
    );
    expect(code(() => known.learnSubmission([]))).toBe('MERKLE_PROOF_FOLD');
  });
});
