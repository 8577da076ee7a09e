/*
 * The twin: both trees written down as the specification says them (storage-protocol.md 2.2-2.5, 3.4), with @noble/hashes,
 * whole arrays of leaves and no cleverness. Shares no code with src.
 */
import { keccak_256 } from '@noble/hashes/sha3.js';

const join = (left: Uint8Array, right: Uint8Array): Uint8Array =>
  keccak_256(new Uint8Array([...left, ...right]));
export const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString('hex')}`;
const ZERO_LEAF = keccak_256(new Uint8Array(256));

/** n > 1 leaves split at the largest power of two strictly below n. */
function leftHeavyRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 1) return leaves[0]!;
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return join(leftHeavyRoot(leaves.slice(0, k)), leftHeavyRoot(leaves.slice(k)));
}

/** Sibling hashes from leaf `index` up, and whether the way is the left child at each step. */
function leftHeavyProof(
  leaves: readonly Uint8Array[],
  index: number,
): { lemma: string[]; path: boolean[] } {
  if (leaves.length === 1) return { lemma: [], path: [] };
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  const isLeft = index < k;
  const below = isLeft
    ? leftHeavyProof(leaves.slice(0, k), index)
    : leftHeavyProof(leaves.slice(k), index - k);
  const sibling = leftHeavyRoot(isLeft ? leaves.slice(k) : leaves.slice(0, k));
  return { lemma: [...below.lemma, hex(sibling)], path: [...below.path, isLeft] };
}

function paddedSectors(size: number): number {
  const c = Math.ceil(size / 256);
  let p = 1;
  while (p < c) p *= 2;
  if (p === c) return c;
  const m = p >= 16 ? p / 16 : 1;
  return Math.ceil(c / m) * m;
}

/** A file as an array of all its padded leaves. */
export class ReferenceFile {
  readonly leaves: Uint8Array[];
  readonly segmentRoots: Uint8Array[] = [];

  constructor(bytes: Uint8Array) {
    const padded = new Uint8Array(paddedSectors(bytes.length) * 256);
    padded.set(bytes);
    this.leaves = Array.from({ length: padded.length / 256 }, (_, i) =>
      i * 256 >= bytes.length ? ZERO_LEAF : keccak_256(padded.subarray(i * 256, i * 256 + 256)),
    );
    for (let at = 0; at < this.leaves.length; at += 1024)
      this.segmentRoots.push(leftHeavyRoot(this.leaves.slice(at, at + 1024)));
  }

  root(): string {
    return hex(leftHeavyRoot(this.leaves));
  }

  nodes(): { root: string; height: number }[] {
    const out: { root: string; height: number }[] = [];
    let q = 1;
    while (q < this.leaves.length) q *= 2;
    for (let at = 0; at < this.leaves.length; q /= 2) {
      if (this.leaves.length - at < q) continue;
      out.push({ root: hex(leftHeavyRoot(this.leaves.slice(at, at + q))), height: Math.log2(q) });
      at += q;
    }
    return out;
  }

  proof(index: number): { lemma: string[]; path: boolean[] } {
    if (this.segmentRoots.length === 1) return { lemma: [this.root()], path: [] };
    const { lemma, path } = leftHeavyProof(this.segmentRoots, index);
    return { lemma: [hex(this.segmentRoots[index]!), ...lemma, this.root()], path };
  }
}

/** The flow as an array of all its leaves. */
export class ReferenceFlow {
  leaves: Uint8Array[] = [new Uint8Array(32)];

  /** Steps 1 to 3 of the placement, literally. Returns the position of the first node. */
  append(leaves: readonly Uint8Array[], heights: readonly number[]): number {
    const align = (x: number, h: number): number =>
      x === 0 ? 0 : (Math.floor((x - 1) / 2 ** h) + 1) * 2 ** h;
    let current = this.leaves.length;
    const s = align(current, heights[0]!);
    const last = s + leaves.length - 1;
    if (s % 1024 !== 0 && Math.floor(s / 1024) !== Math.floor(last / 1024))
      current = s + 1024 - (s % 1024);
    let first: number | undefined;
    let taken = 0;
    for (const height of heights) {
      const position = align(current, height);
      first ??= position;
      while (this.leaves.length < position) this.leaves.push(ZERO_LEAF);
      this.leaves.push(...leaves.slice(taken, taken + 2 ** height));
      taken += 2 ** height;
      current = position + 2 ** height;
    }
    return first!;
  }

  /** Every level of the tree over the first `length` leaves, filled up with zero sectors. */
  levels(length = this.leaves.length): Uint8Array[][] {
    let size = 1;
    while (size < length) size *= 2;
    const leaves = this.leaves.slice(0, length);
    while (leaves.length < size) leaves.push(ZERO_LEAF);
    const out = [leaves];
    const zeros: Uint8Array[] = [ZERO_LEAF];
    for (let level = leaves; level.length > 1; out.push(level)) {
      const zero = zeros.at(-1)!;
      zeros.push(join(zero, zero));
      const below = level;
      level = Array.from({ length: below.length / 2 }, (_, i) =>
        below[2 * i] === zero && below[2 * i + 1] === zero
          ? zeros.at(-1)!
          : join(below[2 * i]!, below[2 * i + 1]!),
      );
    }
    return out;
  }
}

/** A sector proof read off the levels. */
export function proofFromLevels(
  levels: readonly Uint8Array[][],
  sector: number,
): { lemma: string[]; path: boolean[] } {
  const lemma = [hex(levels[0]![sector]!)];
  const path: boolean[] = [];
  for (let level = 0, at = sector; level < levels.length - 1; level++, at >>= 1) {
    lemma.push(hex(levels[level]![at ^ 1]!));
    path.push(at % 2 === 0);
  }
  if (levels.length > 1) lemma.push(hex(levels.at(-1)![0]!));
  return { lemma, path };
}
