// Coded errors between our own processes: JSON of code, kind, message and details, checked when it comes from a stranger.
import { CodedError, type ErrorKind } from '@cairn/base';
import { z } from 'zod';

const KINDS = [
  'invalid',
  'not_found',
  'not_ready',
  'unavailable',
  'timeout',
  'exhausted',
  'conflict',
  'corrupt',
  'cancelled',
] as const satisfies readonly ErrorKind[];

/** Data of an error is for a line, not for more: what is longer stays where it happened. */
const BYTES_MAX = 4096;
const MESSAGE_LENGTH_MAX = 2000;

const wireError = z.object({
  code: z.string().regex(/^[A-Z][A-Z0-9_]{1,63}$/),
  kind: z.enum(KINDS),
  message: z.string().max(MESSAGE_LENGTH_MAX),
  details: z.record(z.string(), z.unknown()),
});

/** At most 4096 characters of printable ASCII, as headers want; bigints become decimal strings. */
export function encodeWireError(error: CodedError): string {
  const { code, kind, message, details } = error.toObject();
  const text = toAscii({ code, kind, message, details });
  if (text.length <= BYTES_MAX) return text;
  return toAscii({ code, kind, message: message.slice(0, 500), details: {} });
}

function toAscii(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'bigint' ? part.toString() : part,
  ).replace(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The error that `target` answered with; undefined when the text is not one. */
export function decodeWireError(
  text: unknown,
  target: string,
  cause?: unknown,
): CodedError | undefined {
  const parsed = wireError.safeParse(safeJson(text));
  if (!parsed.success) return undefined;
  const { code, kind, message, details } = parsed.data;
  return new CodedError({ code, kind, message, details: { ...details, target }, cause });
}

function safeJson(text: unknown): unknown {
  if (typeof text !== 'string') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
