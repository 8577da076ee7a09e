import { assert } from '@cairn/base';
import {
  LOAD_BYTES,
  type LoadSearch,
  PAD_SEED_BYTES,
  SCRATCHPAD_BYTES,
  type Scratchpads,
  SEAL_BYTES,
} from './mining.ts';

/** Number of items in a batch; asserts that the lengths fit. */
export function checkBlake2bMany(
  input: Uint8Array,
  itemBytes: number,
  out: Uint8Array | undefined,
): number {
  assert(
    Number.isInteger(itemBytes) && itemBytes > 0,
    'blake2b512Many: itemBytes is a positive integer',
  );
  assert(input.length % itemBytes === 0, 'blake2b512Many: input is a whole number of items');
  const count = input.length / itemBytes;
  assert(out === undefined || out.length >= 64 * count, 'blake2b512Many: out is too short');
  return count;
}

/** Number of seals; asserts that the lengths fit. */
export function checkSeals(
  data: Uint8Array,
  masks: Uint8Array,
  out: Uint8Array | undefined,
): number {
  assert(data.length % SEAL_BYTES === 0, 'seal: data is a whole number of seals');
  const count = data.length / SEAL_BYTES;
  assert(masks.length === 32 * count, 'seal: 32 bytes of mask per seal');
  assert(out === undefined || out.length >= data.length, 'seal: out is too short');
  return count;
}

/** Number of nonces; asserts that the lengths fit. */
export function checkScratchpads(padSeeds: Uint8Array, out: Scratchpads | undefined): number {
  assert(padSeeds.length % PAD_SEED_BYTES === 0, 'scratchpads: 64 bytes of seed per nonce');
  const count = padSeeds.length / PAD_SEED_BYTES;
  assert(
    out === undefined || out.pads.length >= SCRATCHPAD_BYTES * count,
    'scratchpads: out.pads is too short',
  );
  assert(
    out === undefined || out.recallSeeds.length >= 32 * count,
    'scratchpads: out.recallSeeds is too short',
  );
  return count;
}

/** Asserts the lengths of a search. */
export function checkSearch({ load, pad, padSeed, target, present }: LoadSearch): void {
  assert(load.length === LOAD_BYTES, 'searchLoad: a load is 256 KiB');
  assert(pad.length === SCRATCHPAD_BYTES, 'searchLoad: a pad is 16 KiB');
  assert(padSeed.length === PAD_SEED_BYTES, 'searchLoad: a pad seed is 64 bytes');
  assert(target.length === 32, 'searchLoad: a target is 32 bytes');
  assert(present === undefined || present.length === 8, 'searchLoad: present is 64 bits');
}
