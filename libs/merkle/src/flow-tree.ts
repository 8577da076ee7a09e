/*
 * The flow tree: one append-only Merkle tree over every sector ever submitted. Source: spec/storage-protocol.md 3.4.
 *
 * Logical tree: leaf 0 is 32 zero bytes, then sectors; skipped sectors are zero sectors; the empty right part is zero
 * sectors; height is the least H with 2^H >= length. Only complete nodes are stored (absolute level and index), so they
 * are valid for every later length; nodes at the right edge are derived at query time. Appending costs O(log n) store
 * operations per node, a root O(log n) reads and hashes. Positions are numbers, exact below 2^53.
 */
import {
  assert,
  bytesToHash32,
  CodedError,
  equalBytes,
  type Hash32,
  hexToBytes,
} from '@cairn/base';
import type { Kernels } from '@cairn/kernels';
import { type FlowProof, SECTORS_PER_SEGMENT, SEGMENT_HEIGHT } from '@cairn/protocol';
import type { SubmissionNode } from './file-tree.ts';
import { alignedPieces, pieces } from './shape.ts';
import { hashPair, zeroHash } from './zero.ts';

/** Where nodes live; injected. Level 0 is a sector. Returned arrays belong to the store. */
export interface FlowNodeStore {
  get(level: number, index: number): Uint8Array | undefined;
  set(level: number, index: number, hash: Uint8Array): void;
  /** Forgets every node that covers a sector at or above `length`. */
  truncate(length: number): void;
}

/** A store in memory, for tests and small tools. */
export class MemoryFlowNodeStore implements FlowNodeStore {
  readonly #nodes = new Map<string, { level: number; index: number; hash: Uint8Array }>();

  get(level: number, index: number): Uint8Array | undefined {
    return this.#nodes.get(`${level}/${index}`)?.hash;
  }

  set(level: number, index: number, hash: Uint8Array): void {
    this.#nodes.set(`${level}/${index}`, { level, index, hash });
  }

  truncate(length: number): void {
    for (const [key, node] of this.#nodes)
      if ((node.index + 1) * 2 ** node.level > length) this.#nodes.delete(key);
  }
}

/** `x` rounded up to a multiple of 2^height. */
function align(x: number, height: number): number {
  const unit = 2 ** height;
  return Math.ceil(x / unit) * unit;
}

/** Height of a tree of `length` sectors. */
export function flowHeight(length: number): number {
  let height = 0;
  while (2 ** height < length) height++;
  return height;
}

const PLACEHOLDER = new Uint8Array(32);
/** Leaf, 64 levels, root. */
const FLOW_LEMMA_MAX = 66;
const HASH32 = /^0x[0-9a-f]{64}$/;

/** The flow tree over an injected store. Owns nothing but the length. */
export class FlowTree {
  readonly #kernels: Kernels;
  readonly #store: FlowNodeStore;
  #length: number;

  /** @param length sectors so far; 1 for an empty flow. The store must hold the nodes of that length. */
  constructor(kernels: Kernels, store: FlowNodeStore, length = 1) {
    this.#kernels = kernels;
    this.#store = store;
    this.#length = length;
    if (!store.get(0, 0)) store.set(0, 0, PLACEHOLDER);
  }

  /** Sectors, placeholder included. */
  get length(): number {
    return this.#length;
  }

