/*
 * Proofs for segments that were rebuilt rather than received: their hashes are candidates, what is around them in the tree
 * comes from proofs that were checked, from the submission's nodes and from padding.
 *
 * A node is known when it was learned, when it covers only padding, or when both its halves are known. Looking one up goes
 * down the left edge and stops at the first unknown leaf, so it costs the candidates below it and one path. Keeps what it
 * learned: two hashes a level for each proof; make one for each few segments that are rebuilt together.
 */
import { bytesToHash32, CodedError, equalBytes, hexToBytes, nextPowerOfTwo } from '@cairn/base';
import type { Kernels } from '@cairn/kernels';
import { SECTORS_PER_SEGMENT, SEGMENT_HEIGHT } from '@cairn/protocol';
import type { SubmissionNode } from './file-tree.ts';
import { verifySegmentSiblings } from './proof.ts';
import { paddedSectorCount, pieces, sectorCount, segmentSteps } from './shape.ts';
import { foldRight, hashPair, zeroTree } from './zero.ts';

/** Segment roots by segment index, 32 bytes each. */
export type SegmentRoots = ReadonlyMap<number, Uint8Array>;

export class PartialFileTree {
  readonly #kernels: Kernels;
  readonly #size: number;
  readonly #root: Uint8Array;
  readonly #paddedSectors: number;
  /** Learned nodes by `first segment/segments`. */
  readonly #known = new Map<string, Uint8Array>();

  /** `root`: 32 bytes. */
  constructor(kernels: Kernels, file: { size: number; root: Uint8Array }) {
    this.#kernels = kernels;
    this.#size = file.size;
    this.#root = file.root;
    this.#paddedSectors = paddedSectorCount(file.size);
  }

  /** Takes a proof that `verifySegmentSiblings` accepted: its siblings and the nodes on its way. Keeps views of it. */
  learn(proof: { index: number; segmentRoot: Uint8Array; siblings: Uint8Array }): void {
    let [from, segments, hash] = [proof.index, 1, proof.segmentRoot];
    this.#known.set(nodeKey(from, segments), hash);
    for (const [i, step] of segmentSteps(this.#size, proof.index).entries()) {
      const { first, count } = segmentsOf(step);
      const sibling = proof.siblings.subarray(32 * i, 32 * i + 32);
      this.#known.set(nodeKey(first, count), sibling);
      hash = step.isRightSibling
        ? hashPair(this.#kernels, hash, sibling)
        : hashPair(this.#kernels, sibling, hash);
      from = Math.min(from, first);
      segments += count;
      this.#known.set(nodeKey(from, segments), hash);
    }
  }

  /**
   * Takes the nodes of the submission, from whoever names them. Throws `MERKLE_PROOF_FOLD` (invalid) when they are not the
   * file's: other heights, or another root.
   */
  learnSubmission(nodes: readonly SubmissionNode[]): void {
    const places = pieces(0, this.#paddedSectors);
    const isShaped =
      nodes.length === places.length && nodes.every((node, i) => node.height === places[i]!.height);
    const hashes = nodes.map(({ root }) => hexToBytes(root));
    if (!isShaped || !equalBytes(foldRight(this.#kernels, hashes), this.#root))
      throw new CodedError({
        code: 'MERKLE_PROOF_FOLD',
        kind: 'invalid',
        message: 'submission nodes do not lead to the file root',
        details: { expected: bytesToHash32(this.#root) },
      });
    for (const [i, { start, height }] of places.entries()) {
      if (height < SEGMENT_HEIGHT) continue;
      const key = nodeKey(start / SECTORS_PER_SEGMENT, 2 ** (height - SEGMENT_HEIGHT));
      this.#known.set(key, hashes[i]!);
    }
  }

  /**
   * Siblings of each candidate, or of those that are named, bottom-up, 32 bytes each, all of them checked against the root; undefined when the hashes
   * around them are not known. Throws `MERKLE_PROOF_FOLD` (invalid) when a candidate is not the file's segment; which one,
   * the siblings cannot tell. Asserts that the file has the segments.
   */
  prove(
    candidates: SegmentRoots,
    indexes: Iterable<number> = candidates.keys(),
  ): Map<number, Uint8Array> | undefined {
    const found = new Map<string, Uint8Array>();
    const out = new Map<number, Uint8Array>();
    for (const index of indexes) {
      const steps = segmentSteps(this.#size, index);
      const siblings = new Uint8Array(32 * steps.length);
      for (const [i, step] of steps.entries()) {
        const { first, count } = segmentsOf(step);
        const sibling = this.#node(first, count, candidates, found);
        if (!sibling) return undefined;
        siblings.set(sibling, 32 * i);
      }
      out.set(index, siblings);
    }
    for (const [index, siblings] of out)
      verifySegmentSiblings(this.#kernels, {
        root: this.#root,
        size: this.#size,
        index,
        segmentRoot: candidates.get(index)!,
        siblings,
      });
    return out;
  }

  /** Hash over segments [first, first + count) of the padded file, if it is known. */
  #node(
    first: number,
    count: number,
    candidates: SegmentRoots,
    found: Map<string, Uint8Array>,
  ): Uint8Array | undefined {
    const key = nodeKey(first, count);
    const known = this.#known.get(key) ?? found.get(key);
    if (known) return known;
    const hash = this.#compute(first, count, candidates, found);
    if (hash) found.set(key, hash);
    return hash;
  }

  #compute(
    first: number,
    count: number,
    candidates: SegmentRoots,
    found: Map<string, Uint8Array>,
  ): Uint8Array | undefined {
    const start = first * SECTORS_PER_SEGMENT;
    if (start >= sectorCount(this.#size)) {
      const end = Math.min((first + count) * SECTORS_PER_SEGMENT, this.#paddedSectors);
      return zeroTree(this.#kernels, end - start);
    }
    if (count === 1) return candidates.get(first);
    const half = nextPowerOfTwo(count) / 2;
    const left = this.#node(first, half, candidates, found);
    if (!left) return undefined;
    const right = this.#node(first + half, count - half, candidates, found);
    return right && hashPair(this.#kernels, left, right);
  }
}

const nodeKey = (first: number, count: number): string => `${first}/${count}`;

/** Segments of a step; only the last one of a file is cut, so that a range of sectors names whole segments. */
function segmentsOf(step: { start: number; end: number }): { first: number; count: number } {
  const first = step.start / SECTORS_PER_SEGMENT;
  return { first, count: Math.ceil(step.end / SECTORS_PER_SEGMENT) - first };
}
