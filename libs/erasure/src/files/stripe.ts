// Encoding and rebuilding of stripes: GF(2^16), natural layout, one code word per symbol column of 16 segments
// (spec/storage-erasure.md 4.2). Four butterflies per data row: an order of magnitude faster than hashing the sectors.
import { assert } from '@cairn/base';
import type { GaloisKernels } from '@cairn/kernels';
import { ReedSolomon } from '../code/reed-solomon.ts';
import { erasureError } from '../errors.ts';
import {
  type CodedFileLayout,
  FRAGMENT_BYTES,
  fragmentPlace,
  STRIPE_DATA,
  type StripeCode,
  WINDOW_SEGMENTS,
} from './layout.ts';

/** Bytes of the data of one stripe: 4 MiB. */
export const STRIPE_BYTES = STRIPE_DATA * FRAGMENT_BYTES;

/** The code of the stripes. */
export function stripeCode(kernels: GaloisKernels, code: StripeCode): ReedSolomon {
  return new ReedSolomon(kernels, {
    field: 16,
    layout: 'natural',
    dataRows: STRIPE_DATA,
    parityRows: code - STRIPE_DATA,
  });
}

/**
 * Windows [start, end) of 32 segments of the parity file. `readData` fills `into` (256 KiB of zeros when called) with data
 * segment `segmentIndex`. Holds 4 MiB of data and the parity asked for, 8 MiB per window.
 */
export async function parityWindows(
  kernels: GaloisKernels,
  layout: CodedFileLayout,
  range: { start: number; end: number },
  readData: (segmentIndex: number, into: Uint8Array) => Promise<void> | void,
): Promise<Uint8Array> {
  const { start, end } = range;
  const windows = layout.paritySegments / WINDOW_SEGMENTS;
  assert(0 <= start && start <= end && end <= windows, 'inside the parity file');
  const code = stripeCode(kernels, layout.code);
  const parityBytes = (layout.code - STRIPE_DATA) * FRAGMENT_BYTES;
  const stripesPerWindow = layout.code === 32 ? 2 : 4;
  const firstSegment = start * WINDOW_SEGMENTS;
  const out = new Uint8Array((end - start) * WINDOW_SEGMENTS * FRAGMENT_BYTES);
  const data = new Uint8Array(STRIPE_BYTES);
  const endStripe = Math.min(layout.stripes, end * stripesPerWindow);
  for (let stripe = start * stripesPerWindow; stripe < endStripe; stripe++) {
    data.fill(0);
    for (let position = 0; position < STRIPE_DATA; position++) {
      const place = fragmentPlace(layout, { stripe, position });
      if (place.kind !== 'data') continue;
      const at = position * FRAGMENT_BYTES;
      await readData(place.segmentIndex, data.subarray(at, at + FRAGMENT_BYTES));
    }
    const first = fragmentPlace(layout, { stripe, position: STRIPE_DATA });
    assert(first.kind === 'parity', 'parity follows data');
    const at = (first.segmentIndex - firstSegment) * FRAGMENT_BYTES;
    code.encode(data, FRAGMENT_BYTES, out.subarray(at, at + parityBytes));
  }
  return out;
}

/**
 * Fragments `wanted` (positions) of one stripe from any 16, 256 KiB each; `present` is by position, short ones are
 * zero-filled, and those past the end of the file count without being given. The result is only as good as its input: check
 * every fragment against its file's root before, and the rebuilt ones after, since parity may be a lie (spec section 5.4).
 * Throws `ERASURE_TOO_FEW_ROWS` (not_ready), `ERASURE_ROW_INDEX` or `ERASURE_ROW_LENGTH`.
 */
export function rebuildFragments(
  kernels: GaloisKernels,
  layout: CodedFileLayout,
  job: { stripe: number; present: ReadonlyMap<number, Uint8Array>; wanted: readonly number[] },
): Uint8Array[] {
  const { stripe, present, wanted } = job;
  for (const [position, { length }] of present) {
    const details = { index: position, actual: length };
    if (!Number.isInteger(position) || position < 0 || position >= layout.code)
      throw erasureError('ERASURE_ROW_INDEX', `a stripe has no position ${position}`, details);
    if (length > FRAGMENT_BYTES)
      throw erasureError('ERASURE_ROW_LENGTH', `a fragment of ${length} bytes`, details);
  }
  const indices: number[] = [];
  for (let position = 0; position < layout.code; position++) {
    const isZero = fragmentPlace(layout, { stripe, position }).kind === 'zero';
    if (isZero || present.has(position)) indices.push(position);
  }
  const rows = new Uint8Array(indices.length * FRAGMENT_BYTES);
  for (const [i, position] of indices.entries()) {
    const fragment = present.get(position);
    if (fragment) rows.set(fragment, i * FRAGMENT_BYTES);
  }
  const code = stripeCode(kernels, layout.code);
  const out = code.reconstruct({ rows, indices, rowBytes: FRAGMENT_BYTES, wanted });
  return wanted.map((_, i) => out.subarray(i * FRAGMENT_BYTES, (i + 1) * FRAGMENT_BYTES));
}
