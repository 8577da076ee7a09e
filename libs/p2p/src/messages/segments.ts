/*
 * Segments of one file with their proofs to the file root.
 *
 *   request  | u64 txSeq | 32 B root | u8 count | count × u32 index |
 *   answer   frames as on the binary HTTP route (libs/protocol/src/segment-frame.ts), possibly none
 *
 * The answer holds only segments that were asked for, each at most once; what the peer does not hold is left out.
 */
import type { DataRoot } from '@cairn/base';
import {
  BYTES_PER_SEGMENT,
  decodeFrames,
  encodeFrameHead,
  FRAME_HEADER_BYTES,
  type SegmentFrame,
} from '@cairn/protocol';
import { malformed, p2pError } from '../errors.ts';
import { ByteReader, ByteWriter } from './bytes.ts';

/** Most segments one request asks for: 2 MiB. */
export const SEGMENTS_PER_REQUEST_MAX = 8;
export const SEGMENTS_REQUEST_BYTES_MAX: number = 41 + 4 * SEGMENTS_PER_REQUEST_MAX;
export const SEGMENTS_ANSWER_BYTES_MAX: number =
  SEGMENTS_PER_REQUEST_MAX * (FRAME_HEADER_BYTES + 64 * 32 + BYTES_PER_SEGMENT);

export type SegmentsRequest = { txSeq: number; root: DataRoot; indexes: readonly number[] };

export function encodeSegmentsRequest({ txSeq, root, indexes }: SegmentsRequest): Uint8Array {
  const writer = new ByteWriter(41 + 4 * indexes.length).u64(txSeq).hash32(root).u8(indexes.length);
  for (const index of indexes) writer.u32(index);
  return writer.done();
}

export function decodeSegmentsRequest(bytes: Uint8Array): SegmentsRequest {
  const reader = new ByteReader(bytes);
  const txSeq = reader.u64();
  const root = reader.hash32() as DataRoot;
  const count = reader.u8();
  if (count === 0 || count > SEGMENTS_PER_REQUEST_MAX)
    throw malformed(`a request for ${count} segments`);
  const indexes = Array.from({ length: count }, () => reader.u32());
  reader.end();
  if (new Set(indexes).size !== count) throw malformed('a segment is asked for twice');
  return { txSeq, root, indexes };
}

/** Parts of the answer in order: heads, and the data without a copy. */
export function encodeSegmentsAnswer(frames: readonly SegmentFrame[]): Uint8Array[] {
  return frames.flatMap((frame) => [encodeFrameHead(frame), frame.data]);
}

/** Views into `bytes`. Throws `P2P_MALFORMED`, or `P2P_UNASKED` for a segment that was not asked for. */
export function decodeSegmentsAnswer(bytes: Uint8Array, request: SegmentsRequest): SegmentFrame[] {
  if (bytes.length === 0) return [];
  let frames: SegmentFrame[];
  try {
    frames = decodeFrames(bytes);
  } catch (error) {
    throw p2pError('P2P_MALFORMED', 'malformed message: segment frames', { cause: error });
  }
  const wanted = new Set(request.indexes);
  for (const { index } of frames)
    if (!wanted.delete(index))
      throw p2pError('P2P_UNASKED', `segment ${index} was not asked for`, { details: { index } });
  return frames;
}
