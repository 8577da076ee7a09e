// What the fast searches share: they compare only the first 8 bytes of a quality, and leave the rest to this.
import type { LoadHit } from './mining.ts';

/** Bytes of one candidate in the output of a fast search: the seal (8, little-endian), then its quality (32). */
export const CANDIDATE_BYTES = 40;

/** The first 8 bytes of a target, as a number. */
export function targetTop(target: Uint8Array): bigint {
  return new DataView(target.buffer, target.byteOffset, 8).getBigUint64(0);
}

/** A bit per seal; all of them when absent. */
export function presentBits(present: Uint8Array | undefined): bigint {
  if (!present) return 0xffff_ffff_ffff_ffffn;
  return new DataView(present.buffer, present.byteOffset, 8).getBigUint64(0, true);
}

/** Whether the 32 big-endian bytes at `at` are at most the target. */
function isAtMost(bytes: Uint8Array, at: number, target: Uint8Array): boolean {
  for (let i = 0; i < 32; i++) {
    const difference = bytes[at + i]! - target[i]!;
    if (difference !== 0) return difference < 0;
  }
  return true;
}

/** The candidates at or below the target, in ascending order of seal. */
export function candidatesToHits(
  candidates: Uint8Array,
  count: number,
  target: Uint8Array,
): LoadHit[] {
  const hits: LoadHit[] = [];
  for (let at = 0; at < count * CANDIDATE_BYTES; at += CANDIDATE_BYTES) {
    if (isAtMost(candidates, at + 8, target))
      hits.push({ sealIndex: candidates[at]!, quality: candidates.slice(at + 8, at + 40) });
  }
  return hits.sort((a, b) => a.sealIndex - b.sealIndex);
}
