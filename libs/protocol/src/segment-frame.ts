import { CodedError } from '@cairn/base';
import { BYTES_PER_SEGMENT, SEGMENTS_PER_CALL_MAX } from './constants.ts';

/*
 * Binary segment frames: what our own SDK sends and reads instead of base64 JSON.
 *
 *   POST /cairn/v1/files/{root}/segments?fileSize=N[&txSeq=S]   body: frames       → {"accepted": n}
 *   GET  /cairn/v1/files/{txSeq}/segments/{index}[?count=n&stride=s] → body: frames, application/octet-stream
 *
 * A body is a run of frames without a gap, all little-endian:
 *
 *   | u32 index | u32 dataBytes | u8 siblingCount | siblings 32 B each, bottom-up | data |
 *
 * The path of the proof is not sent: it follows from (index, segment count of the padded file). The leaf is the
 * segment's own root, computed by the reader, and the root is in the address. At most SEGMENTS_PER_CALL_MAX
 * frames a body. Errors answer with 4xx/5xx and the JSON-RPC error object of the same condition.
 */

/** One segment on the wire. Arrays are views into the body when decoded. */
export type SegmentFrame = {
  /** Index within the file. */
  index: number;
  /** 32 bytes each, bottom-up, concatenated. */
  siblings: Uint8Array;
  /** Unpadded segment bytes, a multiple of 256, at most 256 KiB. */
  data: Uint8Array;
};

export const FRAME_HEADER_BYTES = 9;
/** Largest body either side accepts. */
export const FRAMES_BODY_BYTES_MAX =
  SEGMENTS_PER_CALL_MAX * (FRAME_HEADER_BYTES + 64 * 32 + BYTES_PER_SEGMENT);

/** Path of the upload route; `GET` appends `/{index}`. */
export const segmentsPath = (rootOrSeq: string | number): string =>
  `/cairn/v1/files/${rootOrSeq}/segments`;

/** Bytes that `frame` takes on the wire. */
export function frameBytes(frame: SegmentFrame): number {
  return FRAME_HEADER_BYTES + frame.siblings.length + frame.data.length;
}

/** Header and siblings of a frame, without its data; lets a sender write data without copying it. New array. */
export function encodeFrameHead(frame: SegmentFrame): Uint8Array {
  const head = new Uint8Array(FRAME_HEADER_BYTES + frame.siblings.length);
  const view = new DataView(head.buffer);
  view.setUint32(0, frame.index, true);
  view.setUint32(4, frame.data.length, true);
  head[8] = frame.siblings.length / 32;
  head.set(frame.siblings, FRAME_HEADER_BYTES);
  return head;
}

/** All frames as parts of one body; data is not copied. */
export function encodeFrameParts(frames: readonly SegmentFrame[]): Uint8Array[] {
  return frames.flatMap((frame) => [encodeFrameHead(frame), frame.data]);
}

function bad(reason: string): CodedError {
  return new CodedError({
    code: 'PROTOCOL_FRAME',
    kind: 'invalid',
    message: `invalid segment frames: ${reason}`,
  });
}

/** Splits a body into frames (views). Throws `PROTOCOL_FRAME` on anything truncated, oversized or empty. */
export function decodeFrames(body: Uint8Array): SegmentFrame[] {
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const frames: SegmentFrame[] = [];
  for (let at = 0; at < body.length; ) {
    if (frames.length === SEGMENTS_PER_CALL_MAX)
      throw bad(`more than ${SEGMENTS_PER_CALL_MAX} segments`);
    if (body.length - at < FRAME_HEADER_BYTES) throw bad('truncated header');
    const index = view.getUint32(at, true);
    const dataBytes = view.getUint32(at + 4, true);
    const siblingBytes = body[at + 8]! * 32;
    if (dataBytes > BYTES_PER_SEGMENT) throw bad('segment too long');
    if (siblingBytes > 64 * 32) throw bad('proof too long');
    at += FRAME_HEADER_BYTES;
    if (body.length - at < siblingBytes + dataBytes) throw bad('truncated data');
    frames.push({
      index,
      siblings: body.subarray(at, at + siblingBytes),
      data: body.subarray(at + siblingBytes, at + siblingBytes + dataBytes),
    });
    at += siblingBytes + dataBytes;
  }
  if (frames.length === 0) throw bad('empty body');
  return frames;
}
