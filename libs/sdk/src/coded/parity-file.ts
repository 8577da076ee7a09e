import {
  type CodedFileLayout,
  FRAGMENT_BYTES,
  parityWindows,
  WINDOW_SEGMENTS,
} from '@cairn/erasure';
import { type Kernels, segmentRootsOf } from '@cairn/kernels';
import { FileTree } from '@cairn/merkle';
import { SECTORS_PER_SEGMENT } from '@cairn/protocol';
import type { SegmentHasher } from '../download.ts';
import type { DownloadSink, UploadSource } from '../source.ts';

export type ParityFileDeps = { kernels: Kernels; hasher?: SegmentHasher | undefined };

const WINDOW_BYTES = WINDOW_SEGMENTS * FRAGMENT_BYTES;

/**
 * Encodes the parity of `source` into `sink` and returns the tree of the parity file. One window (8 MiB of parity, 4 MiB of data)
 * at a time; the hashing of one runs beside the encoding of the next.
 */
export async function writeParity(
  deps: ParityFileDeps,
  layout: CodedFileLayout,
  source: UploadSource,
  sink: DownloadSink,
  options: {
    signal?: AbortSignal | undefined;
    /** Bytes of parity made since the last call. */
    onProgress?: ((bytes: number) => void) | undefined;
  } = {},
): Promise<FileTree> {
  const { signal, onProgress } = options;
  const windows = layout.paritySegments / WINDOW_SEGMENTS;
  const roots = new Uint8Array(32 * layout.paritySegments);
  const readData = async (index: number, into: Uint8Array): Promise<void> => {
    const start = index * FRAGMENT_BYTES;
    const target = into.subarray(0, Math.min(FRAGMENT_BYTES, layout.dataBytes - start));
    if (source.readInto) await source.readInto(start, target);
    else target.set(await source.read(start, start + target.length));
  };
  const finish = async (window: number, bytes: Uint8Array): Promise<void> => {
    const [hashes] = await Promise.all([
      deps.hasher
        ? deps.hasher(bytes, { lastLeafCount: SECTORS_PER_SEGMENT, signal })
        : segmentRootsOf(deps.kernels, bytes, SECTORS_PER_SEGMENT),
      sink.write(window * WINDOW_BYTES, bytes),
    ]);
    roots.set(hashes, 32 * WINDOW_SEGMENTS * window);
    onProgress?.(bytes.length);
  };
  let finishing: Promise<void> = Promise.resolve();
  for (let window = 0; window < windows; window++) {
    signal?.throwIfAborted();
    const range = { start: window, end: window + 1 };
    const bytes = await parityWindows(deps.kernels.galois, layout, range, readData);
    await finishing;
    finishing = finish(window, bytes);
    finishing.catch(() => {}); // awaited in the next turn
  }
  await finishing;
  return FileTree.fromSegmentRoots(deps.kernels, layout.parityBytes, roots);
}
