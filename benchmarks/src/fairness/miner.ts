// One miner of an experiment: the iteration of apps/storage-node's search threads, in the thread that calls it.
import type { Kernels } from '@cairn/kernels';
import { padSeeds, recallLoad, SEALS_PER_LOAD, u256 } from '@cairn/pora';
import type { MinedId, MinedRange, SeededBytes } from './range.ts';

const PAD_BYTES = 16_384;
const BATCH = 16;
/** One seal in so many wins: half of all nonces, so that a wrong share shows after few. */
export const TOY_DIFFICULTY = 93n;
const TARGET = u256((2n ** 256n - 1n) / TOY_DIFFICULTY);

/** Chance that a nonce whose load is held wins. */
export const WIN_PER_HELD_NONCE: number = 1 - (1 - 1 / Number(TOY_DIFFICULTY)) ** SEALS_PER_LOAD;

/** A nonce that recalled a load, with what hashing it takes. */
export type Draw = { load: number; pad: Uint8Array; padSeed: Uint8Array };

export class ModelMiner {
  nonces = 0;
  wins = 0;
  readonly #kernels: Kernels;
  readonly #id: MinedId;
  readonly #range: MinedRange;
  readonly #random: SeededBytes;

  constructor(kernels: Kernels, id: MinedId, range: MinedRange, random: SeededBytes) {
    this.#kernels = kernels;
    this.#id = id;
    this.#range = range;
    this.#random = random;
  }

  get id(): MinedId {
    return this.#id;
  }

  /** Pads of a batch of nonces in lock step, as a miner makes them before it knows which loads they recall. */
  draw(): Draw[] {
    const seeds = padSeeds(this.#kernels, this.#id.base, this.#random.next(32 * BATCH)).slice();
    const { pads, recallSeeds } = this.#kernels.mining.scratchpads(seeds);
    this.nonces += BATCH;
    return Array.from({ length: BATCH }, (_, i) => ({
      load: recallLoad(this.#range.range, recallSeeds.subarray(32 * i, 32 * i + 32))!,
      pad: pads.slice(PAD_BYTES * i, PAD_BYTES * (i + 1)),
      padSeed: seeds.subarray(64 * i, 64 * (i + 1)),
    }));
  }

  /** Hashes the sealed load that was recalled. A nonce wins once, however many of its seals do. */
  search({ pad, padSeed }: Draw, load: Uint8Array): void {
    if (this.#kernels.mining.searchLoad({ load, pad, padSeed, target: TARGET }).length > 0)
      this.wins++;
  }
}

/** CPU milliseconds of this thread so far. */
export function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1e3;
}
