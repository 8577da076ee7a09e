/*
 * The Merkle tree of a file, from the roots of its segments.
 *
 * Level by level with the odd node promoted, which is the left-heavy tree of spec/storage-protocol.md 2.3. Keeps every level:
 * 64 bytes per segment, so 100 GiB take 26 MB. Hashing the sectors is nearly all of the cost and happens before this, in
 * whatever thread has the bytes.
 */
import {
  assert,
  bytesToHash32,
  CodedError,
  concatBytes,
  type DataRoot,
  equalBytes,
  type Hash32,
  hexToBytes,
} from '@cairn/base';
import { type Kernels, segmentRootOf } from '@cairn/kernels';
import {
  BYTES_PER_SECTOR,
  BYTES_PER_SEGMENT,
  type FileProof,
  SECTORS_PER_SEGMENT,
  SEGMENT_HEIGHT,
} from '@cairn/protocol';
import { siblingsToProof } from './proof.ts';
import { paddedSectorCount, pieces, segmentCounts, segmentLeafCount } from './shape.ts';
import { foldRight, zeroHash } from './zero.ts';

/** A power-of-two subtree as the Flow contract takes it; height 0 is one sector. */
export type SubmissionNode = { root: Hash32; height: number };

/** Root of one segment over `leafCount` leaves: its bytes, then zeros. 32 new bytes. */
export function segmentRoot(kernels: Kernels, data: Uint8Array, leafCount: number): Uint8Array {
  return segmentRootOf(kernels, data, leafCount);
}

/**
 * Leaves of the last padded segment. Below 1024 it holds file bytes: padding is less than 1/16 of the next power of two and
 * the padded count a multiple of that, so padding segments are always whole.
 */
function lastLeafCount(size: number): number {
  return segmentLeafCount(size, segmentCounts(size).padded - 1);
}

/**
 * True when the bytes of the last segment are needed besides its root: it is cut, and made of more than one submission node.
 * Never so for a file of whole segments.
 */
export function needsTail(size: number): boolean {
  return pieces(0, lastLeafCount(size)).length > 1;
}

/** Immutable tree of one file. Returned arrays are views or fresh; never write to them. */
export class FileTree {
  readonly size: number;
  readonly root: DataRoot;
  readonly rootBytes: Uint8Array;
  readonly submissionNodes: readonly SubmissionNode[];
  readonly #levels: readonly Uint8Array[];

  /** `tailPieces`: roots of the perfect subtrees of a cut last segment that holds file bytes. */
  private constructor(
    kernels: Kernels,
    size: number,
    realSegmentRoots: Uint8Array,
    tailPieces: readonly Uint8Array[],
  ) {
    const { real, padded } = segmentCounts(size);
    assert(realSegmentRoots.length === 32 * real, 'one root for each real segment');
    const base = new Uint8Array(32 * padded);
    base.set(realSegmentRoots);
    for (let i = real; i < padded; i++) base.set(zeroHash(SEGMENT_HEIGHT), 32 * i);
    const levels: Uint8Array[] = [base];
    for (let level: Uint8Array = base; level.length > 32; levels.push(level))
      level = parents(kernels, level);

    this.size = size;
    this.#levels = levels;
    this.rootBytes = levels[levels.length - 1]!;
    this.root = bytesToHash32(this.rootBytes) as DataRoot;
    this.submissionNodes = pieces(0, paddedSectorCount(size)).map(({ start, height }) => ({
      root: bytesToHash32(this.#piece(start, height, tailPieces)),
      height,
    }));
  }

  /** Root of a submission node: a node of a level, or below a segment one of the pieces of the cut last segment. */
  #piece(start: number, height: number, tailPieces: readonly Uint8Array[]): Uint8Array {
    const lastLeaves = lastLeafCount(this.size);
    if (height < SEGMENT_HEIGHT && 2 ** height !== lastLeaves) {
      return tailPieces[pieces(0, lastLeaves).findIndex((piece) => piece.height === height)]!;
    }
    const above = Math.max(0, height - SEGMENT_HEIGHT);
    const index = Math.floor(start / SECTORS_PER_SEGMENT / 2 ** above);
    return this.#levels[above]!.subarray(32 * index, 32 * index + 32);
  }

