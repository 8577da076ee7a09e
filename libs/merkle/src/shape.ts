// The shape of a file's tree: how many sectors and segments, how padded, how split. Pure arithmetic, exact below 2^53.
// Source: spec/storage-protocol.md 2.2-2.5.
import { assert, divCeil, nextPowerOfTwo } from '@cairn/base';
import { BYTES_PER_SECTOR, BYTES_PER_SEGMENT, SECTORS_PER_SEGMENT } from '@cairn/protocol';

/** Sectors that hold bytes of the file. `size` in bytes, at least 1. */
export function sectorCount(size: number): number {
  assert(Number.isSafeInteger(size) && size > 0, 'file size is a positive integer');
  return divCeil(size, BYTES_PER_SECTOR);
}

/** Sectors after padding to a multiple of 1/16 of the next power of two. */
export function paddedSectorCount(size: number): number {
  const sectors = sectorCount(size);
  const power = nextPowerOfTwo(sectors);
  if (power === sectors) return sectors;
  const unit = power >= 16 ? power / 16 : 1;
  return divCeil(sectors, unit) * unit;
}

/** Segments with bytes of the file, and segments of the padded file. */
export function segmentCounts(size: number): { real: number; padded: number } {
  return {
    real: divCeil(size, BYTES_PER_SEGMENT),
    padded: divCeil(paddedSectorCount(size), SECTORS_PER_SEGMENT),
  };
}

/** Leaves that segment `index` of the padded file hashes over: 1024, or fewer for the last one. */
export function segmentLeafCount(size: number, index: number): number {
  const padded = paddedSectorCount(size);
  const last = divCeil(padded, SECTORS_PER_SEGMENT) - 1;
  assert(index >= 0 && index <= last, 'segment index lies in the padded file');
  return index < last ? SECTORS_PER_SEGMENT : padded - last * SECTORS_PER_SEGMENT;
}

/** Bytes of real segment `index` on the wire: whole sectors, the last one zero-filled. */
export function segmentDataBytes(size: number, index: number): number {
  const sectors = sectorCount(size) - index * SECTORS_PER_SEGMENT;
  assert(index >= 0 && sectors > 0, 'segment index lies in the file');
  return Math.min(sectors, SECTORS_PER_SEGMENT) * BYTES_PER_SECTOR;
}

/** A perfect subtree: 2^height sectors from `start` (in sectors). */
export type Piece = { start: number; height: number };

/** Splits [start, end) into perfect subtrees, largest first: the left-heavy tree is their right fold. */
export function pieces(start: number, end: number): Piece[] {
  const out: Piece[] = [];
  let height = 52;
  for (let at = start; at < end; ) {
    while (2 ** height > end - at) height--;
    out.push({ start: at, height });
    at += 2 ** height;
  }
  return out;
}

/** Splits [start, end) into the fewest perfect subtrees that begin at multiples of their size. Empty when start >= end. */
export function alignedPieces(start: number, end: number): Piece[] {
  const out: Piece[] = [];
  for (let at = start; at < end; ) {
    let height = 0;
    while (at % 2 ** (height + 1) === 0 && at + 2 ** (height + 1) <= end) height++;
    out.push({ start: at, height });
    at += 2 ** height;
  }
  return out;
}

/** Heights of the submission nodes, strictly decreasing, at most 4. */
export function submissionHeights(size: number): number[] {
  return pieces(0, paddedSectorCount(size)).map((piece) => piece.height);
}

/** One step of the way from a segment up to the file root: the sibling's sectors and its side. */
export type Step = { isRightSibling: boolean; start: number; end: number };

/** Steps from segment `index` to the root, bottom-up. */
export function segmentSteps(size: number, index: number): Step[] {
  const sectors = paddedSectorCount(size);
  const steps: Step[] = [];
  let from = 0;
  let count = divCeil(sectors, SECTORS_PER_SEGMENT);
  assert(index >= 0 && index < count, 'segment index lies in the padded file');
  const toSector = (segment: number): number => Math.min(segment * SECTORS_PER_SEGMENT, sectors);
  while (count > 1) {
    const left = nextPowerOfTwo(count) / 2;
    if (index < from + left) {
      steps.push({
        isRightSibling: true,
        start: toSector(from + left),
        end: toSector(from + count),
      });
      count = left;
    } else {
      steps.push({ isRightSibling: false, start: toSector(from), end: toSector(from + left) });
      from += left;
      count -= left;
    }
  }
  return steps.reverse();
}
