// Repeatable input: a hash of the position (the finaliser of MurmurHash3), so that megabytes never repeat.

const mix = (index: number, seed: number): number => {
  let h = Math.imul(index ^ 0x9e3779b9, 0x85ebca6b) ^ seed;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
};

/** `length` bytes (a multiple of 4). */
export function randomBytes(length: number, seed: number): Uint8Array {
  const words = new Uint32Array(length / 4);
  for (let i = 0; i < words.length; i++) words[i] = mix(i, seed);
  return new Uint8Array(words.buffer);
}

/** `count` distinct numbers below `end`, increasing. */
export function drawNumbers(count: number, seed: number, end: number): number[] {
  const drawn = new Set<number>();
  for (let i = 0; drawn.size < count; i++) drawn.add(mix(i, seed) % end);
  return [...drawn].toSorted((a, b) => a - b);
}
