// Mining kernels on WebAssembly SIMD: two seals, nonces or messages at once. Bytes are copied into linear memory in blocks,
// worked on in one call per block, and copied out; loads in `loadBuffers` already lie there. One instance per thread.
import { MINING_WASM } from '../generated/mining-wasm.ts';
import { instantiateWasm, type WasmSimd } from '../wasm-module.ts';
import { checkBlake2bMany, checkScratchpads, checkSeals, checkSearch } from './checks.ts';
import {
  LOAD_BUFFERS,
  LOAD_BYTES,
  type MiningKernels,
  PAD_SEED_BYTES,
  SCRATCHPAD_BYTES,
  SEAL_BYTES,
} from './mining.ts';
import { referenceMining } from './reference.ts';
import { candidatesToHits, presentBits, targetTop } from './search.ts';

type Chain = (input: number, count: number, masks: number, out: number) => void;
type Exports = {
  memory: WebAssembly.Memory;
  seal: Chain;
  unseal: Chain;
  scratchpads(seeds: number, count: number, pads: number, recallSeeds: number): void;
  blake2b(input: number, bytes: number, count: number, out: number): void;
  search(
    load: number,
    pad: number,
    padSeed: number,
    top: bigint,
    present: bigint,
    out: number,
  ): number;
  heapBase(): number;
};

const INPUT_BYTES = 2 * 1024 * 1024;
/** What is copied in at a time: still in the first-level cache when it is read (1.1 times 2 MiB). */
const BLOCK_BYTES = 64 * 1024;
const OUTPUT_BYTES = 1024 * 1024;

/** The mining kernels on WASM. `simd` forces a build (tests). Throws where WASM SIMD is missing. */
export async function wasmMining(simd?: WasmSimd): Promise<MiningKernels> {
  const wasm = await instantiateWasm<Exports>(MINING_WASM, { simd });
  const memory = new Uint8Array(wasm.memory.buffer);
  const buffersAt = (wasm.heapBase() + 63) & ~63;
  const inputAt = buffersAt + LOAD_BUFFERS * LOAD_BYTES;
  const outputAt = inputAt + INPUT_BYTES;
  const buffers = Array.from({ length: LOAD_BUFFERS }, (_, i) =>
    memory.subarray(buffersAt + LOAD_BYTES * i, buffersAt + LOAD_BYTES * (i + 1)),
  );

  /** Seals in place in the input area; masks lie in the output area. */
  function chain(
    run: Chain,
    data: Uint8Array,
    masks: Uint8Array,
    out: Uint8Array | undefined,
  ): Uint8Array {
    const count = checkSeals(data, masks, out);
    const target = out ?? new Uint8Array(data.length);
    const perCall = BLOCK_BYTES / SEAL_BYTES;
    for (let at = 0; at < count; at += perCall) {
      const n = Math.min(perCall, count - at);
      memory.set(data.subarray(at * SEAL_BYTES, (at + n) * SEAL_BYTES), inputAt);
      memory.set(masks.subarray(32 * at, 32 * (at + n)), outputAt);
      run(inputAt, n, outputAt, inputAt);
      target.set(memory.subarray(inputAt, inputAt + n * SEAL_BYTES), at * SEAL_BYTES);
    }
    return target;
  }

  return {
    nonceLanes: 2,

    blake2b512Many(input, itemBytes, out) {
      const count = checkBlake2bMany(input, itemBytes, out);
      if (itemBytes > INPUT_BYTES) return referenceMining.blake2b512Many(input, itemBytes, out);
      const target = out ?? new Uint8Array(64 * count);
      const perCall = Math.min(Math.ceil(BLOCK_BYTES / itemBytes), OUTPUT_BYTES / 64);
      for (let at = 0; at < count; at += perCall) {
        const n = Math.min(perCall, count - at);
        memory.set(input.subarray(at * itemBytes, (at + n) * itemBytes), inputAt);
        wasm.blake2b(inputAt, itemBytes, n, outputAt);
        target.set(memory.subarray(outputAt, outputAt + 64 * n), 64 * at);
      }
      return target;
    },

    seal: (data, masks, out) => chain(wasm.seal, data, masks, out),
    unseal: (sealed, masks, out) => chain(wasm.unseal, sealed, masks, out),

    scratchpads(padSeeds, out) {
      const count = checkScratchpads(padSeeds, out);
      const pads = out?.pads ?? new Uint8Array(SCRATCHPAD_BYTES * count);
      const recallSeeds = out?.recallSeeds ?? new Uint8Array(32 * count);
      const perCall = INPUT_BYTES / SCRATCHPAD_BYTES;
      const recallAt = outputAt + PAD_SEED_BYTES * perCall;
      for (let at = 0; at < count; at += perCall) {
        const n = Math.min(perCall, count - at);
        memory.set(padSeeds.subarray(PAD_SEED_BYTES * at, PAD_SEED_BYTES * (at + n)), outputAt);
        wasm.scratchpads(outputAt, n, inputAt, recallAt);
        pads.set(memory.subarray(inputAt, inputAt + SCRATCHPAD_BYTES * n), SCRATCHPAD_BYTES * at);
        recallSeeds.set(memory.subarray(recallAt, recallAt + 32 * n), 32 * at);
      }
      return {
        pads: pads.subarray(0, SCRATCHPAD_BYTES * count),
        recallSeeds: recallSeeds.subarray(0, 32 * count),
      };
    },

    searchLoad(search) {
      checkSearch(search);
      const { load, pad, padSeed, target, present } = search;
      let loadAt = load.byteOffset;
      if (load.buffer !== memory.buffer) {
        loadAt = inputAt;
        memory.set(load, inputAt);
      }
      const padAt = inputAt + LOAD_BYTES;
      const seedAt = padAt + SCRATCHPAD_BYTES;
      memory.set(pad, padAt);
      memory.set(padSeed, seedAt);
      const top = targetTop(target);
      const count = wasm.search(loadAt, padAt, seedAt, top, presentBits(present), outputAt);
      return count === 0 ? [] : candidatesToHits(memory.subarray(outputAt), count, target);
    },

    loadBuffers: () => buffers,
  };
}
