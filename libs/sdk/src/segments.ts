// One segment in either direction, over our binary route where the node speaks it and JSON-RPC where it does not.
import { type DataRoot, parseHash32 } from '@cairn/base';
import type { Kernels } from '@cairn/kernels';
import {
  type FileTree,
  proofToSiblings,
  segmentDataBytes,
  segmentLeafCount,
  segmentRoot,
} from '@cairn/merkle';
import { BYTES_PER_SEGMENT, SEGMENTS_PER_CALL_MAX, type SegmentFrame } from '@cairn/protocol';
import type { CallOptions, NodeClient } from '@cairn/rpc';
import { base64ToBytes, bytesToBase64 } from './base64.ts';
import type { UploadSource } from './source.ts';

/** Bytes of memory that `readSegments` wants for a batch. */
export const BATCH_BYTES: number = SEGMENTS_PER_CALL_MAX * BYTES_PER_SEGMENT;

/**
 * Reads segments (ascending, at most `SEGMENTS_PER_CALL_MAX`) as they travel: whole sectors, the last one zero-filled. The
 * bytes are views of `memory` where the source can read into it; runs of neighbours are read at once.
 */
export async function readSegments(
  source: UploadSource,
  indexes: readonly number[],
  memory: Uint8Array,
): Promise<{ index: number; data: Uint8Array }[]> {
  const segments = indexes.map((index, i) => {
    const length = segmentDataBytes(source.size, index);
    return { index, data: memory.subarray(i * BYTES_PER_SEGMENT, i * BYTES_PER_SEGMENT + length) };
  });
  const reads: Promise<void>[] = [];
  for (let from = 0; from < segments.length; ) {
    let to = from + 1;
    while (to < segments.length && segments[to]!.index === segments[to - 1]!.index + 1) to++;
    reads.push(
      readRun(source, segments.slice(from, to), memory.subarray(from * BYTES_PER_SEGMENT)),
    );
    from = to;
  }
  await Promise.all(reads);
  return segments;
}

/** Reads neighbours, which lie one after the other in `memory`. */
async function readRun(
  source: UploadSource,
  segments: { index: number; data: Uint8Array }[],
  memory: Uint8Array,
): Promise<void> {
  const start = segments[0]!.index * BYTES_PER_SEGMENT;
  const end = Math.min(source.size, start + segments.length * BYTES_PER_SEGMENT);
  const target = memory.subarray(0, end - start);
  if (source.readInto) await source.readInto(start, target);
  else target.set(await source.read(start, end));
  const last = segments.at(-1)!.data;
  last.fill(0, end - start - (segments.length - 1) * BYTES_PER_SEGMENT);
}

/** Sends segments of a file to one node. */
export async function sendSegments(
  client: NodeClient,
  tree: FileTree,
  txSeq: number,
  segments: readonly { index: number; data: Uint8Array }[],
  options: CallOptions,
): Promise<void> {
  if (await client.supportsBinary(options)) {
    const frames = segments.map(({ index, data }) => ({
      index,
      data,
      siblings: tree.siblings(index),
    }));
    await client.uploadFrames(tree.root, { fileSize: tree.size, txSeq }, frames, options);
    return;
  }
  const json = segments.map(({ index, data }) => ({
    root: tree.root,
    data: bytesToBase64(data),
    index,
    proof: tree.proof(index),
    fileSize: tree.size,
  }));
  await client.uploadSegmentsByTxSeq(json, txSeq, options);
}

/** Fetches segments index, index + stride, … of a file from one node; siblings as the node claims them, unverified. */
export async function fetchSegments(
  client: NodeClient,
  kernels: Kernels,
  file: { root: DataRoot; size: number; txSeq: number },
  range: { index: number; count: number; stride: number },
  options: CallOptions,
): Promise<SegmentFrame[]> {
  if (await client.supportsBinary(options))
    return client.downloadFrames(file.txSeq, range, options);
  const frames: SegmentFrame[] = [];
  for (let i = 0; i < range.count; i++) {
    const index = range.index + i * range.stride;
    const segment = await client.downloadSegmentWithProofByTxSeq(file.txSeq, index, options);
    if (!segment) return frames;
    const data = base64ToBytes(segment.data);
    const leaf = segmentRoot(kernels, data, segmentLeafCount(file.size, index));
    frames.push({
      index,
      data,
      siblings: proofToSiblings(segment.proof, {
        size: file.size,
        index,
        root: parseHash32(file.root) as DataRoot,
        segmentRoot: leaf,
      }),
    });
  }
  return frames;
}
