/*
 * Which submissions are finalized at a peer.
 *
 *   request  | u64 fromSeq | u16 count |
 *   answer   | u64 nextTxSeq | ceil(count / 8) bytes, bit i of byte floor(i / 8) is fromSeq + i |
 */
import { malformed } from '../errors.ts';
import { ByteReader, ByteWriter } from './bytes.ts';

/** Most submissions one request asks about. */
export const HAVE_COUNT_MAX = 8192;
export const HAVE_REQUEST_BYTES = 10;
export const HAVE_ANSWER_BYTES_MAX: number = 8 + HAVE_COUNT_MAX / 8;

export type HaveRequest = { fromSeq: number; count: number };
export type HaveAnswer = { nextTxSeq: number; bitmap: Uint8Array };

export function encodeHaveRequest({ fromSeq, count }: HaveRequest): Uint8Array {
  return new ByteWriter(HAVE_REQUEST_BYTES).u64(fromSeq).u16(count).done();
}

export function decodeHaveRequest(bytes: Uint8Array): HaveRequest {
  const reader = new ByteReader(bytes);
  const request = { fromSeq: reader.u64(), count: reader.u16() };
  reader.end();
  if (request.count === 0 || request.count > HAVE_COUNT_MAX)
    throw malformed(`a question about ${request.count} files`);
  if (!Number.isSafeInteger(request.fromSeq + request.count)) throw malformed('a range above 2^53');
  return request;
}

export function encodeHaveAnswer({ nextTxSeq, bitmap }: HaveAnswer): Uint8Array {
  return new ByteWriter(8 + bitmap.length).u64(nextTxSeq).bytes(bitmap).done();
}

/** The bitmap is a view. */
export function decodeHaveAnswer(bytes: Uint8Array, request: HaveRequest): HaveAnswer {
  const reader = new ByteReader(bytes);
  const answer = {
    nextTxSeq: reader.u64(),
    bitmap: reader.bytes(Math.ceil(request.count / 8)),
  };
  reader.end();
  return answer;
}

export const hasBit = (bitmap: Uint8Array, index: number): boolean =>
  ((bitmap[index >> 3] ?? 0) & (1 << (index & 7))) !== 0;

export function setBit(bitmap: Uint8Array, index: number): void {
  bitmap[index >> 3]! |= 1 << (index & 7);
}
