// Hash, seal and mining kernels: every backend against the reference and the hashing libraries of npm. One thread, CPU time.
import { MemData } from '@0gfoundation/0g-ts-sdk';
import { equalBytes } from '@cairn/base';
import {
  type Kernels,
  LOAD_BYTES,
  loadKernels,
  referenceKernels,
  SCRATCHPAD_BYTES,
} from '@cairn/kernels';
import { createHashPool } from '@cairn/kernels/node';
import { nativeBackend, poolBackend } from './backends.ts';
import {
  type BenchCase,
  type BenchRatio,
  type BenchRow,
  interleave,
  ratio,
  type Suite,
} from './harness.ts';
import { type HashPeers, loadHashPeers } from './kernels/peers.ts';
import { plainIteration } from './kernels/pora.ts';
import { scalarKeccak } from './kernels/scalar-keccak.ts';

const MIB = 1024 * 1024;
/** What one run of a fast case hashes; slow libraries get a part, and are compared per byte. */
const DATA_BYTES = 16 * MIB;
const PEER_BYTES = MIB;
const REFERENCE_BYTES = MIB / 4;
const POOL_BYTES = 256 * MIB;

type Inputs = { data: Uint8Array; masks: Uint8Array; out: Uint8Array; seeds: Uint8Array };

function inputs(): Inputs {
  const data = new Uint8Array(DATA_BYTES);
  for (let i = 0; i < data.length; i++) data[i] = i * 31 + (i >> 8) * 17 + (i >> 16) * 7;
  const masks = data.slice(0, DATA_BYTES / 128);
  return { data, masks, out: new Uint8Array(DATA_BYTES), seeds: data.slice(0, 64 * 64) };
}

/** Pads of `count` nonces in lock step, then each searched in a resident load. No hit: the target is zero. */
function mine(kernels: Kernels, seeds: Uint8Array, count: number): void {
  const { mining } = kernels;
  const { pads } = mining.scratchpads(seeds.subarray(0, 64 * count));
  const target = new Uint8Array(32);
  const loads = mining.loadBuffers();
  for (let i = 0; i < count; i++) {
    mining.searchLoad({
      load: loads[i % loads.length]!,
      pad: pads.subarray(SCRATCHPAD_BYTES * i, SCRATCHPAD_BYTES * (i + 1)),
      padSeed: seeds.subarray(64 * i, 64 * (i + 1)),
      target,
    });
  }
}

function ourCases(kernels: Kernels, { data, masks, out, seeds }: Inputs): BenchCase[] {
  const { backend } = kernels;
  const bytes = backend === 'reference' ? REFERENCE_BYTES : DATA_BYTES;
  const part = data.subarray(0, bytes);
  const partMasks = masks.subarray(0, bytes / 128);
  const nonces = backend === 'reference' ? 1 : 64;
  const one = (name: string, work: { bytes?: number; count?: number }, run: () => unknown) => ({
    name: `kernels.${name.replace('/', `/backend=${backend}/`)}`,
    cpu: true,
    ...work,
    run,
  });
  return [
    one('keccak256Many/itemBytes=256', { bytes }, () => kernels.keccak256Many(part, 256, out)),
    one('keccak256Many/itemBytes=64', { count: bytes / 64 }, () => kernels.hashPairs(part, out)),
    one('seal/', { bytes }, () => kernels.mining.seal(part, partMasks, out)),
    one('unseal/', { bytes }, () => kernels.mining.unseal(part, partMasks, out)),
    one('blake2b512Many/itemBytes=4096', { bytes }, () =>
      kernels.mining.blake2b512Many(part, 4096, out),
    ),
    one('poraIteration/', { count: nonces }, () => mine(kernels, seeds, nonces)),
    one('sha256Pairs/', { count: bytes / 64 }, () => kernels.sha256.hashPairs(part, out)),
    one('sha256Many/itemBytes=2048/prefix=1', { bytes }, () =>
      kernels.sha256.hashMany(part, 2048, { prefix: 0, out }),
    ),
    one('xorInPlace/', { bytes }, () =>
      kernels.xorInPlace(out.subarray(0, bytes), data.subarray(0, bytes)),
    ),
  ].map((entry) => ({ ...entry, name: entry.name.replace(/\/$/, '') }));
}

