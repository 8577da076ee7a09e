/*
 * Where the fragments of a coded file lie (spec/storage-erasure.md 4.1).
 *
 * A stripe is 16 consecutive 256 KiB segments of the data file (stripe s: segments 16 s .. 16 s + 15; those past the end are
 * zeros that nobody stores) and 16 or 8 parity segments in a second, ordinary file, placed so that no two fragments of a
 * stripe have the same index modulo 32. The data file is what it would be without coding.
 */
import { assert, divCeil } from '@cairn/base';

/** Data fragments of every stripe. */
export const STRIPE_DATA = 16;
/** Bytes of a fragment: one segment. */
export const FRAGMENT_BYTES = 262_144;
/** Data segments that parity is laid out for together, and the residues that fragments of a stripe differ by. */
export const WINDOW_SEGMENTS = 32;
/** Shorter files are not coded: replicas cost less (spec section 4.1). */
export const CODED_FILE_BYTES_MIN = WINDOW_SEGMENTS * FRAGMENT_BYTES;

/** Fragments of a stripe: 32 (twice the bytes) or 24 (one and a half times). */
export type StripeCode = 32 | 24;

/** A fragment of a file: position 0..15 is data, the rest parity. */
export type FragmentId = { stripe: number; position: number };

/** Where a fragment is stored; `zero`: past the end of the data, known to be zeros. */
export type FragmentPlace = { kind: 'data' | 'parity'; segmentIndex: number } | { kind: 'zero' };

/** Sizes of a coded file. */
export type CodedFileLayout = {
  code: StripeCode;
  dataBytes: number;
  /** Segments that hold data. */
  dataSegments: number;
  stripes: number;
  /** Segments of the parity file, and its bytes. */
  paritySegments: number;
  parityBytes: number;
};

/** Layout of a file of `dataBytes` bytes, `CODED_FILE_BYTES_MIN` at least. */
export function codedFileLayout(dataBytes: number, code: StripeCode): CodedFileLayout {
  assert(Number.isSafeInteger(dataBytes), 'a file has a size');
  assert(dataBytes >= CODED_FILE_BYTES_MIN, 'a coded file has 8 MiB at least');
  const dataSegments = divCeil(dataBytes, FRAGMENT_BYTES);
  const windows = divCeil(dataSegments, WINDOW_SEGMENTS);
  const paritySegments = WINDOW_SEGMENTS * (code === 32 ? windows : divCeil(windows, 2));
  return {
    code,
    dataBytes,
    dataSegments,
    stripes: 2 * windows,
    paritySegments,
    parityBytes: paritySegments * FRAGMENT_BYTES,
  };
}

/** Where a fragment is stored. */
export function fragmentPlace(layout: CodedFileLayout, fragment: FragmentId): FragmentPlace {
  const { stripe, position } = fragment;
  assert(stripe >= 0 && stripe < layout.stripes, 'no such stripe');
  assert(position >= 0 && position < layout.code, 'no such fragment');
  if (position < STRIPE_DATA) {
    const segmentIndex = STRIPE_DATA * stripe + position;
    return segmentIndex < layout.dataSegments ? { kind: 'data', segmentIndex } : { kind: 'zero' };
  }
  const j = position - STRIPE_DATA;
  const window = stripe >> 1;
  // Parity of the first half of a window (A) lies on the residues of the second (B), and the other way round.
  const half = stripe % 2 === 0 ? STRIPE_DATA : 0;
  const segmentIndex =
    layout.code === 32
      ? WINDOW_SEGMENTS * window + half + j
      : WINDOW_SEGMENTS * (window >> 1) + half + 8 * (window & 1) + j;
  return { kind: 'parity', segmentIndex };
}

/** Fragment that a data segment is. */
export function fragmentOfData(layout: CodedFileLayout, segmentIndex: number): FragmentId {
  assert(segmentIndex >= 0 && segmentIndex < layout.dataSegments, 'no such data segment');
  return {
    stripe: Math.floor(segmentIndex / STRIPE_DATA),
    position: segmentIndex % STRIPE_DATA,
  };
}

/** Parity segments that no stripe uses: zeros, at the end of a (16,24) file with an odd number of windows. */
export function unusedParity(layout: CodedFileLayout): number[] {
  const out: number[] = [];
  const lastWindow = Math.max(0, layout.paritySegments - WINDOW_SEGMENTS);
  for (let index = lastWindow; index < layout.paritySegments; index++)
    if (!fragmentOfParity(layout, index)) out.push(index);
  return out;
}

/** Fragment that a parity segment is; undefined for the unused ones (zeros) of an odd last window of the (16,24) code. */
export function fragmentOfParity(
  layout: CodedFileLayout,
  segmentIndex: number,
): FragmentId | undefined {
  assert(segmentIndex >= 0 && segmentIndex < layout.paritySegments, 'no such parity segment');
  const residue = segmentIndex % WINDOW_SEGMENTS;
  const half = residue < STRIPE_DATA ? 1 : 0;
  const parityWindow = Math.floor(segmentIndex / WINDOW_SEGMENTS);
  const j = residue % STRIPE_DATA;
  const window = layout.code === 32 ? parityWindow : 2 * parityWindow + (j >> 3);
  const stripe = 2 * window + half;
  if (stripe >= layout.stripes) return undefined;
  return { stripe, position: STRIPE_DATA + (layout.code === 32 ? j : j & 7) };
}
