// One PoRA iteration as a plain implementation runs it on a library: the same bytes as the kernels, one nonce after another.
import { LOAD_BYTES, SCRATCHPAD_BYTES, SEAL_BYTES, SEALS_PER_LOAD } from '@cairn/kernels';

/** Hashes whose results are copied or new. */
export type PlainHashes = {
  keccak256(input: Uint8Array): Uint8Array;
  blake2b512(input: Uint8Array): Uint8Array;
};

/** 512 chained Keccak, then XOR and BLAKE2b of each seal of `load`. Returns the smallest first byte of a quality. */
export function plainIteration(hashes: PlainHashes, padSeed: Uint8Array, load: Uint8Array): number {
  const pad = new Uint8Array(SCRATCHPAD_BYTES);
  const cell = padSeed.slice();
  for (let at = 0; at < SCRATCHPAD_BYTES; at += 64) {
    cell.set(hashes.keccak256(cell), 0);
    cell.set(hashes.keccak256(cell), 32);
    pad.set(cell, at);
  }
  const padWords = new Uint32Array(pad.buffer);
  const loadWords = new Uint32Array(load.buffer, load.byteOffset, LOAD_BYTES / 4);
  const message = new Uint8Array(128 + SEAL_BYTES);
  const mixed = new Uint32Array(message.buffer, 128);
  message.set(padSeed, 32);
  let best = 255;
  for (let seal = 0; seal < SEALS_PER_LOAD; seal++) {
    const from = seal * mixed.length;
    const quarter = (seal % 4) * mixed.length;
    for (let i = 0; i < mixed.length; i++) mixed[i] = loadWords[from + i]! ^ padWords[quarter + i]!;
    message[31] = seal;
    best = Math.min(best, hashes.blake2b512(message)[0]!);
  }
  return best;
}

/** Seals every 4 KiB of `load` as a plain implementation does: a chain of Keccaks over 128 words each. New bytes. */
export function plainSeal(
  hashes: PlainHashes,
  firstMask: Uint8Array,
  load: Uint8Array,
): Uint8Array {
  const out = load.slice();
  for (let at = 0; at < out.length; at += SEAL_BYTES) {
    let mask = firstMask;
    for (let word = at; word < at + SEAL_BYTES; word += 32) {
      for (let i = 0; i < 32; i++) out[word + i]! ^= mask[i]!;
      mask = hashes.keccak256(out.subarray(word, word + 32));
    }
  }
  return out;
}