function peerCases(peers: HashPeers, { data, out, seeds }: Inputs): BenchCase[] {
  const part = data.subarray(0, PEER_BYTES);
  const load = data.subarray(0, LOAD_BYTES);
  const each = (
    library: string,
    operation: string,
    itemBytes: number,
    hashOne: (input: Uint8Array) => Uint8Array,
    perItem = false,
  ): BenchCase => ({
    name: `${library}.${operation}/itemBytes=${itemBytes}`,
    cpu: true,
    ...(perItem ? { count: PEER_BYTES / itemBytes } : { bytes: PEER_BYTES }),
    run: () => {
      for (let at = 0, i = 0; at < PEER_BYTES; at += itemBytes, i++)
        out.set(hashOne(part.subarray(at, at + itemBytes)), 64 * i);
    },
  });
  return [
    ...Object.entries(peers.keccak256).map(([name, run]) => each(name, 'keccak256', 256, run)),
    ...Object.entries(peers.blake2b512).map(([name, run]) => each(name, 'blake2b512', 4096, run)),
    ...Object.entries(peers.sha256).map(([name, run]) => each(name, 'sha256', 64, run, true)),
    ...Object.entries(peers.sha256).map(([name, run]) => each(name, 'sha256', 2048, run)),
    {
      name: 'as-sha256.hashInto/itemBytes=64',
      cpu: true,
      count: PEER_BYTES / 64,
      run: () => peers.sha256Level(part, out.subarray(0, PEER_BYTES / 2)),
    },
    ...Object.entries(peers.plain).map(
      ([name, hashes]): BenchCase => ({
        name: `${name}.poraIteration`,
        cpu: true,
        count: 4,
        run: () => {
          for (let i = 0; i < 4; i++)
            plainIteration(hashes, seeds.subarray(64 * i, 64 * i + 64), load);
        },
      }),
    ),
  ];
}

/** Every target of the issue that names a hashing kernel. */
function ratiosOf(rows: readonly BenchRow[], backends: readonly Kernels[]): BenchRatio[] {
  const ratios: BenchRatio[] = [];
  for (const { backend } of backends) {
    const wasm = backend === 'wasm';
    const ours = (name: string, of = backend): string => {
      const [operation, ...rest] = name.split('/');
      return [`kernels.${operation}`, `backend=${of}`, ...rest].join('/');
    };
    const against = (name: string, over: string, atLeast?: number): void => {
      ratios.push(ratio(rows, ours(name), over, wasm ? atLeast : undefined));
    };
    const keccak = 'keccak256Many/itemBytes=256';
    const blake = 'blake2b512Many/itemBytes=4096';
    const pieces = 'sha256Many/itemBytes=2048/prefix=1';
    against(keccak, 'noble.keccak256/itemBytes=256', 15);
    against(keccak, 'scalar-wasm.keccak256Many/itemBytes=256', 1.2);
    against(keccak, 'hash-wasm.keccak256/itemBytes=256');
    against(keccak, 'js-sha3.keccak256/itemBytes=256');
    for (const name of ['seal', 'unseal']) against(name, ours(name, 'reference'), 10);
    against(blake, 'node-crypto.blake2b512/itemBytes=4096', 1.7);
    against(blake, 'hash-wasm.blake2b512/itemBytes=4096');
    against('poraIteration', 'noble.poraIteration', 15);
    against('poraIteration', 'hash-wasm.poraIteration', 1.9);
    against('sha256Pairs', 'as-sha256.hashInto/itemBytes=64');
    against('sha256Pairs', 'node-crypto.sha256/itemBytes=64');
    against(pieces, 'node-crypto.sha256/itemBytes=2048');
    if (backend !== 'native') continue;
    for (const [name, atLeast] of [
      [keccak, 3.5],
      ['seal', 3.5],
      ['unseal', 3.5],
      [blake, 2.5],
      ['poraIteration', 2.3],
      ['sha256Pairs', undefined],
      [pieces, undefined],
    ] as const)
      ratios.push(ratio(rows, ours(name), ours(name, 'wasm'), atLeast));
  }
  return ratios;
}

/** All backends and libraries agree on one small batch before they are timed. */
function checkAgreement(all: readonly Kernels[], peers: HashPeers, { data, seeds }: Inputs): void {
  const part = data.subarray(0, 64 * 1024);
  const [first, ...others] = all.map((kernels) => [
    kernels.keccak256Many(part, 256),
    kernels.mining.blake2b512Many(part, 4096),
    kernels.sha256.hashMany(part, 2048),
    kernels.mining.scratchpads(seeds.subarray(0, 64)).pads,
  ]);
  for (const other of others)
    for (const [i, bytes] of other.entries())
      if (!equalBytes(bytes, first![i]!)) throw new Error(`backends disagree on kernel ${i}`);
  for (const [hashes, itemBytes, expected] of [
    [peers.keccak256, 256, first![0]!.subarray(0, 32)],
    [peers.blake2b512, 4096, first![1]!.subarray(0, 64)],
    [peers.sha256, 2048, first![2]!.subarray(0, 32)],
  ] as const)
    for (const [name, hashOne] of Object.entries(hashes))
      if (!equalBytes(new Uint8Array(hashOne(part.subarray(0, itemBytes))), expected))
        throw new Error(`${name} disagrees with ours`);
}

