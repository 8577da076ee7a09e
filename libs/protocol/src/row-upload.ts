import { bytesToHex, CodedError, hexToBytes } from '@cairn/base';

/*
 * Rows of one blob for one member of a quorum, as one HTTP/1.1 request on the port of its gRPC service: what our own disperser
 * sends instead of `StoreRows`. The member decides by the head alone and asks for the body when it has memory for it.
 *
 *   POST /cairn/v1/rows
 *     expect: 100-continue, content-length: that of the body
 *     cairn-header: hex of the blob header (12 ABI words), cairn-authorization: hex, cairn-member: index in the quorum
 *     body: | rowRoot 32 | rlc, 16 B per data row | siblings, 32 B each | rows, without gaps |
 *   -> 200 {"known": boolean}, or 4xx/5xx with the coded error {"code", "kind", "message", "details"}
 *
 * Lengths of rlc and rows follow from the header and the member's assignment; what is left between them are the siblings.
 */

export const ROWS_PATH = '/cairn/v1/rows';

/** What a member decides by. Header and authorization as they travel. */
export type RowsHead = { header: Uint8Array; authorization: Uint8Array; member: number };
/** The proof of the rows; views of the body when decoded. */
export type RowsProof = { rowRoot: Uint8Array; rlc: Uint8Array; siblings: Uint8Array };

const HASH_BYTES = 32;
/** Longer than any header or signature of ours. */
const FIELD_BYTES_MAX = 2048;
const MEMBER_DIGITS = /^\d{1,5}$/;

function bad(reason: string, details: Record<string, unknown> = {}): CodedError {
  return new CodedError({
    code: 'PROTOCOL_ROWS',
    kind: 'invalid',
    message: `invalid upload of rows: ${reason}`,
    details,
  });
}

export function encodeRowsHead(head: RowsHead): Record<string, string> {
  return {
    'cairn-header': bytesToHex(head.header),
    'cairn-authorization': bytesToHex(head.authorization),
    'cairn-member': String(head.member),
  };
}

/** Throws `PROTOCOL_ROWS`. */
export function decodeRowsHead(
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
): RowsHead {
  const bytesOf = (name: string): Uint8Array => {
    const value = headers[name];
    if (typeof value !== 'string') throw bad(`${name} is missing`);
    if (value.length > 2 + 2 * FIELD_BYTES_MAX) throw bad(`${name} is too long`);
    try {
      return hexToBytes(value);
    } catch {
      throw bad(`${name} is not hex`);
    }
  };
  const member = headers['cairn-member'];
  if (typeof member !== 'string' || !MEMBER_DIGITS.test(member))
    throw bad('cairn-member is not an index');
  return {
    header: bytesOf('cairn-header'),
    authorization: bytesOf('cairn-authorization'),
    member: Number(member),
  };
}

/** Parts of the body in front of the rows. */
export function encodeRowsProof({ rowRoot, rlc, siblings }: RowsProof): Uint8Array[] {
  return [rowRoot, rlc, siblings];
}

export type RowsLengths = { rlcBytes: number; rowsBytes: number };

/**
 * Throws `PROTOCOL_ROWS` for a body that cannot hold exactly these rows: too short, or with more siblings than `siblingsMax`.
 */
export function checkRowsBody(
  bodyBytes: number,
  { rlcBytes, rowsBytes, siblingsMax }: RowsLengths & { siblingsMax: number },
): void {
  const siblingBytes = bodyBytes - HASH_BYTES - rlcBytes - rowsBytes;
  const isFit = siblingBytes >= 0 && siblingBytes <= siblingsMax * HASH_BYTES;
  if (isFit && siblingBytes % HASH_BYTES === 0) return;
  throw bad(`${bodyBytes} bytes where ${rowsBytes} of rows are assigned`, {
    bodyBytes,
    rowsBytes,
    rlcBytes,
  });
}

/** Views of a body whose length `checkRowsBody` accepted. */
export function splitRowsBody(
  body: Uint8Array,
  { rlcBytes, rowsBytes }: RowsLengths,
): RowsProof & { rows: Uint8Array } {
  const rowsAt = body.length - rowsBytes;
  return {
    rowRoot: body.subarray(0, HASH_BYTES),
    rlc: body.subarray(HASH_BYTES, HASH_BYTES + rlcBytes),
    siblings: body.subarray(HASH_BYTES + rlcBytes, rowsAt),
    rows: body.subarray(rowsAt),
  };
}
