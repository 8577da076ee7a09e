/*
 * The byte stream that is cut into data rows (spec/da-encoding.md section 4):
 *
 *     version u8 | payload length BE32 | payload | zeros to the end of the last row
 *
 * One payload has one frame: padding must be zero and rows as short as they can be.
 */
import { assert, isCodedError, isZeroBytes } from '@cairn/base';
import { erasureError } from '../errors.ts';
import {
  type BlobFormat,
  type BlobShape,
  type BlobVersion,
  FRAME_HEADER_BYTES,
  payloadBytesMax,
  rowBytesFor,
} from './format.ts';

/** The format a payload gets. Throws `ERASURE_PAYLOAD` when it is empty or too long for the shape. */
export function formatFor(
  payloadBytes: number,
  version: BlobVersion,
  shape: BlobShape,
): BlobFormat {
  if (payloadBytes < 1 || payloadBytes > payloadBytesMax(shape)) {
    throw erasureError('ERASURE_PAYLOAD', `a payload of ${payloadBytes} bytes cannot be framed`, {
      bytes: payloadBytes,
      bytesMax: payloadBytesMax(shape),
    });
  }
  return { version, shape, rowBytes: rowBytesFor(payloadBytes, shape) };
}

const STAGING_BYTES = 65_536;

/**
 * Copies `source` to `target` at `at`. V8 copies to shared memory byte by byte (2.5 times as slow) where the two do not lie
 * alike in their words; there it goes through private memory that does.
 */
function copyBytes(source: Uint8Array, target: Uint8Array, at: number): void {
  const isAlike = (source.byteOffset - target.byteOffset - at) % 8 === 0;
  if (isAlike || source.length < STAGING_BYTES || target.buffer instanceof ArrayBuffer) {
    target.set(source, at);
    return;
  }
  const lead = (target.byteOffset + at) % 8;
  const staging = new Uint8Array(lead + STAGING_BYTES).subarray(lead);
  for (let done = 0; done < source.length; done += STAGING_BYTES) {
    const part = source.subarray(done, done + STAGING_BYTES);
    staging.set(part);
    target.set(staging.subarray(0, part.length), at + done);
  }
}

/** Writes the frame of `payload` to the front of `rows`, `dataRows * rowBytes` bytes that may hold anything. */
export function writeFrame(format: BlobFormat, payload: Uint8Array, rows: Uint8Array): void {
  const { version, shape, rowBytes } = format;
  assert(rowBytes === rowBytesFor(payload.length, shape), 'rows are as long as the payload needs');
  const end = shape.dataRows * rowBytes;
  assert(rows.length >= end, 'the frame fits');
  rows[0] = version;
  new DataView(rows.buffer, rows.byteOffset, end).setUint32(1, payload.length);
  copyBytes(payload, rows, FRAME_HEADER_BYTES);
  rows.fill(0, FRAME_HEADER_BYTES + payload.length, end);
}

/**
 * The payload in data rows, as a view. Throws `ERASURE_FRAME` unless they are exactly what `writeFrame` writes, and of
 * `length` payload bytes where that is known from a header.
 */
export function readFrame(format: BlobFormat, rows: Uint8Array, length?: number): Uint8Array {
  const { version, shape, rowBytes } = format;
  assert(rows.length === shape.dataRows * rowBytes, 'all data rows');
  const refuse = (message: string, details = {}): Error =>
    erasureError('ERASURE_FRAME', message, details);
  if (rows[0] !== version)
    throw refuse(`the frame is of version ${rows[0]}, not ${version}`, { version: rows[0] });
  const bytes = new DataView(rows.buffer, rows.byteOffset, rows.length).getUint32(1);
  if (bytes === 0 || bytes > rows.length - FRAME_HEADER_BYTES)
    throw refuse(`the frame claims ${bytes} bytes`, { bytes });
  if (rowBytesFor(bytes, shape) !== rowBytes)
    throw refuse('the rows are longer than the payload needs', { bytes, rowBytes });
  if (length !== undefined && bytes !== length)
    throw refuse(`the frame has ${bytes} bytes, its header says ${length}`, { bytes, length });
  const end = FRAME_HEADER_BYTES + bytes;
  if (!isZeroBytes(rows.subarray(end))) throw refuse('the padding is not zero', { bytes });
  return rows.subarray(FRAME_HEADER_BYTES, end);
}

/**
 * The payload in certified data rows, as a view. Rows that are no frame of `length` bytes (when known from a header) are the
 * empty payload, for every reader alike.
 */
export function readCertifiedFrame(
  format: BlobFormat,
  rows: Uint8Array,
  length?: number,
): Uint8Array {
  try {
    return readFrame(format, rows, length);
  } catch (error) {
    if (isCodedError(error, 'ERASURE_FRAME')) return new Uint8Array(0);
    throw error;
  }
}
