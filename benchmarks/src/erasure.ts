// Erasure coding: Reed-Solomon at the shapes of storage systems, stripes of coded files, and the DA codec at 32 MiB, each
// backend against libraries that do the same work.
import type { Kernels } from '@cairn/kernels';
import { createTaskPool, loadNodeKernels } from '@cairn/kernels/node';
import { nativeBackend, poolBackend } from './backends.ts';
import {
  BLOB_BYTES,
  blobCases,
  kzgCases,
  THREAD_CASES,
  threadCases,
} from './erasure/blob-cases.ts';
import { CODE_SHAPES, codeCases, codeName, stripeCases } from './erasure/code-cases.ts';
import { loadErasurePeers } from './erasure/peers.ts';
import { type BenchRatio, type BenchRow, interleave, ratio, type Suite } from './harness.ts';

/** Targets of a backend over the WebAssembly build of reed-solomon-erasure, by shape. */
const OVER_SUBSPACE = { '10/4': 12, '64/64': 60 } as const;
/** Targets of native over WASM. */
const NATIVE_OVER_WASM = { reconstructWorst: 1.5, rowTransforms: 1.2, rowCombination: 2 } as const;

function ratiosOf(
  rows: readonly BenchRow[],
  backends: readonly Kernels[],
  threads: number,
): BenchRatio[] {
  const has = (name: string): boolean => rows.some((row) => row.name === name);
  const out: BenchRatio[] = [];
  const add = (of: string, over: string, atLeast?: number): void => {
    if (has(of) && has(over)) out.push(ratio(rows, of, over, atLeast));
  };
  const blob = (what: string, backend: string): string =>
    `erasure.${what}/backend=${backend}/bytes=${BLOB_BYTES}`;
  for (const { backend } of backends) {
    for (const [k, m] of CODE_SHAPES) {
      const ours = codeName(`erasure.encode/backend=${backend}`, k, m);
      const target = k === 10 ? OVER_SUBSPACE['10/4'] : OVER_SUBSPACE['64/64'];
      add(ours, codeName('subspace.encode', k, m), target);
    }
    for (const name of ['c-kzg', 'node-eth-kzg'])
      add(blob('encodeBlob', backend), `${name}.cellsAndProofs/bytes=131072`, 100);
  }
  for (const [k, m] of CODE_SHAPES) {
    const [native, wasm] = ['native', 'wasm'].map((backend) =>
      codeName(`erasure.encode/backend=${backend}`, k, m),
    );
    add(native!, wasm!, k === 10 ? 2 : 1.1);
  }
  for (const [what, target] of Object.entries(NATIVE_OVER_WASM))
    add(blob(what, 'native'), blob(what, 'wasm'), target);
  add(blob('encodeBlob', 'native'), blob('encodeBlob', 'wasm'));
  add(THREAD_CASES.all, THREAD_CASES.one);
  add(THREAD_CASES.two, THREAD_CASES.one, 0.9 * threads);
  add(THREAD_CASES.all, THREAD_CASES.none);
  return out;
}

async function run(options: { rounds?: number; signal?: AbortSignal }): ReturnType<Suite['run']> {
  const native = nativeBackend();
  const { kernels: wasm } = await loadNodeKernels('wasm');
  const backends = native.kernels ? [wasm, native.kernels] : [wasm];
  const peers = loadErasurePeers();
  await using all = await createTaskPool({ backend: poolBackend });
  await using one = await createTaskPool({ backend: poolBackend, threads: 1 });
  const cases = [
    ...codeCases(backends, peers),
    ...stripeCases(backends),
    ...blobCases(backends),
    ...threadCases(native.kernels ?? wasm, { one, all }),
    ...kzgCases(peers.kzg),
  ];
  const rows = await interleave(cases, { rounds: options.rounds ?? 7, signal: options.signal });
  return {
    rows,
    ratios: ratiosOf(rows, backends, all.threads),
    notes: [
      'one thread; rates are of data (payload, or data shards), not of what is written; rows and shards lie in workspace()',
      'wasm: as it runs in Node, where node:crypto hashes the pieces of rows',
      'encode: the same bytes as reed-solomon-erasure (checked first); ronomon makes as many parity bytes with another matrix, in a thread of libuv, timed by the clock from call to callback (ours by CPU time), so there is no ratio',
      `encodeBlob: version 0x11, DA-M (4096 + 12,288 rows), 32 MiB frame, into memory that the caller keeps; rowTransforms, rowHashes (row leaves of 128 MiB) and rowCombination are parts of it`,
      'checkShard: 148 rows with multiproof, opening the commitment and extending the combinations included; 16 shards a run',
      'reconstructWorst: 4096 random parity rows, no whole block among them; decoding alone (the rows have been checked)',
      'KZG: cells and proofs of one 128 KiB blob with precomputed tables (a 2x code; ours is 4x), compared per byte',
      `encodeBlobInThreads: the best backend in a pool of one thread and of ${all.threads}, timed by the clock, so other work on the machine shows; blobs=2: two at once, as a disperser has them, so that the trees of one, which are made by the caller, lie beside the rows of the other`,
      native.kernels ? `native: ${native.isa}` : `native: not measured, ${native.reason}`,
      ...peers.absent,
    ],
  };
}

export const suite: Suite = {
  peers: true,
  description: 'Reed-Solomon, file stripes and the DA codec, against reed-solomon-erasure and KZG',
  run,
};
