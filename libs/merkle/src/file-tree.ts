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
  concatBytes,
  type DataRoot,
  type Hash32,
  hexToBytes,
} from '@cairn/base';
import { type Kernels, segmentRootOf, segmentRootsOf } from '@cairn/kernels';
import {
  BYTES_PER_SECTOR,
  BYTES_PER_SEGMENT,
  type FileProof,
  SECTORS_PER_SEGMENT,
  SEGMENT_HEIGHT,
} from '@cairn/protocol';
import { siblingsToProof } from './proof.ts';
import { paddedSectorCount, pieces, segmentCounts, segmentLeafCount } from './shape.ts';
import { foldRight, zeroHash, zeroTree } from './zero.ts';

/** A power-of-two subtree as the Flow contract takes it; height 0 is one sector. */
export type SubmissionNode = { root: Hash32; height: number };

/** Root of one segment over `leafCount` leaves: its bytes, then zeros. 32 new bytes. */
export function segmentRoot(kernels: Kernels, data: Uint8Array, leafCount: number): Uint8Array {
  return segmentRootOf(kernels, data, leafCount);
}

/** True when the last padded segment holds file bytes and is cut: then its bytes are needed for the submission nodes. */
export function needsTail(size: number): boolean {
  const { real, padded } = segmentCounts(size);
  return real === padded && segmentLeafCount(size, padded - 1) < SECTORS_PER_SEGMENT;
}

/** Immutable tree of one file. Returned arrays are views or fresh; never write to them. */
export class FileTree {
  readonly size: number;
  readonly root: DataRoot;
  readonly rootBytes: Uint8Array;
  readonly submissionNodes: readonly SubmissionNode[];
  readonly #levels: readonly Uint8Array[];

  private constructor(
    size: number,
    levels: readonly Uint8Array[],
    nodes: readonly SubmissionNode[],
  ) {
    this.size = size;
    this.#levels = levels;
    this.rootBytes = levels[levels.length - 1]!;
    this.root = bytesToHash32(this.rootBytes) as DataRoot;
    this.submissionNodes = nodes;
  }

  /**
   * @param realSegmentRoots 32 bytes for each segment that holds file bytes, hashed over `segmentLeafCount` leaves.
   * @param tail bytes of the last segment; required when `needsTail(size)`, ignored otherwise.
   */
  static fromSegmentRoots(
    kernels: Kernels,
    size: number,
    realSegmentRoots: Uint8Array,
    tail?: Uint8Array,
  ): FileTree {
    const { real, padded } = segmentCounts(size);
    assert(realSegmentRoots.length === 32 * real, 'one root for each real segment');
    const lastLeaves = segmentLeafCount(size, padded - 1);
    const base = new Uint8Array(32 * padded);
    base.set(realSegmentRoots);
    for (let i = real; i < padded; i++) {
      base.set(i === padded - 1 ? zeroTree(kernels, lastLeaves) : zeroHash(SEGMENT_HEIGHT), 32 * i);
    }
    const levels: Uint8Array[] = [base];
    for (let level: Uint8Array = base; level.length > 32; levels.push(level))
      level = parents(kernels, level);

    const tailNodes =
      lastLeaves < SECTORS_PER_SEGMENT
        ? segmentPieces(kernels, lastLeaves, needsTail(size) ? tail : new Uint8Array(0))
        : [];
    const nodes = pieces(0, paddedSectorCount(size)).map((piece): SubmissionNode => {
      if (piece.height < SEGMENT_HEIGHT)
        return { root: bytesToHash32(tailNodes.shift()!), height: piece.height };
      const level = levels[piece.height - SEGMENT_HEIGHT]!;
      const index = piece.start / 2 ** piece.height;
      return {
        root: bytesToHash32(level.subarray(32 * index, 32 * index + 32)),
        height: piece.height,
      };
    });
    return new FileTree(size, levels, nodes);
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

/** Roots of the perfect subtrees that a cut segment is made of, largest first. */
function segmentPieces(
  kernels: Kernels,
  leafCount: number,
  data: Uint8Array | undefined,
): Uint8Array[] {
  assert(data !== undefined, 'the bytes of a cut last segment are needed for its submission nodes');
  const padded = new Uint8Array(leafCount * BYTES_PER_SECTOR);
  padded.set(data);
  return pieces(0, leafCount).map(({ start, height }) =>
    kernels.sectorTreeRoots(
      padded.subarray(start * BYTES_PER_SECTOR, (start + 2 ** height) * BYTES_PER_SECTOR),
      2 ** height,
    ),
  );
}

/** Builds a tree from bytes that arrive in pieces of any length; holds one segment and 32 bytes per segment. */
export class FileTreeBuilder {
  readonly #kernels: Kernels;
  readonly #segment = new Uint8Array(BYTES_PER_SEGMENT);
  readonly #roots: Uint8Array[] = [];
  #filled = 0;
  #size = 0;

  constructor(kernels: Kernels) {
    this.#kernels = kernels;
  }

  /** Takes the next bytes; copies what it keeps. */
  update(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#filled === BYTES_PER_SEGMENT) this.#flush();
      const whole = Math.floor((bytes.length - at) / BYTES_PER_SEGMENT) * BYTES_PER_SEGMENT;
      // Whole segments hash in place, but the last one of the file must stay: more bytes may or may not follow.
      if (this.#filled === 0 && whole > BYTES_PER_SEGMENT) {
        const take = whole - BYTES_PER_SEGMENT;
        this.#roots.push(
          this.#kernels.sectorTreeRoots(bytes.subarray(at, at + take), SECTORS_PER_SEGMENT),
        );
        at += take;
        continue;
      }
      const take = Math.min(bytes.length - at, BYTES_PER_SEGMENT - this.#filled);
      this.#segment.set(bytes.subarray(at, at + take), this.#filled);
      this.#filled += take;
      at += take;
    }
    this.#size += bytes.length;
  }

  /** The tree of everything so far; the builder must not be used after. Asserts that there was a byte. */
  finish(): FileTree {
    const { real } = segmentCounts(this.#size);
    const tail = this.#segment.subarray(0, this.#filled);
    this.#roots.push(segmentRootsOf(this.#kernels, tail, segmentLeafCount(this.#size, real - 1)));
    return FileTree.fromSegmentRoots(this.#kernels, this.#size, concatBytes(...this.#roots), tail);
  }

  #flush(): void {
    this.#roots.push(this.#kernels.sectorTreeRoots(this.#segment, SECTORS_PER_SEGMENT));
    this.#filled = 0;
  }
}

/** Tree of bytes in memory. */
export function fileTreeOfBytes(kernels: Kernels, bytes: Uint8Array): FileTree {
  const builder = new FileTreeBuilder(kernels);
  builder.update(bytes);
  return builder.finish();
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
