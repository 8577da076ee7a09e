import { checkBlake2bMany, checkScratchpads, checkSeals, checkSearch } from '../mining/checks.ts';
import {
  LOAD_BUFFERS,
  LOAD_BYTES,
  type MiningKernels,
  SCRATCHPAD_BYTES,
  SEALS_PER_LOAD,
} from '../mining/mining.ts';
import { CANDIDATE_BYTES, candidatesToHits, presentBits, targetTop } from '../mining/search.ts';

type Chain = (data: Uint8Array, count: number, masks: Uint8Array, out: Uint8Array) => void;

/** native/addon-mining.c */
export type MiningAddon = {
  blake2b(input: Uint8Array, itemBytes: number, count: number, out: Uint8Array): void;
  seal: Chain;
  unseal: Chain;
  scratchpads(seeds: Uint8Array, count: number, pads: Uint8Array, recallSeeds: Uint8Array): void;
  searchLoad(
    load: Uint8Array,
    pad: Uint8Array,
    padSeed: Uint8Array,
    top: bigint,
    present: bigint,
    candidates: Uint8Array,
  ): number;
};

/** The mining kernels over the addon. */
export function nativeMining(addon: MiningAddon): MiningKernels {
  const candidates = new Uint8Array(CANDIDATE_BYTES * SEALS_PER_LOAD);
  let buffers: readonly Uint8Array[] | undefined;

  function chain(
    run: Chain,
    data: Uint8Array,
    masks: Uint8Array,
    out: Uint8Array | undefined,
  ): Uint8Array {
    const count = checkSeals(data, masks, out);
    const target = out ?? new Uint8Array(data.length);
    run(data, count, masks, target);
    return target;
  }

  return {
    /** Of AVX-512; narrower instruction sets take them in two or more groups. */
    nonceLanes: 8,

    blake2b512Many(input, itemBytes, out) {
      const count = checkBlake2bMany(input, itemBytes, out);
      const target = out ?? new Uint8Array(64 * count);
      addon.blake2b(input, itemBytes, count, target);
      return target;
    },

    seal: (data, masks, out) => chain(addon.seal, data, masks, out),
    unseal: (sealed, masks, out) => chain(addon.unseal, sealed, masks, out),

    scratchpads(padSeeds, out) {
      const count = checkScratchpads(padSeeds, out);
      const pads = out?.pads ?? new Uint8Array(SCRATCHPAD_BYTES * count);
      const recallSeeds = out?.recallSeeds ?? new Uint8Array(32 * count);
      addon.scratchpads(padSeeds, count, pads, recallSeeds);
      return {
        pads: pads.subarray(0, SCRATCHPAD_BYTES * count),
        recallSeeds: recallSeeds.subarray(0, 32 * count),
      };
    },

    searchLoad(search) {
      checkSearch(search);
      const { load, pad, padSeed, target, present } = search;
      const top = targetTop(target);
      const count = addon.searchLoad(load, pad, padSeed, top, presentBits(present), candidates);
      return count === 0 ? [] : candidatesToHits(candidates, count, target);
    },

    loadBuffers() {
      buffers ??= Array.from({ length: LOAD_BUFFERS }, () => new Uint8Array(LOAD_BYTES));
      return buffers;
    },
  };
}
