/*
 * Sealing: 4 KiB of data become 4 KiB that only one miner id has a use for. Source: spec/storage-protocol.md 4.2.
 *
 * Sealing is a chain over 128 words, unsealing is parallel and random access; both run in @cairn/kernels, whose lanes are
 * seals. What is here is the key: miner, position, and the context that fixed a block hash after the data was committed.
 * Sealing makes copies for several ids cost something; it is a deterrent, not a proof of replication (4.8).
 */
import { type Hash32, hexToBytes } from '@cairn/base';
import type { Kernels } from '@cairn/kernels';
import { BYTES_PER_SEAL, SECTORS_PER_SEAL } from '@cairn/protocol';
import { refusal } from './errors.ts';
import type { SealContext } from './types.ts';
import { keccak, u256 } from './words.ts';

/** Miner id, context digest, sector. */
const BYTES_PER_KEY = 96;

/** Who seals what: the key of the first seal of a run. Seals follow each other in the flow. */
export type SealKey = {
  minerId: Hash32;
  contextDigest: Hash32;
  /** First sector of the first seal; a multiple of 16. */
  startSector: number;
};

/** The mask of a seal's first word, 32 new bytes. */
export function firstMask(key: SealKey): Uint8Array {
  return keccak(hexToBytes(key.minerId), hexToBytes(key.contextDigest), u256(key.startSector));
}

/** First masks of a run of seals, hashed side by side: one by one they would take as long as native code seals. */
function masksOf(kernels: Kernels, key: SealKey, count: number): Uint8Array {
  const keys = new Uint8Array(BYTES_PER_KEY * count);
  const [minerId, contextDigest] = [hexToBytes(key.minerId), hexToBytes(key.contextDigest)];
  for (let i = 0; i < count; i++) {
    keys.set(minerId, BYTES_PER_KEY * i);
    keys.set(contextDigest, BYTES_PER_KEY * i + 32);
    keys.set(u256(key.startSector + i * SECTORS_PER_SEAL), BYTES_PER_KEY * i + 64);
  }
  return kernels.keccak256Many(keys, BYTES_PER_KEY);
}

/** Seals a run of whole seals under one context, in place. */
export function sealInPlace(kernels: Kernels, data: Uint8Array, key: SealKey): void {
  kernels.mining.seal(data, masksOf(kernels, key, data.length / BYTES_PER_SEAL), data);
}

/** Undoes `sealInPlace`. */
export function unsealInPlace(kernels: Kernels, data: Uint8Array, key: SealKey): void {
  kernels.mining.unseal(data, masksOf(kernels, key, data.length / BYTES_PER_SEAL), data);
}

/**
 * True when the contract takes `context` for the seal at `startSector`: the seal's last sector lies in it. A seal over a
 * boundary of epochs belongs to the later one.
 */
export function isSealContext(context: SealContext, startSector: number): boolean {
  const end = startSector + SECTORS_PER_SEAL;
  return context.start < end && context.end >= end;
}

/** Throws `PORA_SEAL_CONTEXT` unless `isSealContext`. */
export function assertSealContext(context: SealContext, startSector: number): void {
  if (isSealContext(context, startSector)) return;
  throw refusal('PORA_SEAL_CONTEXT', 'the seal does not belong to this context', {
    startSector,
    start: context.start,
    end: context.end,
    digest: context.digest,
  });
}
