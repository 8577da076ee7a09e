// SHA-256 on WebAssembly SIMD: four messages at once. Bytes are copied into linear memory in blocks, hashed in one call per
// block, and copied out. One instance per thread.
import { SHA256_WASM } from '../generated/sha256-wasm.ts';
import { instantiateWasm } from '../wasm-module.ts';
import { checkSha256Many } from './checks.ts';
import { referenceSha256 } from './reference.ts';
import type { Sha256Kernels } from './sha256.ts';

type Exports = {
  memory: WebAssembly.Memory;
  /** `prefix` is -1 for none. */
  many(input: number, bytes: number, count: number, prefix: number, out: number): void;
  pairs(input: number, count: number, out: number): void;
  heapBase(): number;
};

const INPUT_BYTES = 1024 * 1024;
/** What is copied in at a time: still in the first-level cache when it is read. */
const BLOCK_BYTES = 64 * 1024;

/** The SHA-256 kernels on WASM. Throws where WASM SIMD is missing. */
export async function wasmSha256(): Promise<Sha256Kernels> {
  const wasm = await instantiateWasm<Exports>(SHA256_WASM);
  const memory = new Uint8Array(wasm.memory.buffer);
  const inputAt = (wasm.heapBase() + 63) & ~63;
  const outputAt = inputAt + INPUT_BYTES;
  const outputBytes = memory.length - outputAt;

  function run(
    input: Uint8Array,
    itemBytes: number,
    count: number,
    target: Uint8Array,
    hash: (count: number) => void,
  ): Uint8Array {
    // A multiple of four where the input area allows it, so that no block leaves lanes empty.
    const wanted = Math.ceil(BLOCK_BYTES / itemBytes / 4) * 4;
    const fits = Math.min(Math.floor(INPUT_BYTES / itemBytes), Math.floor(outputBytes / 32));
    const perCall = Math.min(wanted, fits);
    for (let at = 0; at < count; at += perCall) {
      const n = Math.min(perCall, count - at);
      memory.set(input.subarray(at * itemBytes, (at + n) * itemBytes), inputAt);
      hash(n);
      target.set(memory.subarray(outputAt, outputAt + 32 * n), 32 * at);
    }
    return target;
  }

  return {
    hashMany(input, itemBytes, options = {}) {
      const { prefix, out } = options;
      const count = checkSha256Many(input, itemBytes, prefix, out);
      if (itemBytes > INPUT_BYTES) return referenceSha256.hashMany(input, itemBytes, options);
      return run(input, itemBytes, count, out ?? new Uint8Array(32 * count), (n) =>
        wasm.many(inputAt, itemBytes, n, prefix ?? -1, outputAt),
      );
    },
    hashPairs(nodes, out) {
      const count = checkSha256Many(nodes, 64, undefined, out);
      return run(nodes, 64, count, out ?? new Uint8Array(32 * count), (n) =>
        wasm.pairs(inputAt, n, outputAt),
      );
    },
  };
}
