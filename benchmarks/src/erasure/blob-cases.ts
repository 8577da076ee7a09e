// The DA codec at 32 MiB: from payload to commitment and its parts, a member's check, a reader's worst case; KZG cells and
// proofs (EIP-7594) as the other way to certify an encoding.
import { equalBytes } from '@cairn/base';
import {
  checkShard,
  DA_SHAPES,
  type EncodedBlob,
  encodeBlob,
  encodeBlobInThreads,
  ReedSolomon,
  rlcCoefficients,
  rowLeaves,
} from '@cairn/erasure';
import type { Kernels } from '@cairn/kernels';
import type { TaskPool } from '@cairn/kernels/node';
import type { BenchCase } from '../harness.ts';
import type { KzgPeer } from './peers.ts';
import { drawNumbers, randomBytes } from './random.ts';

const MIB = 1024 * 1024;
/** A frame that fills 4096 rows of 8192 bytes: 32 MiB with its 5-byte header. */
export const BLOB_BYTES = 32 * MIB;
const SHAPE = DA_SHAPES[1];
const SAMPLES = 148;

/** Any rows but data rows, with no whole block of points among them: the slowest to decode. */
function worstRows(blob: EncodedBlob): { indices: number[]; rows: Uint8Array } {
  const { dataRows, parityRows } = SHAPE;
  const indices = drawNumbers(dataRows, 5, parityRows).map((index) => dataRows + index);
  const { rowBytes } = blob.format;
  const rows = new Uint8Array(dataRows * rowBytes);
  for (const [i, index] of indices.entries()) rows.set(blob.row(index), i * rowBytes);
  return { indices, rows };
}

/**
 * Everything our backends do with one blob, its rows in the memory of the backend (`workspace`), whose content the cases share.
 * Throws when two backends disagree.
 */
export function blobCases(backends: readonly Kernels[]): BenchCase[] {
  const payload = randomBytes(BLOB_BYTES, 32).subarray(5);
  let blob: EncodedBlob | undefined;
  const memories = backends.map((kernels): Uint8Array => {
    const rows = kernels.galois.workspace(4 * BLOB_BYTES);
    const own = encodeBlob(kernels, payload, { version: 0x11, shape: SHAPE, rows });
    if (blob && !equalBytes(own.commitment, blob.commitment))
      throw new Error(`${kernels.backend}: another commitment`);
    blob = own;
    return rows;
  });
  if (!blob) return [];
  const { format, rowRoot, commitment } = blob;
  const { rowBytes } = format;
  const data = blob.rows.slice(0, BLOB_BYTES);
  const sampled = drawNumbers(SAMPLES, 148, 16_384);
  const shard = blob.shard(sampled);
  const worst = worstRows(blob);
  const decoded = new Uint8Array(BLOB_BYTES);
  return backends.flatMap((kernels, i): BenchCase[] => {
    const { backend, galois, sha256 } = kernels;
    const rows = memories[i]!;
    const [own, parity] = [rows.subarray(0, BLOB_BYTES), rows.subarray(BLOB_BYTES)];
    const { dataRows, parityRows } = SHAPE;
    const shape = { field: 16, layout: 'natural', dataRows, parityRows } as const;
    const code = new ReedSolomon(galois, shape);
    const coefficients = rlcCoefficients(sha256, format, rowRoot);
    const rebuild = (): Uint8Array => code.reconstruct({ ...worst, rowBytes, out: decoded });
    if (!equalBytes(rebuild(), data)) throw new Error(`${backend}: the blob is not rebuilt`);
    const name = (what: string): string => `erasure.${what}/backend=${backend}/bytes=${BLOB_BYTES}`;
    return [
      {
        name: name('encodeBlob'),
        bytes: BLOB_BYTES,
        cpu: true,
        run: () => encodeBlob(kernels, payload, { version: 0x11, shape: SHAPE, rows }),
      },
      {
        name: name('rowTransforms'),
        bytes: BLOB_BYTES,
        cpu: true,
        run: () => code.encode(own, rowBytes, parity),
      },
      {
        name: name('rowHashes'),
        bytes: BLOB_BYTES,
        cpu: true,
        run: () => rowLeaves(sha256, format, rows),
      },
      {
        name: name('rowCombination'),
        bytes: BLOB_BYTES,
        cpu: true,
        run: () => galois.combineRows({ rows: own, rowBytes, coefficients }),
      },
      {
        name: `erasure.checkShard/backend=${backend}/bytes=${BLOB_BYTES}/rows=${SAMPLES}`,
        count: 16,
        cpu: true,
        run: () => {
          for (let i = 0; i < 16; i++) checkShard(kernels, { format, commitment }, shard, sampled);
        },
      },
      { name: name('reconstructWorst'), bytes: BLOB_BYTES, cpu: true, run: rebuild },
    ];
  });
}

/** Encoding in this thread, by a pool of one thread and by one of all, by the clock. */
export function threadCases(
  kernels: Kernels,
  pools: { one: TaskPool; all: TaskPool },
): BenchCase[] {
  const payload = randomBytes(BLOB_BYTES, 32).subarray(5);
  const rows = new Uint8Array(new SharedArrayBuffer(4 * BLOB_BYTES));
  const second = new Uint8Array(new SharedArrayBuffer(4 * BLOB_BYTES));
  const options = { version: 0x11, shape: SHAPE, rows } as const;
  const pooled = (name: string, pool: TaskPool): BenchCase => ({
    name,
    bytes: BLOB_BYTES,
    run: () => encodeBlobInThreads(kernels, pool, payload, options),
  });
  return [
    {
      name: THREAD_CASES.none,
      bytes: BLOB_BYTES,
      run: () => encodeBlob(kernels, payload, options),
    },
    pooled(THREAD_CASES.one, pools.one),
    ...(pools.all.threads > 1
      ? [
          pooled(THREAD_CASES.all, pools.all),
          {
            name: THREAD_CASES.two,
            bytes: 2 * BLOB_BYTES,
            run: () =>
              Promise.all(
                [rows, second].map((memory) =>
                  encodeBlobInThreads(kernels, pools.all, payload, { ...options, rows: memory }),
                ),
              ),
          },
        ]
      : []),
  ];
}

/** Names of those. */
export const THREAD_CASES = {
  none: `erasure.encodeBlob/clock=wall/bytes=${BLOB_BYTES}`,
  one: `erasure.encodeBlobInThreads/threads=1/bytes=${BLOB_BYTES}`,
  all: `erasure.encodeBlobInThreads/threads=all/bytes=${BLOB_BYTES}`,
  two: `erasure.encodeBlobInThreads/threads=all/blobs=2/bytes=${BLOB_BYTES}`,
} as const;

/** Cells and proofs of one 128 KiB blob, by each library that is here. */
export function kzgCases(peers: readonly KzgPeer[]): BenchCase[] {
  // Field elements of 32 bytes, big-endian, below the modulus: the first byte is zero.
  const blob = randomBytes(131_072, 128);
  for (let i = 0; i < blob.length; i += 32) blob[i] = 0;
  return peers.map(({ name, cellsAndProofs }) => ({
    name: `${name}.cellsAndProofs/bytes=131072`,
    bytes: blob.length,
    cpu: true,
    run: () => cellsAndProofs(blob),
  }));
}
