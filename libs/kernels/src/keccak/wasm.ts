// Keccak on WebAssembly SIMD: two inputs per call lane. Input is copied into linear memory in blocks that fit, hashed in
// one call per block, copied out. The copies cost 2-6 % (kernel notes section 3). One instance per thread; not reentrant.

import { KECCAK_WASM } from '../generated/keccak-wasm.ts';
import { instantiateWasm } from '../wasm-module.ts';
import { checkMany, checkTrees } from './checks.ts';
import { type KeccakKernels, SECTOR_BYTES, TREE_LEAVES_MAX } from './keccak.ts';
import { referenceKeccak } from './reference.ts';

type Exports = {
  memory: WebAssembly.Memory;
  many(input: number, bytes: number, count: number, out: number): void;
  trees(input: number, leaves: number, count: number, scratch: number, out: number): void;
  heapBase(): number;
};

const INPUT_BYTES = 4 * 1024 * 1024;
/** What is copied in at a time: still in the cache when it is read. */
const BLOCK_BYTES = 64 * 1024;

/** The Keccak kernels on WASM. Throws where WASM SIMD is missing. */
export async function wasmKeccak(): Promise<KeccakKernels> {
  const wasm = await instantiateWasm<Exports>(KECCAK_WASM);
  const memory = new Uint8Array(wasm.memory.buffer);
  const scratch = (wasm.heapBase() + 63) & ~63;
  const inputAt = scratch + 32 * TREE_LEAVES_MAX;
  const outputAt = inputAt + INPUT_BYTES;
  const outputBytes = memory.length - outputAt;

  function many(input: Uint8Array, itemBytes: number, count: number, target: Uint8Array): void {
    const perCall = Math.min(Math.ceil(BLOCK_BYTES / itemBytes), Math.floor(outputBytes / 32));
    for (let at = 0; at < count; at += perCall) {
      const n = Math.min(perCall, count - at);
      memory.set(input.subarray(at * itemBytes, (at + n) * itemBytes), inputAt);
      wasm.many(inputAt, itemBytes, n, outputAt);
      target.set(memory.subarray(outputAt, outputAt + 32 * n), 32 * at);
    }
  }

  const keccak256Many: KeccakKernels['keccak256Many'] = (input, itemBytes, out) => {
    const count = checkMany(input, itemBytes, out);
    const target = out ?? new Uint8Array(32 * count);
    if (itemBytes > INPUT_BYTES) {
      return referenceKeccak.keccak256Many(input, itemBytes, target);
    }
    many(input, itemBytes, count, target);
    return target;
  };

  return {
    keccak256(input) {
      if (input.length > INPUT_BYTES) return referenceKeccak.keccak256(input);
      memory.set(input, inputAt);
      wasm.many(inputAt, input.length, 1, outputAt);
      return memory.slice(outputAt, outputAt + 32);
    },
    keccak256Many,
    sectorTreeRoots(input, leavesPerTree, out) {
      const trees = checkTrees(input, leavesPerTree, out);
      const target = out ?? new Uint8Array(32 * trees);
      const treeBytes = leavesPerTree * SECTOR_BYTES;
      const perCall = Math.ceil(BLOCK_BYTES / treeBytes);
      for (let at = 0; at < trees; at += perCall) {
        const n = Math.min(perCall, trees - at);
        memory.set(input.subarray(at * treeBytes, (at + n) * treeBytes), inputAt);
        wasm.trees(inputAt, leavesPerTree, n, scratch, outputAt);
        target.set(memory.subarray(outputAt, outputAt + 32 * n), 32 * at);
      }
      return target;
    },
    hashPairs: (nodes, out) => keccak256Many(nodes, 64, out),
  };
}
