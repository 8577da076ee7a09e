// Merkle roots of files: ours over each backend, the raw rate of its kernel, the official SDK's tree, and @noble/hashes.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemData } from '@0gfoundation/0g-ts-sdk';
import { type Kernels, loadKernels, referenceKernels } from '@cairn/kernels';
import { createHashPool } from '@cairn/kernels/node';
import { FileTree, FileTreeBuilder, fileTreeOfBytes } from '@cairn/merkle';
import { nativeBackend, poolBackend } from './backends.ts';
import { type BenchCase, interleave, ratio, type Suite } from './harness.ts';

const MIB = 1024 * 1024;
const FILE_BYTES = 256 * MIB;
/** The official tree and the reference are 30 to 100 times slower: smaller inputs, compared per byte. */
const SDK_BYTES = 16 * MIB;
const REFERENCE_BYTES = 4 * MIB;
/** What a reader of a file hands to the builder. */
const UPDATE_BYTES = MIB;

function patternBytes(size: number): Uint8Array {
  const out = new Uint8Array(size);
  for (let i = 0; i < size; i++) out[i] = i * 31 + (i >> 8) * 17 + (i >> 16) * 7 + 5;
  return out;
}

/** As many permutations as the tree of `data` takes, level by level over the whole file: no tree, no segments. */
function hashLevels(kernels: Kernels, data: Uint8Array, nodes: Uint8Array): void {
  kernels.keccak256Many(data, 256, nodes);
  for (let bytes = data.length / 8; bytes > 32; bytes /= 2)
    kernels.keccak256Many(nodes.subarray(0, bytes), 64, nodes);
}

function build(kernels: Kernels, data: Uint8Array): string {
  const builder = new FileTreeBuilder(kernels);
  for (let at = 0; at < data.length; at += UPDATE_BYTES)
    builder.update(data.subarray(at, at + UPDATE_BYTES));
  return builder.finish().root;
}

async function sdkRoot(data: Uint8Array): Promise<string> {
  const [tree, error] = await new MemData(data).merkleTree();
  if (error || !tree) throw error ?? new Error('the SDK gave no tree');
  const root = tree.rootHash();
  if (!root) throw new Error('the SDK gave no root');
  return root;
}

async function run(options: { rounds?: number; signal?: AbortSignal }): ReturnType<Suite['run']> {
  const data = patternBytes(FILE_BYTES);
  const small = data.subarray(0, SDK_BYTES);
  const tiny = data.subarray(0, REFERENCE_BYTES);
  const nodes = new Uint8Array(FILE_BYTES / 8);
  const wasm = await loadKernels();
  const native = nativeBackend();
  const backends = native.kernels ? [wasm, native.kernels] : [wasm];

  const sdk = await sdkRoot(small);
  for (const kernels of [...backends, referenceKernels()])
    if (fileTreeOfBytes(kernels, small).root !== sdk)
      throw new Error(`${kernels.backend}: root differs from the SDK's`);

  const directory = mkdtempSync(join(tmpdir(), 'cairn-bench-'));
  try {
    const path = join(directory, 'file');
    writeFileSync(path, data);
    await using pool = await createHashPool({ backend: poolBackend });
    const cases: BenchCase[] = [
      ...backends.flatMap((kernels): BenchCase[] => [
        {
          name: `merkle.root/backend=${kernels.backend}`,
          bytes: FILE_BYTES,
          run: () => build(kernels, data),
        },
        {
          name: `kernels.raw/backend=${kernels.backend}`,
          bytes: FILE_BYTES,
          run: () => hashLevels(kernels, data, nodes),
        },
        {
          name: `kernels.keccak256Many/backend=${kernels.backend}/itemBytes=256`,
          count: FILE_BYTES / 256,
          run: () => kernels.keccak256Many(data, 256, nodes),
        },
        {
          name: `kernels.keccak256Many/backend=${kernels.backend}/itemBytes=64`,
          count: FILE_BYTES / 4 / 64,
          run: () => kernels.keccak256Many(data.subarray(0, FILE_BYTES / 4), 64, nodes),
        },
      ]),
      {
        name: `merkle.fileRoot/threads=${pool.threads}`,
        bytes: FILE_BYTES,
        run: async () => {
          const range = { start: 0, end: FILE_BYTES, lastLeafCount: 1024 };
          const roots = await pool.fileSegmentRoots(path, range);
          return FileTree.fromSegmentRoots(wasm, FILE_BYTES, roots);
        },
      },
      { name: 'official-sdk.merkleTree', bytes: SDK_BYTES, run: () => sdkRoot(small) },
      {
        name: 'merkle.root/backend=reference',
        bytes: REFERENCE_BYTES,
        run: () => build(referenceKernels(), tiny),
      },
      {
        name: 'kernels.keccak256Many/backend=reference/itemBytes=256',
        count: REFERENCE_BYTES / 256,
        run: () => referenceKernels().keccak256Many(tiny, 256),
      },
      {
        name: 'kernels.keccak256Many/backend=reference/itemBytes=64',
        count: REFERENCE_BYTES / 4 / 64,
        run: () => referenceKernels().keccak256Many(tiny.subarray(0, REFERENCE_BYTES / 4), 64),
      },
    ];
    const rows = await interleave(cases, {
      rounds: options.rounds ?? 5,
      signal: options.signal,
    });
    const ratios = backends.flatMap(({ backend }) => {
      const root = `merkle.root/backend=${backend}`;
      const many = `kernels.keccak256Many/backend=${backend}/itemBytes=256`;
      return [
        ratio(rows, root, 'official-sdk.merkleTree', 25),
        ratio(rows, root, `kernels.raw/backend=${backend}`, 0.9),
        ratio(rows, root, 'merkle.root/backend=reference'),
        ratio(rows, many, 'kernels.keccak256Many/backend=reference/itemBytes=256', 15),
      ];
    });
    ratios.push(
      ratio(
        rows,
        `merkle.fileRoot/threads=${pool.threads}`,
        `merkle.root/backend=${backends.at(-1)!.backend}`,
      ),
    );
    return {
      rows,
      ratios,
      notes: [
        `root and raw: ${FILE_BYTES / MIB} MiB in memory, one thread; the builder gets ${UPDATE_BYTES / MIB} MiB at a time`,
        'raw: keccak256Many over all sectors, then over all pairs, level by level: the same permutations without a tree',
        `official SDK (@0gfoundation/0g-ts-sdk MemData.merkleTree) on ${SDK_BYTES / MIB} MiB, reference (@noble/hashes) on ${REFERENCE_BYTES / MIB} MiB: compared per byte, and their roots checked equal to ours first`,
        'fileRoot: the same bytes from a file in the page cache, read and hashed by the pool',
        native.kernels ? `native: ${native.isa}` : `native: not measured, ${native.reason}`,
      ],
    };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

export const suite: Suite = {
  description:
    'Merkle root of a 256 MiB file on one core, against the official SDK and the raw kernel',
  run,
};