  /**
   * @param realSegmentRoots 32 bytes for each segment that holds file bytes, hashed over `segmentLeafCount` leaves.
   * @param tail bytes of the last segment; required when `needsTail(size)`, ignored otherwise. Throws `MERKLE_TAIL` (kind
   *   conflict) when they do not hash to the last root: the file changed while it was read.
   */
  static fromSegmentRoots(
    kernels: Kernels,
    size: number,
    realSegmentRoots: Uint8Array,
    tail?: Uint8Array,
  ): FileTree {
    if (!needsTail(size)) return new FileTree(kernels, size, realSegmentRoots, []);
    assert(tail !== undefined, 'the bytes of the last segment are needed (needsTail)');
    const tailPieces = pieceRoots(kernels, tail, lastLeafCount(size));
    if (!equalBytes(foldRight(kernels, tailPieces), realSegmentRoots.subarray(-32))) {
      throw new CodedError({
        code: 'MERKLE_TAIL',
        kind: 'conflict',
        message: 'the end of the file does not match its hash: it changed while it was read',
        details: { size },
      });
    }
    return new FileTree(kernels, size, realSegmentRoots, tailPieces);
  }

  /** As above, from the roots of all whole segments and the bytes that follow them; hashes those bytes once. */
  static fromWholeSegments(
    kernels: Kernels,
    size: number,
    wholeSegmentRoots: Uint8Array,
    tail: Uint8Array,
  ): FileTree {
    if (tail.length === 0) return new FileTree(kernels, size, wholeSegmentRoots, []);
    const leafCount = segmentLeafCount(size, segmentCounts(size).real - 1);
    const tailPieces = pieceRoots(kernels, tail, leafCount);
    const roots = concatBytes(wholeSegmentRoots, foldRight(kernels, tailPieces));
    return new FileTree(kernels, size, roots, tailPieces);
  }

  /** Root of segment `index` of the padded file (a view of 32 bytes). */
  segmentRoot(index: number): Uint8Array {
    assert(
      index >= 0 && 32 * index < this.#levels[0]!.length,
      'segment index lies in the padded file',
    );
    return this.#levels[0]!.subarray(32 * index, 32 * index + 32);
  }

  /** Sibling hashes from segment `index` to the root, bottom-up, 32 bytes each, concatenated. */
  siblings(index: number): Uint8Array {
    assert(
      index >= 0 && 32 * index < this.#levels[0]!.length,
      'segment index lies in the padded file',
    );
    const out: Uint8Array[] = [];
    let at = index;
    for (const level of this.#levels) {
      const count = level.length / 32;
      const sibling = at % 2 === 0 ? at + 1 : at - 1;
      if (sibling < count) out.push(level.subarray(32 * sibling, 32 * sibling + 32));
      at = Math.floor(at / 2);
    }
    return concatBytes(...out);
  }

  /** The same as the JSON proof that 0G's clients exchange. */
  proof(index: number): FileProof {
    return siblingsToProof({
      size: this.size,
      index,
      segmentRoot: this.segmentRoot(index),
      siblings: this.siblings(index),
      root: this.root,
    });
  }
}

function parents(kernels: Kernels, level: Uint8Array): Uint8Array {
  const count = level.length / 32;
  const out = new Uint8Array(32 * Math.ceil(count / 2));
  kernels.hashPairs(level.subarray(0, 64 * Math.floor(count / 2)), out);
  if (count % 2 === 1) out.set(level.subarray(level.length - 32), out.length - 32);
  return out;
}

