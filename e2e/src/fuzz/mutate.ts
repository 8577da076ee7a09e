// Bytes that were good once, and bytes that never were. Everything follows from the random source.
import type { RandomSource } from '@cairn/base';

/** An integer in [0, limit). */
export const below = (random: RandomSource, limit: number): number =>
  Math.floor(random.next() * limit);
export const oneOf = <T>(random: RandomSource, list: readonly T[]): T =>
  list[below(random, list.length)]!;

/** A copy with a few bits flipped, bytes cut out, doubled, put in or cut off; sometimes noise instead. At most `bytesMax` long. */
export function mutate(random: RandomSource, good: Uint8Array, bytesMax: number): Uint8Array {
  if (random.next() < 0.1) return random.bytes(below(random, Math.min(bytesMax, 4096)));
  let bytes: Uint8Array = good.slice(0, bytesMax);
  for (let changes = 1 + below(random, 4); changes > 0; changes--) {
    const at = below(random, bytes.length + 1);
    switch (below(random, 6)) {
      case 0:
        if (at < bytes.length) bytes[at]! ^= 1 << below(random, 8);
        break;
      case 1:
        if (at < bytes.length) bytes[at] = below(random, 256);
        break;
      case 2: // cut off
        bytes = bytes.slice(0, at);
        break;
      case 3: // cut out
        bytes = joined(bytes.subarray(0, at), bytes.subarray(at + 1 + below(random, 16)));
        break;
      case 4: // put in
        bytes = joined(
          bytes.subarray(0, at),
          random.bytes(1 + below(random, 16)),
          bytes.subarray(at),
        );
        break;
      default: // doubled
        bytes = joined(bytes, bytes.subarray(0, at));
    }
  }
  return bytes.slice(0, bytesMax);
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
