/*
 * Mining: what an iteration and a seal cost with the node's code beside the kernels alone and beside a loop over a hashing library;
 * all cores beside one; random loads from the store beside the bare file; an upload while the node mines.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert } from '@cairn/base';
import { type KernelBackend, type Kernels, loadKernels, SCRATCHPAD_BYTES } from '@cairn/kernels';
import { loadNativeKernels } from '@cairn/kernels/node';
import { BYTES_PER_LOAD } from '@cairn/pora';
import { isSlotSound, SlotReader } from '@cairn/store/slot-reader';
import { ModelMiner } from './fairness/miner.ts';
import { makeId, makeRange, SeededBytes, sealedCopy, sealLoad } from './fairness/range.ts';
import {
  type BenchCase,
  type BenchRatio,
  interleave,
  ratio,
  type Suite,
  type SuiteResult,
} from './harness.ts';
import { loadHashPeers } from './kernels/peers.ts';
import { plainIteration, plainSeal } from './kernels/pora.ts';
import { CORES, openSealedStore, processRate, searchRate } from './pora/search.ts';
import { UPLOAD_BYTES, uploadBesideMining } from './pora/upload.ts';
import { Samples } from './samples.ts';

const LOADS = 256;
const NONCES = 64;
const READS = 256;
const READS_IN_FLIGHT = 4;

/** One thread, CPU time: the node's iteration and sealing, the kernels alone, and the library's loop. */
function computeCases(kernels: Kernels, range: ReturnType<typeof makeRange>): BenchCase[] {
  const { backend, mining } = kernels;
  const id = makeId('bench', 'a', range);
  const sealed = sealedCopy(kernels, id, range);
  const miner = new ModelMiner(kernels, id, range, new SeededBytes('bench/nonces'));
  const seeds = new SeededBytes('bench/seeds').next(64 * 16);
  const masks = new SeededBytes('bench/masks').next(32 * 64);
  const target = new Uint8Array(32);
  const one = range.raw.slice(0, BYTES_PER_LOAD);
  const out = new Uint8Array(BYTES_PER_LOAD);
  return [
    {
      name: `pora.iteration/backend=${backend}`,
      cpu: true,
      count: NONCES,
      run: () => {
        for (let done = 0; done < NONCES; )
          for (const draw of miner.draw()) {
            const from = draw.load * BYTES_PER_LOAD;
            miner.search(draw, sealed.subarray(from, from + BYTES_PER_LOAD));
            done++;
          }
      },
    },
    {
      name: `kernels.iteration/backend=${backend}`,
      cpu: true,
      count: NONCES,
      run: () => {
        const loads = mining.loadBuffers();
        for (let done = 0; done < NONCES; done += 16) {
          const { pads } = mining.scratchpads(seeds);
          for (let i = 0; i < 16; i++)
            mining.searchLoad({
              load: loads[i % loads.length]!,
              pad: pads.subarray(SCRATCHPAD_BYTES * i, SCRATCHPAD_BYTES * (i + 1)),
              padSeed: seeds.subarray(64 * i, 64 * (i + 1)),
              target,
            });
        }
      },
    },
    {
      name: `pora.seal/backend=${backend}`,
      cpu: true,
      bytes: 16 * BYTES_PER_LOAD,
      run: () => {
        for (let load = 0; load < 16; load++) sealLoad(kernels, id, load, one);
      },
    },
    {
      name: `kernels.seal/backend=${backend}`,
      cpu: true,
      bytes: 16 * BYTES_PER_LOAD,
      run: () => {
        for (let load = 0; load < 16; load++) mining.seal(one, masks, out);
      },
    },
  ];
}

/**
 * Loads in random order: as a search thread reads them while they are in memory, as the store reads them (four in flight, their
 * sums checked), and from a file of the same bytes (four in flight).
 */
async function readCases(
  stack: AsyncDisposableStack,
  store: Awaited<ReturnType<typeof openSealedStore>>,
  path: string,
): Promise<BenchCase[]> {
  const file = stack.use(await open(path));
  const reader = new SlotReader({ dir: store.dir, filesMax: 4 });
  stack.defer(() => reader.close());
  const buffers = Array.from({ length: READS_IN_FLIGHT }, () => new Uint8Array(BYTES_PER_LOAD));
  const order = new SeededBytes('bench/reads').next(2 * READS);
  const inFlight = async (
    read: (load: number, into: Uint8Array) => Promise<unknown>,
  ): Promise<void> => {
    let next = 0;
    const lane = async (into: Uint8Array): Promise<void> => {
      while (next < READS) {
        const at = next++;
        await read((order[2 * at]! * 256 + order[2 * at + 1]!) % LOADS, into);
      }
    };
    await Promise.all(buffers.map(lane));
  };
  const unchecked = async (load: number, into: Uint8Array): Promise<void> =>
    assert(await reader.readNow(store.place(load)!, into), `load ${load} can be read`);
  const checked = async (load: number, into: Uint8Array): Promise<void> => {
    const ticket = store.place(load)!;
    await reader.read(ticket, into);
    assert(isSlotSound(into, ticket), `load ${load} is as it was stored`);
  };
  return [
    {
      name: 'search.readLoad/random',
      count: READS,
      run: () => inFlight(unchecked),
    },
    {
      name: 'store.readLoad/random',
      count: READS,
      run: () => inFlight(checked),
    },
    {
      name: 'fs.read/bytes=256Ki/random',
      count: READS,
      run: () =>
        inFlight((load, into) => file.read(into, 0, BYTES_PER_LOAD, load * BYTES_PER_LOAD)),
    },
  ];
}

