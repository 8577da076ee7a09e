/*
 * SHA-256 trees over rows, pieces of rows and linear combinations (spec/da-encoding.md sections 6 and 8,
 * design/da-protocol.md section 3).
 *
 *     leaf = SHA256(0x00 || bytes)
 *     node = SHA256(left || right)             version 0x11: a whole level is one batch of 64-byte inputs
 *            SHA256(0x01 || left || right)     versions 0x00, 0x10 (RFC 6962)
 *
 * Leaf preimages are 1 mod 64 or 17 bytes long and inner ones 64 (or begin with another byte), so no value reads as both.
 * Row and combination trees are complete: a power of two of leaves. Piece trees are left-heavy, which is the same as pairing
 * neighbours level by level and letting an odd last node rise unpaired.
 */
import { assert, divCeil, isPowerOfTwo, log2Exact } from '@cairn/base';
import { hashPieces, pieceLevel, type Sha256Kernels } from '@cairn/kernels';

export const HASH_BYTES = 32;
/** In front of every leaf. */
export const LEAF_PREFIX = 0;
const NODE_PREFIX = 1;
/** How inner nodes are hashed. */
export type NodeRule = { nodePrefix: boolean };

/** Leaf hashes of consecutive items of `itemBytes`: 32 bytes each. */
export function hashLeaves(
  sha: Sha256Kernels,
  items: Uint8Array,
  itemBytes: number,
  out?: Uint8Array,
): Uint8Array {
  return sha.hashMany(items, itemBytes, { prefix: LEAF_PREFIX, out });
}

/** Parents of consecutive pairs of nodes: 64 bytes in, 32 out. `out` does not overlap `nodes`. */
export function hashLevel(
  sha: Sha256Kernels,
  { nodePrefix }: NodeRule,
  nodes: Uint8Array,
  out?: Uint8Array,
): Uint8Array {
  return nodePrefix
    ? sha.hashMany(nodes, 2 * HASH_BYTES, { prefix: NODE_PREFIX, out })
    : sha.hashPairs(nodes, out);
}

/** A complete tree: all levels, leaves first. 64 bytes per leaf. */
export class HashTree {
  readonly leafCount: number;
  /** Path nodes of a leaf. */
  readonly depth: number;
  /** Levels one after the other, leaves first: `(2 leafCount - 1) * 32` bytes. */
  readonly #nodes: Uint8Array;
  /** Byte offset of each level. */
  readonly #offsets: number[] = [];