function checkScalar(scalar: Awaited<ReturnType<typeof scalarKeccak>>, { data }: Inputs): void {
  for (const itemBytes of [64, 135, 136, 256]) {
    const part = data.subarray(0, 16 * itemBytes);
    const out = new Uint8Array(16 * 32);
    scalar(part, itemBytes, out);
    if (!equalBytes(out, referenceKernels().keccak256Many(part, itemBytes)))
      throw new Error(`scalar WASM disagrees with the reference at ${itemBytes} bytes`);
  }
}

async function officialTree(data: Uint8Array): Promise<unknown> {
  const [tree, error] = await new MemData(data).merkleTree();
  if (error || !tree) throw error ?? new Error('the SDK gave no tree');
  return tree.rootHash();
}

async function run(options: { rounds?: number; signal?: AbortSignal }): ReturnType<Suite['run']> {
  const material = inputs();
  const native = nativeBackend();
  const wasm = await loadKernels();
  const backends = native.kernels ? [wasm, native.kernels] : [wasm];
  const peers = await loadHashPeers();
  const scalar = await scalarKeccak();
  checkScalar(scalar, material);
  checkAgreement([referenceKernels(), ...backends], peers, material);
  await using all = await createHashPool({ backend: poolBackend });
  await using single = await createHashPool({ threads: 1, backend: poolBackend });
  const shared = new Uint8Array(new SharedArrayBuffer(POOL_BYTES));
  const pooled = (pool: typeof all): BenchCase => ({
    name: `kernels.poolSegmentRoots/threads=${pool.threads}`,
    bytes: POOL_BYTES,
    run: () => pool.segmentRoots(shared, { lastLeafCount: 1024 }),
  });
  const trees: BenchCase[] = [
    {
      name: 'official-sdk.merkleTree',
      bytes: PEER_BYTES,
      run: () => officialTree(material.data.subarray(0, PEER_BYTES)),
    },
    ...backends.map(
      (kernels): BenchCase => ({
        name: `kernels.sectorTreeRoots/backend=${kernels.backend}`,
        bytes: DATA_BYTES,
        run: () => kernels.sectorTreeRoots(material.data, 1024, material.out),
      }),
    ),
  ];
  const cases = [
    ...[...backends, referenceKernels()].flatMap((kernels) => ourCases(kernels, material)),
    ...peerCases(peers, material),
    {
      name: 'scalar-wasm.keccak256Many/itemBytes=256',
      cpu: true,
      bytes: DATA_BYTES,
      run: () => scalar(material.data, 256, material.out),
    },
    ...trees,
    ...(all.threads > 1 ? [pooled(single), pooled(all)] : []),
  ];
  const rows = await interleave(cases, {
    rounds: options.rounds ?? 9,
    warmups: 2,
    signal: options.signal,
  });
  const ratios = ratiosOf(rows, backends);
  for (const { backend } of backends)
    ratios.push(
      ratio(rows, `kernels.sectorTreeRoots/backend=${backend}`, 'official-sdk.merkleTree'),
    );
  if (all.threads > 1)
    ratios.push(ratio(rows, pooled(all).name, pooled(single).name, 0.9 * all.threads));
  return {
    rows,
    ratios,
    notes: [
      `one thread, CPU time of the thread, except trees and the pool (wall clock); ours on ${DATA_BYTES / MIB} MiB, libraries on ${PEER_BYTES / MIB} MiB, the reference on ${REFERENCE_BYTES / MIB} MiB: compared per byte or per operation`,
      'all backends and libraries were checked to agree first',
      `poraIteration: a pad and 64 seals of a load in memory; ours takes ${wasm.mining.nonceLanes} nonces at once in WASM, 8 in AVX-512`,
      'seal and unseal in the plain TypeScript twin are the reference backend',
      native.kernels ? `native: ${native.isa}` : `native: not measured, ${native.reason}`,
    ],
  };
}

export const suite: Suite = {
  description: 'Hash, seal and mining kernels against the reference and the libraries of npm',
  run,
};