async function run(options: { rounds?: number; signal?: AbortSignal }): Promise<SuiteResult> {
  const rounds = options.rounds ?? 5;
  const { signal } = options;
  const dir = mkdtempSync(join(tmpdir(), 'cairn-bench-pora-'));
  try {
    await using stack = new AsyncDisposableStack();
    const native = loadNativeKernels();
    const backends = [await loadKernels(), ...(native.kernels ? [native.kernels] : [])];
    const range = makeRange('bench', LOADS);
    const { plain } = await loadHashPeers();
    const load = range.raw.slice(0, BYTES_PER_LOAD);
    const padSeed = new SeededBytes('bench/plain').next(64);
    const compute = await interleave(
      [
        ...backends.flatMap((kernels) => computeCases(kernels, range)),
        {
          name: 'hash-wasm.iteration',
          cpu: true,
          count: 1,
          run: () => plainIteration(plain['hash-wasm'], padSeed, load),
        },
        {
          name: 'hash-wasm.seal',
          cpu: true,
          bytes: BYTES_PER_LOAD,
          run: () => plainSeal(plain['hash-wasm'], padSeed.subarray(0, 32), load),
        },
      ],
      { rounds: rounds + 4, warmups: 2, signal },
    );
    const id = makeId('bench', 'a', range);
    mkdirSync(join(dir, 'store'));
    const store = stack.adopt(
      await openSealedStore(backends.at(-1)!, id, range, join(dir, 'store')),
      (owned) => owned.close(),
    );
    writeFileSync(join(dir, 'bare'), range.raw);
    const reads = await interleave(await readCases(stack, store, join(dir, 'bare')), {
      rounds: rounds + 4,
      warmups: 2,
      signal,
    });

    const search = new Samples();
    for (const { backend } of backends)
      for (let round = 0; round < rounds; round++) {
        signal?.throwIfAborted();
        const add = async (name: string, rate: Promise<number>): Promise<void> =>
          search.add(name, 1, 1000 / (await rate), 'count');
        const node = (threads: number) => searchRate({ store, id, range, backend, threads });
        await add(searchName(backend, 1), node(1));
        await add(processName(backend, 1), processRate(backend, 1));
        if (CORES === 1) continue;
        await add(searchName(backend, CORES), node(CORES));
        await add(processName(backend, CORES), processRate(backend, CORES));
      }

    const uploads = new Samples();
    const { mining, idle } = await uploadBesideMining(dir, rounds, signal);
    for (const ms of mining) uploads.add('upload/mineCpu=50', UPLOAD_BYTES, ms);
    for (const ms of idle) uploads.add('upload/mining=off', UPLOAD_BYTES, ms);
    const rows = [...compute, ...reads, ...search.rows(), ...uploads.rows()];
    return {
      rows,
      ratios: [
        ...backends.flatMap(({ backend }) => computeRatios(rows, backend)),
        ratio(rows, 'search.readLoad/random', 'fs.read/bytes=256Ki/random', 0.8),
        ratio(rows, 'store.readLoad/random', 'fs.read/bytes=256Ki/random', 0.8),
        ratio(rows, 'upload/mineCpu=50', 'upload/mining=off', 0.85),
      ],
      notes: [
        'iteration: a pad and 64 seals of a load in memory; pora.* is the code that nodes and verifiers share, kernels.* the kernels alone on loads that lie in their memory; CPU time of one thread',
        `search: the node's search over its sealed store on disk, ${CORES} threads or one, per second of the wall clock; process: independent processes that mine from memory, the ceiling that this machine gives`,
        'reads: page cache; a search thread reads by itself and checks the sums of loads that have a hit, the store checks all it reads',
        'upload: 64 MiB to one node that mines at --mine-cpu 50 with all its threads, and to the same node with mining stopped, in turns; the block of the submission included',
        'get and sync of data that is stored sealed: the suite sealed',
        native.kernels ? `native: ${native.isa}` : `native: not measured, ${native.reason}`,
      ],
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

const searchName = (backend: KernelBackend, threads: number): string =>
  `node.search/backend=${backend}/threads=${threads}`;
const processName = (backend: KernelBackend, count: number): string =>
  `process.loop/backend=${backend}/processes=${count}`;

function computeRatios(rows: SuiteResult['rows'], backend: KernelBackend): BenchRatio[] {
  const of = (name: string): string => `${name}/backend=${backend}`;
  const ratios = [
    ratio(rows, of('pora.iteration'), 'hash-wasm.iteration'),
    ratio(rows, of('pora.iteration'), of('kernels.iteration')),
    ratio(rows, of('pora.seal'), 'hash-wasm.seal'),
    ratio(rows, of('pora.seal'), of('kernels.seal')),
    ratio(rows, searchName(backend, 1), processName(backend, 1)),
  ];
  if (CORES === 1) return ratios;
  return [
    ...ratios,
    ratio(rows, processName(backend, CORES), processName(backend, 1)),
    ratio(rows, searchName(backend, CORES), searchName(backend, 1), 0.9 * CORES),
    ratio(rows, searchName(backend, CORES), processName(backend, CORES), 0.9),
  ];
}

export const suite: Suite = {
  description: 'mining: iterations, sealing, reads, all cores, uploads beside it',
  run,
};
