/*
 * One mining iteration, in the parts that a miner overlaps: pad seeds, pads of several nonces, recall, search of a load.
 * Source: spec/storage-protocol.md 4.5. The heavy parts run in @cairn/kernels: 512 chained Keccaks per nonce, then 64 times
 * BLAKE2b over 4,224 bytes per recalled load.
 */
import { type Hash32, hexToBytes } from '@cairn/base';
import type { Kernels } from '@cairn/kernels';
import { BYTES_PER_SEAL } from '@cairn/protocol';
import { BYTES_PER_CELL, BYTES_PER_PAD, SEALS_PER_PAD } from './constants.ts';
import { rangeDigest } from './range.ts';
import type { RecallRange } from './types.ts';
import { blake2b512, bytesToBigint, keccak, u256 } from './words.ts';

/** What the pads of one miner have in common while work and range stand. 96 bytes follow the nonce's place. */
export type SeedBase = { minerId: Uint8Array; subtaskDigest: Uint8Array; rangeDigest: Uint8Array };

export function seedBase(input: {
  minerId: Hash32;
  subtaskDigest: Hash32;
  range: RecallRange;
}): SeedBase {
  return {
    minerId: hexToBytes(input.minerId),
    subtaskDigest: hexToBytes(input.subtaskDigest),
    rangeDigest: hexToBytes(rangeDigest(input.range)),
  };
}

/** Pad seeds of consecutive 32-byte nonces: 64 bytes each. */
export function padSeeds(kernels: Kernels, base: SeedBase, nonces: Uint8Array): Uint8Array {
  const count = nonces.length / 32;
  const input = new Uint8Array(128 * count);
  for (let i = 0; i < count; i++) {
    input.set(base.minerId, 128 * i);
    input.set(nonces.subarray(32 * i, 32 * i + 32), 128 * i + 32);
    input.set(base.subtaskDigest, 128 * i + 64);
    input.set(base.rangeDigest, 128 * i + 96);
  }
  return kernels.mining.blake2b512Many(input, 128);
}

/** The pad of one seed by the definition, for verifiers: 16 KiB and the recall seed. About 1.5 ms. */
export function padOfSeed(padSeed: Uint8Array): { pad: Uint8Array; recallSeed: Uint8Array } {
  const pad = new Uint8Array(BYTES_PER_PAD);
  const cell = padSeed.slice();
  for (let at = 0; at < BYTES_PER_PAD; at += BYTES_PER_CELL) {
    cell.set(keccak(cell));
    cell.set(keccak(cell), 32);
    pad.set(cell, at);
  }
  return { pad, recallSeed: keccak(cell) };
}

/** A seal with its quarter of the pad mixed in; 4,096 new bytes. */
export function mixSeal(sealed: Uint8Array, sealOffset: number, pad: Uint8Array): Uint8Array {
  const from = (sealOffset % SEALS_PER_PAD) * BYTES_PER_SEAL;
  const mixed = new Uint8Array(BYTES_PER_SEAL);
  for (let i = 0; i < BYTES_PER_SEAL; i++) mixed[i] = sealed[i]! ^ pad[from + i]!;
  return mixed;
}

/** Quality of one mixed seal, the number that is compared with the threshold. */
export function qualityOf(sealOffset: number, padSeed: Uint8Array, mixed: Uint8Array): bigint {
  const digest = blake2b512(u256(sealOffset), padSeed, new Uint8Array(32), mixed);
  return bytesToBigint(digest.subarray(0, 32));
}
