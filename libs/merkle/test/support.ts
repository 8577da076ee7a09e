/** Bytes of the vectors' pattern (spec/storage-protocol.md 2.6). */
export function patternBytes(size: number, seed = 0): Uint8Array {
  const out = new Uint8Array(size);
  for (let i = 0; i < size; i++) out[i] = (i * 31 + (i >> 8) * 17 + (i >> 16) * 7 + 5 + seed) & 255;
  return out;
}
