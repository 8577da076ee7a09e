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
import { BYTES_PER_SEGMENT, type SegmentFrame } from '@cairn/protocol';
import type { CallOptions, NodeClient } from '@cairn/rpc';
import { base64ToBytes, bytesToBase64 } from './base64.ts';
import type { UploadSource } from './source.ts';

/** Reads segment `index` as it travels: whole sectors, the last one zero-filled. */
export async function readSegment(source: UploadSource, index: number): Promise<Uint8Array> {
  const start = index * BYTES_PER_SEGMENT;
  const bytes = await source.read(start, Math.min(source.size, start + BYTES_PER_SEGMENT));
  const length = segmentDataBytes(source.size, index);
  if (bytes.length === length) return bytes;
  const padded = new Uint8Array(length);
  padded.set(bytes);
  return padded;
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
