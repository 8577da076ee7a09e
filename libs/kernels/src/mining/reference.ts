// The definition of the mining kernels, on @noble/hashes. Slow (about 60 nonces/s) and obvious.
import { blake2b } from '@noble/hashes/blake2.js';
import { keccak_256 } from '@noble/hashes/sha3.js';
import { checkBlake2bMany, checkScratchpads, checkSeals, checkSearch } from './checks.ts';
import {
  LOAD_BUFFERS,
  LOAD_BYTES,
  type LoadHit,
  type MiningKernels,
  PAD_SEED_BYTES,
  SCRATCHPAD_BYTES,
  SEAL_BYTES,
  SEALS_PER_LOAD,
} from './mining.ts';

const WORD_BYTES = 32;
let buffers: readonly Uint8Array[] | undefined;

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, i) => byte ^ b[i]!);
}

/** Whether big-endian `a` is at most `b`. */
function isAtMost(a: Uint8Array, b: Uint8Array): boolean {
  const at = a.findIndex((byte, i) => byte !== b[i]);
  return at < 0 || a[at]! < b[at]!;
}

/** Both directions: the mask of word i > 0 is K of sealed word i - 1. */
function chain(
  direction: 'seal' | 'unseal',
  input: Uint8Array,
  masks: Uint8Array,
  out: Uint8Array | undefined,
): Uint8Array {
  const count = checkSeals(input, masks, out);
  const target = out ?? new Uint8Array(input.length);
  for (let seal = 0; seal < count; seal++) {
    let mask: Uint8Array = masks.subarray(WORD_BYTES * seal, WORD_BYTES * (seal + 1));
    for (let at = SEAL_BYTES * seal; at < SEAL_BYTES * (seal + 1); at += WORD_BYTES) {
      const word = input.slice(at, at + WORD_BYTES);
      const masked = xor(word, mask);
      target.set(masked, at);
      mask = keccak_256(direction === 'seal' ? masked : word);
    }
  }
  return target;
}

/** The plain TypeScript twin of the mining kernels. */
export const referenceMining: MiningKernels = {
  nonceLanes: 1,

  blake2b512Many(input, itemBytes, out) {
    const count = checkBlake2bMany(input, itemBytes, out);
    const target = out ?? new Uint8Array(64 * count);
    for (let i = 0; i < count; i++)
      target.set(blake2b(input.subarray(i * itemBytes, (i + 1) * itemBytes)), 64 * i);
    return target;
  },

  seal: (data, masks, out) => chain('seal', data, masks, out),
  unseal: (sealed, masks, out) => chain('unseal', sealed, masks, out),

  scratchpads(padSeeds, out) {
    const count = checkScratchpads(padSeeds, out);
    const pads = out?.pads ?? new Uint8Array(SCRATCHPAD_BYTES * count);
    const recallSeeds = out?.recallSeeds ?? new Uint8Array(32 * count);
    for (let nonce = 0; nonce < count; nonce++) {
      const cell = padSeeds.slice(PAD_SEED_BYTES * nonce, PAD_SEED_BYTES * (nonce + 1));
      for (let at = 0; at < SCRATCHPAD_BYTES; at += cell.length) {
        cell.set(keccak_256(cell), 0);
        cell.set(keccak_256(cell), 32);
        pads.set(cell, SCRATCHPAD_BYTES * nonce + at);
      }
      recallSeeds.set(keccak_256(cell), 32 * nonce);
    }
    return {
      pads: pads.subarray(0, SCRATCHPAD_BYTES * count),
      recallSeeds: recallSeeds.subarray(0, 32 * count),
    };
  },

  searchLoad(search) {
    checkSearch(search);
    const { load, pad, padSeed, target, present } = search;
    const hits: LoadHit[] = [];
    for (let sealIndex = 0; sealIndex < SEALS_PER_LOAD; sealIndex++) {
      if (present && ((present[sealIndex >> 3]! >> (sealIndex & 7)) & 1) === 0) continue;
      const message = new Uint8Array(128 + SEAL_BYTES);
      message[31] = sealIndex;
      message.set(padSeed, 32);
      const part = pad.subarray(SEAL_BYTES * (sealIndex % 4), SEAL_BYTES * ((sealIndex % 4) + 1));
      const seal = load.subarray(SEAL_BYTES * sealIndex, SEAL_BYTES * (sealIndex + 1));
      message.set(xor(seal, part), 128);
      const quality = blake2b(message).slice(0, 32);
      if (isAtMost(quality, target)) hits.push({ sealIndex, quality });
    }
    return hits;
  },

  loadBuffers() {
    buffers ??= Array.from({ length: LOAD_BUFFERS }, () => new Uint8Array(LOAD_BYTES));
    return buffers;
  },
};
