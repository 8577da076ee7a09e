// A mining range in memory, sealed for as many ids as an experiment wants, and nonces from a seed.
import { createCipheriv, createHash } from 'node:crypto';
import { bytesToHash32, type Hash32 } from '@cairn/base';
import type { Kernels } from '@cairn/kernels';
import {
  BYTES_PER_LOAD,
  type RecallRange,
  rangeOfShard,
  SECTORS_PER_LOAD,
  type SeedBase,
  sealInPlace,
  seedBase,
} from '@cairn/pora';

/** A stream of bytes that a seed repeats: AES-256 in counter mode. */
export class SeededBytes {
  readonly #cipher;

  constructor(seed: string) {
    const key = createHash('sha256').update(seed).digest();
    this.#cipher = createCipheriv('aes-256-ctr', key, new Uint8Array(16));
  }

  next(length: number): Uint8Array {
    return new Uint8Array(this.#cipher.update(new Uint8Array(length)));
  }
}

export type MinedRange = {
  loads: number;
  range: RecallRange;
  /** Unsealed, in shared memory. */
  raw: Uint8Array;
};

export function makeRange(seed: string, loads: number): MinedRange {
  const raw = new Uint8Array(new SharedArrayBuffer(loads * BYTES_PER_LOAD));
  raw.set(new SeededBytes(`${seed}/data`).next(raw.length));
  const range = rangeOfShard({ shardId: 0, numShard: 1 }, loads * SECTORS_PER_LOAD);
  return { loads, range, raw };
}

/** What an id has in common over all its nonces. */
export type MinedId = { minerId: Hash32; contextDigest: Hash32; base: SeedBase };

export function makeId(seed: string, name: string, { range }: MinedRange): MinedId {
  const word = (what: string): Hash32 => bytesToHash32(new SeededBytes(`${seed}/${what}`).next(32));
  const minerId = word(`id/${name}`);
  return {
    minerId,
    contextDigest: word('context'),
    base: seedBase({ minerId, subtaskDigest: word('subtask'), range }),
  };
}

/** Seals one load of the range for an id, in place. */
export function sealLoad(kernels: Kernels, id: MinedId, load: number, data: Uint8Array): void {
  const { minerId, contextDigest } = id;
  sealInPlace(kernels, data, { minerId, contextDigest, startSector: load * SECTORS_PER_LOAD });
}

/** The whole range sealed for an id, in shared memory. */
export function sealedCopy(kernels: Kernels, id: MinedId, { raw, loads }: MinedRange): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(raw.length));
  for (let load = 0; load < loads; load++) {
    const one = raw.slice(load * BYTES_PER_LOAD, (load + 1) * BYTES_PER_LOAD);
    sealLoad(kernels, id, load, one);
    copy.set(one, load * BYTES_PER_LOAD);
  }
  return copy;
}
