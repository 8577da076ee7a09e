import { type Kernels, segmentRootsOf } from '@cairn/kernels';
import { FileTree, needsTail, segmentCounts, segmentLeafCount } from '@cairn/merkle';
import { BYTES_PER_SEGMENT, SECTORS_PER_SEGMENT } from '@cairn/protocol';
import type { SegmentHasher } from './download.ts';
import type { UploadSource } from './source.ts';

const BLOCK_BYTES = 4 * 1024 * 1024;

export type HashOptions = {
  signal?: AbortSignal | undefined;
  /** Bytes hashed since the last call. */
  onProgress?: ((bytes: number) => void) | undefined;
  /** Hashes blocks of sources that have no faster way of their own. */
  hasher?: SegmentHasher | undefined;
};

/** Tree of a source; streams, so memory does not grow with the file beyond 64 bytes a segment. */
export async function hashSource(
  kernels: Kernels,
  source: UploadSource,
  options: HashOptions = {},
): Promise<FileTree> {
  const { size } = source;
  const { real } = segmentCounts(size);
  const lastLeafCount = segmentLeafCount(size, real - 1);
  const roots = source.segmentRoots
    ? await source.segmentRoots({ lastLeafCount, ...options })
    : await readRoots(kernels, source, lastLeafCount, options);
  const tail = needsTail(size)
    ? await source.read((real - 1) * BYTES_PER_SEGMENT, size)
    : undefined;
  return FileTree.fromSegmentRoots(kernels, size, roots, tail);
}

async function readRoots(
  kernels: Kernels,
  source: UploadSource,
  lastLeafCount: number,
  { signal, onProgress, hasher }: HashOptions,
): Promise<Uint8Array> {
  const roots = new Uint8Array(32 * segmentCounts(source.size).real);
  for (let at = 0; at < source.size; at += BLOCK_BYTES) {
    signal?.throwIfAborted();
    const end = Math.min(source.size, at + BLOCK_BYTES);
    const bytes = await source.read(at, end);
    const leaves = end === source.size ? lastLeafCount : SECTORS_PER_SEGMENT;
    roots.set(
      hasher
        ? await hasher(bytes, { lastLeafCount: leaves, signal })
        : segmentRootsOf(kernels, bytes, leaves),
      (32 * at) / BYTES_PER_SEGMENT,
    );
    onProgress?.(end - at);
  }
  return roots;
}
