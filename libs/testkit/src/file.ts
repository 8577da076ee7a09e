// Files as nodes see them: bytes, tree, and segments with their proofs in both wire forms.
import type { Kernels } from '@cairn/kernels';
import { type FileTree, fileTreeOfBytes, segmentCounts, segmentDataBytes } from '@cairn/merkle';
import { BYTES_PER_SEGMENT, type SegmentFrame, type SegmentWithProof } from '@cairn/protocol';

export type TestFile = { bytes: Uint8Array; tree: FileTree };

/** Hashes a file; `bytes` is not copied. */
export const makeTestFile = (kernels: Kernels, bytes: Uint8Array): TestFile => ({
  bytes,
  tree: fileTreeOfBytes(kernels, bytes),
});

/** Segment `index` as clients send it: whole sectors, the last one zero-filled. A new array. */
export function segmentBytes(file: TestFile, index: number): Uint8Array {
  const out = new Uint8Array(segmentDataBytes(file.bytes.length, index));
  const from = index * BYTES_PER_SEGMENT;
  out.set(file.bytes.subarray(from, from + out.length));
  return out;
}

export const frameOf = (file: TestFile, index: number): SegmentFrame => ({
  index,
  siblings: file.tree.siblings(index),
  data: segmentBytes(file, index),
});

export const framesOf = (file: TestFile): SegmentFrame[] =>
  Array.from({ length: segmentCounts(file.bytes.length).real }, (_, i) => frameOf(file, i));

export const jsonSegment = (file: TestFile, index: number): SegmentWithProof => ({
  root: file.tree.root,
  data: Buffer.from(segmentBytes(file, index)).toString('base64'),
  index,
  proof: file.tree.proof(index),
  fileSize: file.bytes.length,
});