/** Roots of the perfect subtrees that a segment of `leafCount` leaves is made of, largest first. */
function pieceRoots(kernels: Kernels, data: Uint8Array, leafCount: number): Uint8Array[] {
  const padded = new Uint8Array(leafCount * BYTES_PER_SECTOR);
  padded.set(data);
  return pieces(0, leafCount).map(({ start, height }) =>
    kernels.sectorTreeRoots(
      padded.subarray(start * BYTES_PER_SECTOR, (start + 2 ** height) * BYTES_PER_SECTOR),
      2 ** height,
    ),
  );
}

/**
 * Builds a tree from bytes that arrive in pieces of any length. Holds one segment and at most 64 bytes per segment; whole
 * segments inside one `update` are hashed in place, together.
 */
export class FileTreeBuilder {
  readonly #kernels: Kernels;
  readonly #segment = new Uint8Array(BYTES_PER_SEGMENT);
  #filled = 0;
  #size = 0;
  /** Roots of whole segments; grows by doubling. */
  #roots = new Uint8Array(32 * 64);
  #count = 0;

  constructor(kernels: Kernels) {
    this.#kernels = kernels;
  }

  /** Takes the next bytes; copies what it keeps. */
  update(bytes: Uint8Array): void {
    this.#size += bytes.length;
    let rest = bytes;
    if (this.#filled > 0) {
      const take = Math.min(rest.length, BYTES_PER_SEGMENT - this.#filled);
      this.#segment.set(rest.subarray(0, take), this.#filled);
      this.#filled += take;
      rest = rest.subarray(take);
      if (this.#filled < BYTES_PER_SEGMENT) return;
      this.#hash(this.#segment);
    }
    const whole = rest.length - (rest.length % BYTES_PER_SEGMENT);
    this.#hash(rest.subarray(0, whole));
    this.#segment.set(rest.subarray(whole));
    this.#filled = rest.length - whole;
  }

  /** The tree of everything so far; the builder must not be used after. Asserts that there was a byte. */
  finish(): FileTree {
    return FileTree.fromWholeSegments(
      this.#kernels,
      this.#size,
      this.#roots.subarray(0, 32 * this.#count),
      this.#segment.subarray(0, this.#filled),
    );
  }

  #hash(segments: Uint8Array): void {
    const count = segments.length / BYTES_PER_SEGMENT;
    if (32 * (this.#count + count) > this.#roots.length) {
      const roots = new Uint8Array(2 * 32 * (this.#count + count));
      roots.set(this.#roots);
      this.#roots = roots;
    }
    const out = this.#roots.subarray(32 * this.#count);
    this.#kernels.sectorTreeRoots(segments, SECTORS_PER_SEGMENT, out);
    this.#count += count;
  }
}

/** Tree of bytes in memory; copies none of them. */
export function fileTreeOfBytes(kernels: Kernels, bytes: Uint8Array): FileTree {
  const whole = bytes.length - (bytes.length % BYTES_PER_SEGMENT);
  const roots = kernels.sectorTreeRoots(bytes.subarray(0, whole), SECTORS_PER_SEGMENT);
  return FileTree.fromWholeSegments(kernels, bytes.length, roots, bytes.subarray(whole));
}

/** File root from its submission nodes: the right fold (spec 2.3). */
export function submissionRoot(kernels: Kernels, nodes: readonly SubmissionNode[]): DataRoot {
  return bytesToHash32(foldRight(kernels, nodes.map(nodeBytes))) as DataRoot;
}

/** `identity` of the Submit event: Keccak-256 of the concatenated node roots. */
export function submissionIdentity(kernels: Kernels, nodes: readonly SubmissionNode[]): Hash32 {
  return bytesToHash32(kernels.keccak256(concatBytes(...nodes.map(nodeBytes))));
}

function nodeBytes(node: SubmissionNode): Uint8Array {
  return hexToBytes(node.root);
}
