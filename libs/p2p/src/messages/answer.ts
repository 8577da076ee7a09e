/*
 * How a request and its answer lie on a stream, in every transport:
 *
 *   request  | u32 bytes | body |
 *   answer   | u8 status | u32 bytes | body |          status 0: body is the answer; else: body is a reason in ASCII
 */
import { CodedError, type ErrorKind } from '@cairn/base';
import { p2pError } from '../errors.ts';

export const REQUEST_HEAD_BYTES = 4;
export const ANSWER_HEAD_BYTES = 5;
const REASON_BYTES_MAX = 200;

/** Status bytes of refusals, by the kind of error at the other side. */
const REFUSALS: readonly ErrorKind[] = [
  'unavailable',
  'invalid',
  'not_found',
  'not_ready',
  'exhausted',
];

export function answerHead(status: number, bytes: number): Uint8Array {
  const head = new Uint8Array(ANSWER_HEAD_BYTES);
  head[0] = status;
  new DataView(head.buffer).setUint32(1, bytes, true);
  return head;
}

/** A refusal as it is sent. Only our own short texts leave the node, never the details of a failure. */
export function encodeRefusal(error: unknown): Uint8Array {
  const kind = error instanceof CodedError ? error.kind : 'unavailable';
  const status = Math.max(0, REFUSALS.indexOf(kind)) + 1;
  const text =
    error instanceof CodedError && error.code.startsWith('P2P_') ? error.message : 'internal error';
  const reason = new TextEncoder().encode(text.replace(/[^ -~]/g, '?').slice(0, REASON_BYTES_MAX));
  const out = new Uint8Array(ANSWER_HEAD_BYTES + reason.length);
  out.set(answerHead(status, reason.length));
  out.set(reason, ANSWER_HEAD_BYTES);
  return out;
}

/** The error that a refusal means to the asker: `P2P_REFUSED` with the kind the other side gave. */
export function refusalError(status: number, reason: Uint8Array): CodedError {
  const text = new TextDecoder()
    .decode(reason.subarray(0, REASON_BYTES_MAX))
    .replace(/[^ -~]/g, '?');
  const kind = REFUSALS[status - 1] ?? 'unavailable';
  // `invalid` said by a peer about us must not count as our caller's mistake, nor as the peer's lie.
  return p2pError('P2P_REFUSED', `the peer refused: ${text}`, {
    kind: kind === 'invalid' ? 'unavailable' : kind,
    details: { reason: text, kind },
  });
}

/** Reads the length of a request or answer head; throws `P2P_TOO_LONG` above `max`. */
export function checkedLength(head: Uint8Array, at: number, max: number): number {
  const length = new DataView(head.buffer, head.byteOffset, head.byteLength).getUint32(at, true);
  if (length > max)
    throw p2pError('P2P_TOO_LONG', `a message of ${length} bytes, at most ${max} are allowed`, {
      details: { length, max },
    });
  return length;
}