  /** Builds the tree over `leaves` (32 bytes each, a power of two of them), which are copied. */
  constructor(sha: Sha256Kernels, rule: NodeRule, leaves: Uint8Array) {
    this.leafCount = leaves.length / HASH_BYTES;
    assert(isPowerOfTwo(this.leafCount), 'a complete tree has a power of two of leaves');
    this.depth = log2Exact(this.leafCount);
    this.#nodes = new Uint8Array((2 * this.leafCount - 1) * HASH_BYTES);
    this.#nodes.set(leaves);
    let at = 0;
    for (let bytes = leaves.length; bytes >= HASH_BYTES; bytes /= 2) {
      this.#offsets.push(at);
      const level = this.#nodes.subarray(at, at + bytes);
      at += bytes;
      if (bytes > HASH_BYTES) hashLevel(sha, rule, level, this.#nodes.subarray(at, at + bytes / 2));
    }
  }

  /** 32 bytes, a view. */
  get root(): Uint8Array {
    return this.node(this.depth, 0);
  }

  /** Node `index` of a level (0: leaves), a view of 32 bytes. */
  node(level: number, index: number): Uint8Array {
    const at = this.#offsets[level]! + index * HASH_BYTES;
    return this.#nodes.subarray(at, at + HASH_BYTES);
  }

  /** Siblings of leaf `index`, from the leaf's level up: `depth * 32` new bytes. */
  path(index: number): Uint8Array {
    assert(index >= 0 && index < this.leafCount, 'path: no such leaf');
    const out = new Uint8Array(this.depth * HASH_BYTES);
    for (let level = 0; level < this.depth; level++)
      out.set(this.node(level, (index >> level) ^ 1), level * HASH_BYTES);
    return out;
  }
}

/**
 * Roots that the given leaves lead to by their paths, all folded together: leaf i is number `indices[i]` and its path is
 * `depth` siblings at `i * depth * 32`. 32 bytes each.
 */
export function foldPaths(
  sha: Sha256Kernels,
  rule: NodeRule,
  job: { indices: ArrayLike<number>; leaves: Uint8Array; paths: Uint8Array; depth: number },
): Uint8Array {
  const { indices, depth } = job;
  const count = indices.length;
  assert(job.leaves.length === count * HASH_BYTES, 'foldPaths: a hash per leaf');
  assert(job.paths.length === count * depth * HASH_BYTES, 'foldPaths: a path per leaf');
  const nodes = job.leaves.slice();
  const pairs = new Uint8Array(count * 2 * HASH_BYTES);
  for (let level = 0; level < depth; level++) {
    for (let i = 0; i < count; i++) {
      const isRight = (indices[i]! >> level) & 1;
      const sibling = (i * depth + level) * HASH_BYTES;
      pairs.set(
        nodes.subarray(i * HASH_BYTES, (i + 1) * HASH_BYTES),
        (2 * i + isRight) * HASH_BYTES,
      );
      pairs.set(
        job.paths.subarray(sibling, sibling + HASH_BYTES),
        (2 * i + 1 - isRight) * HASH_BYTES,
      );
    }
    hashLevel(sha, rule, pairs, nodes);
  }
  return nodes;
}

/** Whether the node on the way up from `index` has a sibling at each level of a left-heavy tree of `count` leaves. */
function pieceLevels(index: number, count: number): { hasSibling: boolean; isRight: boolean }[] {
  const out: { hasSibling: boolean; isRight: boolean }[] = [];
  for (let width = count; width > 1; width = divCeil(width, 2), index >>= 1)
    out.push({ hasSibling: (index ^ 1) < width, isRight: (index & 1) === 1 });
  return out;
}

/** Nodes of the path of piece `index` of `count`. */
export function pieceDepth(index: number, count: number): number {
  return pieceLevels(index, count).filter(({ hasSibling }) => hasSibling).length;
}

/** Path of piece `index` of one row to its row leaf, from the leaf's level up. */
export function piecePath(
  sha: Sha256Kernels,
  { row, pieceBytes }: { row: Uint8Array; pieceBytes: number },
  index: number,
): Uint8Array {
  let width = divCeil(row.length, pieceBytes);
  assert(index >= 0 && index < width, 'piecePath: no such piece');
  const out = new Uint8Array(pieceDepth(index, width) * HASH_BYTES);
  const job = { rows: row, rowBytes: row.length, pieceBytes, prefix: LEAF_PREFIX };
  let nodes = hashPieces(sha, job);
  for (let at = 0; width > 1; width = divCeil(width, 2), index >>= 1) {
    const sibling = index ^ 1;
    if (sibling < width) {
      out.set(nodes.subarray(sibling * HASH_BYTES, (sibling + 1) * HASH_BYTES), at);
      at += HASH_BYTES;
    }
    nodes = pieceLevel(sha, nodes, { count: 1, width });
  }
  return out;
}

/** Row leaf that a piece leads to by its path of `pieceDepth(index, count)` nodes. */
export function foldPiece(
  sha: Sha256Kernels,
  job: { piece: Uint8Array; path: Uint8Array; index: number; count: number },
): Uint8Array {
  const { piece, path, index, count } = job;
  let node = hashLeaves(sha, piece, piece.length);
  const pair = new Uint8Array(2 * HASH_BYTES);
  let at = 0;
  for (const { hasSibling, isRight } of pieceLevels(index, count)) {
    if (!hasSibling) continue;
    pair.set(node, isRight ? HASH_BYTES : 0);
    pair.set(path.subarray(at, at + HASH_BYTES), isRight ? 0 : HASH_BYTES);
    at += HASH_BYTES;
    node = sha.hashPairs(pair);
  }
  assert(at === path.length, 'foldPiece: the whole path');
  return node;
}
