// Keystream of ChaCha with 8 rounds and nonce 0 (RFC 8439's block function, fewer rounds): the data rule of the vectors.

const rotate = (x: number, n: number): number => (x << n) | (x >>> (32 - n));

function quarter(s: Int32Array, [a, b, c, d]: readonly [number, number, number, number]): void {
  s[a]! += s[b]!;
  s[d] = rotate(s[d]! ^ s[a]!, 16);
  s[c]! += s[d]!;
  s[b] = rotate(s[b]! ^ s[c]!, 12);
  s[a]! += s[b]!;
  s[d] = rotate(s[d]! ^ s[a]!, 8);
  s[c]! += s[d]!;
  s[b] = rotate(s[b]! ^ s[c]!, 7);
}

const LANES = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
] as const;

/** `bytes` bytes of keystream for a key of 32 bytes of value `keyByte`. */
export function chacha8(keyByte: number, bytes: number): Uint8Array {
  const out = new Uint8Array(bytes + 64);
  const view = new DataView(out.buffer);
  const start = new Int32Array(16);
  start.set([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574]);
  start.fill(Math.imul(keyByte, 0x01010101), 4, 12);
  for (let at = 0; at < bytes; at += 64, start[12]! += 1) {
    const state = start.slice();
    for (let round = 0; round < 4; round++) for (const lanes of LANES) quarter(state, lanes);
    for (let i = 0; i < 16; i++) view.setInt32(at + 4 * i, state[i]! + start[i]!, true);
  }
  return out.subarray(0, bytes);
}