  /** Where a submission with these heights would land. */
  place(heights: readonly number[]): { start: number; lengthAfter: number } {
    assert(heights.length > 0, 'a submission has a node');
    const count = heights.reduce((sum, height) => sum + 2 ** height, 0);
    let start = align(this.#length, heights[0]!);
    const offset = start % SECTORS_PER_SEGMENT;
    const crosses =
      Math.floor(start / SECTORS_PER_SEGMENT) !==
      Math.floor((start + count - 1) / SECTORS_PER_SEGMENT);
    if (offset !== 0 && crosses) start = align(start + SECTORS_PER_SEGMENT - offset, heights[0]!);
    return { start, lengthAfter: start + count };
  }

  /** Appends a submission: zero sectors for the gap, then its nodes. */
  append(nodes: readonly SubmissionNode[]): { start: number; lengthAfter: number } {
    const placed = this.place(nodes.map((node) => node.height));
    this.#fillZeros(placed.start);
    for (const node of nodes) {
      this.setNode(node.height, this.#length / 2 ** node.height, hexToBytes(node.root));
      this.#length += 2 ** node.height;
    }
    assert(this.#length === placed.lengthAfter, 'nodes of a submission are adjacent');
    return placed;
  }

  /** Root of the flow at its present or any earlier length. */
  root(length = this.#length): Hash32 {
    const root = this.node(flowHeight(length), 0, length);
    assert(root !== undefined, 'the root of the flow is always derivable');
    return bytesToHash32(root);
  }

  /** Forgets everything at or above `length`, which must be a length the tree once had. */
  truncate(length: number): void {
    this.#store.truncate(length);
    this.#length = length;
  }

  /**
   * Records a complete node and each ancestor that is thereby known; one read when it is known already. Throws
   * `MERKLE_NODE_CONFLICT` (kind corrupt) when another hash is stored: a node never changes, so the store is damaged.
   */
  setNode(level: number, index: number, hash: Uint8Array): void {
    let node = hash;
    for (let l = level, i = index; ; l++, i = Math.floor(i / 2)) {
      const known = this.#store.get(l, i);
      if (known) {
        if (equalBytes(known, node)) return;
        throw new CodedError({
          code: 'MERKLE_NODE_CONFLICT',
          kind: 'corrupt',
          message: `flow node ${l}/${i} is stored with another hash`,
          details: { level: l, index: i, stored: bytesToHash32(known), given: bytesToHash32(node) },
        });
      }
      this.#store.set(l, i, node);
      const sibling = this.#store.get(l, i % 2 === 0 ? i + 1 : i - 1);
      if (!sibling) return;
      node =
        i % 2 === 0
          ? hashPair(this.#kernels, node, sibling)
          : hashPair(this.#kernels, sibling, node);
    }
  }

  /**
   * A node of the tree as it was at `length`, a shared array. Undefined when it lies inside data whose inner nodes are not
   * known. Stored nodes cost one read; nodes of zero sectors below a stored zero subtree, and nodes at the right edge,
   * O(log n).
   */
  node(level: number, index: number, length = this.#length): Uint8Array | undefined {
    const start = index * 2 ** level;
    if (start >= length) return zeroHash(level);
    if (start + 2 ** level <= length) {
      return this.#store.get(level, index) ?? this.#insideZeros(level, index);
    }
    const left = this.node(level - 1, 2 * index, length);
    const right = left && this.node(level - 1, 2 * index + 1, length);
    return left && right && hashPair(this.#kernels, left, right);
  }

  /** The zero node when the nearest stored ancestor is a tree of zeros: gaps are stored by their largest subtrees only. */
  #insideZeros(level: number, index: number): Uint8Array | undefined {
    const top = flowHeight(this.#length);
    for (let l = level + 1, i = Math.floor(index / 2); l <= top; l++, i = Math.floor(i / 2)) {
      const ancestor = this.#store.get(l, i);
      if (ancestor) return equalBytes(ancestor, zeroHash(l)) ? zeroHash(level) : undefined;
    }
    return undefined;
  }

  /**
   * Proof of one sector at tree size `length`: lemma = [leaf, siblings, root], path true = left child.
   * `leaf(sector)` gives leaf hashes of data that is at hand, for subtrees below the stored nodes; it is asked about the
   * sector's own segment only. Undefined when something needed is unknown. At most 1,023 + O(log n) hashes.
   */
  prove(
    sector: number,
    options: { length?: number; leaf?: (sector: number) => Uint8Array | undefined } = {},
  ): FlowProof | undefined {
    const length = options.length ?? this.#length;
    if (!Number.isInteger(sector) || sector < 0 || sector >= length) return undefined;
    const height = flowHeight(length);
    // Below a node that is not stored, children are stored or not: no need to look above them again.
    const descend = (level: number, index: number): Uint8Array | undefined => {
      const start = index * 2 ** level;
      if (start >= length) return zeroHash(level);
      const known = start + 2 ** level <= length ? this.#store.get(level, index) : undefined;
      if (known) return known;
      if (level === 0) return options.leaf?.(index);
      const left = descend(level - 1, 2 * index);
      const right = left && descend(level - 1, 2 * index + 1);
      return left && right && hashPair(this.#kernels, left, right);
    };
    const derive = (level: number, index: number): Uint8Array | undefined =>
      this.node(level, index, length) ??
      (level < SEGMENT_HEIGHT ? descend(level, index) : undefined);
    const leaf = derive(0, sector);
    if (!leaf) return undefined;
    const lemma = [bytesToHash32(leaf)];
    const path: boolean[] = [];
    for (let level = 0, index = sector; level < height; level++, index = Math.floor(index / 2)) {
      const isLeft = index % 2 === 0;
      const sibling = derive(level, isLeft ? index + 1 : index - 1);
      if (!sibling) return undefined;
      lemma.push(bytesToHash32(sibling));
      path.push(isLeft);
    }
    if (height > 0) lemma.push(this.root(length));
    return { lemma, path };
  }

  #fillZeros(end: number): void {
    for (const { start, height } of alignedPieces(this.#length, end)) {
      this.setNode(height, start / 2 ** height, zeroHash(height));
      this.#length = start + 2 ** height;
    }
  }
}

/**
 * Checks a sector proof: sides must spell the sector's position, and the fold must give `root`. Give `length`, the sectors
 * of the flow at that root, whenever it is known: it fixes the depth, without which the hash of an inner node passes for a
 * leaf. A caller that hashed `leaf` from 256 bytes itself is safe either way (inner nodes hash 64 bytes). Never throws.
 */
export function verifyFlowProof(
  kernels: Kernels,
  input: {
    root: Hash32;
    sector: number;
    leaf: Uint8Array;
    proof: FlowProof;
    length?: number | undefined;
  },
): boolean {
  const { sector, length } = input;
  const { lemma, path } = input.proof;
  if (!Number.isSafeInteger(sector) || sector < 0 || input.leaf.length !== 32) return false;
  if (length !== undefined && (sector >= length || path.length !== flowHeight(length)))
    return false;
  if (lemma.length !== (path.length === 0 ? 1 : path.length + 2)) return false;
  if (lemma.length > FLOW_LEMMA_MAX || !lemma.every((hash) => HASH32.test(hash))) return false;
  if (lemma[0] !== bytesToHash32(input.leaf) || lemma[lemma.length - 1] !== input.root)
    return false;
  let hash = input.leaf;
  let index = sector;
  for (let i = 0; i < path.length; i++) {
    const isLeft = index % 2 === 0;
    if (path[i] !== isLeft) return false;
    const sibling = hexToBytes(lemma[i + 1]!);
    hash = isLeft ? hashPair(kernels, hash, sibling) : hashPair(kernels, sibling, hash);
    index = Math.floor(index / 2);
  }
  return index === 0 && equalBytes(hash, hexToBytes(input.root));
}

/** Absolute (level, index) of the perfect subtrees of sectors [start, end) of a file that begins at `startSector`. */
export function flowPieces(
  startSector: number,
  start: number,
  end: number,
): { level: number; index: number; start: number }[] {
  return pieces(start, end).map((piece) => ({
    level: piece.height,
    index: (startSector + piece.start) / 2 ** piece.height,
    start: piece.start,
  }));
}
