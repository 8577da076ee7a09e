// Untrusted positional parameters to typed values; each failure is the JSON-RPC error that clients know.
import type { DataRoot, Hash32 } from '@cairn/base';
import { fileProofSchema, hash32Schema } from '@cairn/protocol';
import { invalidParams } from '@cairn/rpc';
import { z } from 'zod';
import type { IncomingSegment } from '../ingest/validate.ts';

const segmentSchema = z.object({
  root: hash32Schema,
  data: z.string(),
  index: z.int().min(0),
  proof: fileProofSchema,
  fileSize: z.int().min(0),
});
/** Segments one call may carry: as many whole ones as fit into the largest body (100 MiB). */
const SEGMENTS_MAX = 300;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

export function parseUint(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw invalidParams(name, 'expected a non-negative integer');
  return value;
}

export function parseRoot(value: unknown, name = 'root'): Hash32 {
  const parsed = hash32Schema.safeParse(value);
  if (!parsed.success) throw invalidParams(name, 'expected 0x and 64 hex digits');
  return parsed.data;
}

export function parseRootOrSeq(value: unknown): Hash32 | number {
  return typeof value === 'number' ? parseUint(value, 'tx_seq') : parseRoot(value, 'root');
}

/** A segment in its JSON form; base64 is checked strictly. */
export function parseSegment(value: unknown): IncomingSegment {
  const parsed = segmentSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw invalidParams(String(issue?.path[0] ?? 'segment'), issue?.message ?? 'malformed segment');
  }
  const { root, data, index, proof, fileSize } = parsed.data;
  if (data.length % 4 !== 0 || !BASE64.test(data.slice(-4)) || !isBase64(data))
    throw invalidParams('data', 'invalid base64');
  const bytes = Buffer.from(data, 'base64');
  return {
    root: root as DataRoot,
    fileSize,
    index,
    data: new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length),
    proof: { kind: 'json', proof },
  };
}

/** `Buffer.from` skips what it does not know, so the length tells whether all of it was base64. */
function isBase64(text: string): boolean {
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0;
  return (
    Buffer.byteLength(text, 'base64') === (text.length / 4) * 3 - padding &&
    !/[^A-Za-z0-9+/=]/.test(text)
  );
}

export function parseSegments(value: unknown): IncomingSegment[] {
  if (!Array.isArray(value)) throw invalidParams('segments', 'expected an array');
  if (value.length > SEGMENTS_MAX)
    throw invalidParams('segments', `at most ${SEGMENTS_MAX} segments a call`);
  return value.map(parseSegment);
}
