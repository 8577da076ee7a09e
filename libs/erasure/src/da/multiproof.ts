/*
 * One proof for many leaves of a complete tree. Siblings that the leaves give each other are left out; the others come level
 * by level from the leaves up, left to right. For s random leaves of n about s log2(n / s) hashes instead of s log2 n.
 */
import { assert } from '@cairn/base';
import type { Sha256Kernels } from '@cairn/kernels';
import { HASH_BYTES, type HashTree, hashLevel, type NodeRule } from './tree.ts';

/** One level: which parents are known, and which halves of their pairs the proof must bring. */
function climb(known: readonly number[]): { parents: number[]; missing: number[] } {
  const parents: number[] = [];
  const missing: number[] = [];
  for (let i = 0; i < known.length; i++) {
    const index = known[i]!;
    parents.push(index >> 1);
    if (known[i + 1] === (index ^ 1)) i++;
    else missing.push(index ^ 1);
  }
  return { parents, missing };
}

function assertIncreasing(indices: readonly number[]): void {
  for (let i = 1; i < indices.length; i++)
    assert(indices[i - 1]! < indices[i]!, 'multiproof: indices increase');
}

/** Siblings that prove leaves `indices` (strictly increasing) together. New bytes. */
export function multiproofOf(tree: HashTree, indices: readonly number[]): Uint8Array {
  assertIncreasing(indices);
  const out: Uint8Array[] = [];
  let known = [...indices];
  for (let level = 0; level < tree.depth; level++) {
    const { parents, missing } = climb(known);
    for (const index of missing) out.push(tree.node(level, index));
    known = parents;
  }
  const bytes = new Uint8Array(out.length * HASH_BYTES);
  for (const [i, node] of out.entries()) bytes.set(node, i * HASH_BYTES);
  return bytes;
}

/** Bytes of the proof of `indices` (strictly increasing) in a tree of `depth`. */
export function multiproofBytes(indices: readonly number[], depth: number): number {
  assertIncreasing(indices);
  let count = 0;
  let known = [...indices];
  for (let level = 0; level < depth; level++) {
    const { parents, missing } = climb(known);
    count += missing.length;
    known = parents;
  }
  return count * HASH_BYTES;
}

/** A folded multiproof: the root, and what is needed to give each leaf a path of its own. */
export type FoldedMultiproof = {
  root: Uint8Array;
  /** Siblings of leaf `index` (one of those proven), `depth * 32` new bytes. */
  pathOf(index: number): Uint8Array;
};

/**
 * Root that leaves `indices` (strictly increasing, one at least) lead to. `leaves` has 32 bytes for each, `siblings` the
 * `multiproofBytes` of them. O(leaves * depth) memory while the result lives.
 */
export function foldMultiproof(
  sha: Sha256Kernels,
  rule: NodeRule,
  job: {
    indices: readonly number[];
    leaves: Uint8Array;
    siblings: Uint8Array;
    depth: number;
  },
): FoldedMultiproof {
  const { siblings, depth } = job;
  assert(job.leaves.length === job.indices.length * HASH_BYTES, 'multiproof: a hash per leaf');
  assert(siblings.length === multiproofBytes(job.indices, depth), 'multiproof: all siblings');
  /** Per level: the parents known, in order, and the pairs under them. */
  const levels: { parents: Map<number, number>; pairs: Uint8Array }[] = [];
  let known: readonly number[] = job.indices;
  let nodes = job.leaves;
  let at = 0;
  for (let level = 0; level < depth; level++) {
    const { parents } = climb(known);
    const pairs = new Uint8Array(parents.length * 2 * HASH_BYTES);
    for (let i = 0, pair = 0; pair < parents.length; pair++) {
      for (const index of [2 * parents[pair]!, 2 * parents[pair]! + 1]) {
        const side = (2 * pair + (index & 1)) * HASH_BYTES;
        if (known[i] === index) {
          pairs.set(nodes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES), side);
          i++;
        } else {
          pairs.set(siblings.subarray(at, at + HASH_BYTES), side);
          at += HASH_BYTES;
        }
      }
    }
    levels.push({ parents: new Map(parents.map((parent, i) => [parent, i])), pairs });
    nodes = hashLevel(sha, rule, pairs);
    known = parents;
  }
  return {
    root: nodes,
    pathOf(index: number): Uint8Array {
      const out = new Uint8Array(depth * HASH_BYTES);
      for (const [level, { parents, pairs }] of levels.entries()) {
        const pair = parents.get(index >> (level + 1));
        assert(pair !== undefined, 'pathOf: a leaf of this proof');
        const side = (2 * pair + (((index >> level) & 1) ^ 1)) * HASH_BYTES;
        out.set(pairs.subarray(side, side + HASH_BYTES), level * HASH_BYTES);
      }
      return out;
    },
  };
}
