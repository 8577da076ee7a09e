/*
 * Coded errors over gRPC: the kind becomes a status, and `cairn-error` metadata carries the JSON of the whole error, so that
 * our own client gets code and data back while any other sees a status and a text.
 */
import { CodedError, type ErrorKind, isCodedError } from '@cairn/base';
import { Metadata, type ServiceError, type StatusObject, status } from '@grpc/grpc-js';
import { z } from 'zod';

const HEADER = 'cairn-error';
/** Metadata is for a line of data, not for more: what is longer stays on the server. */
const HEADER_BYTES_MAX = 4096;

const STATUS_OF_KIND: Readonly<Record<ErrorKind, status>> = {
  invalid: status.INVALID_ARGUMENT,
  not_found: status.NOT_FOUND,
  not_ready: status.FAILED_PRECONDITION,
  unavailable: status.UNAVAILABLE,
  timeout: status.DEADLINE_EXCEEDED,
  exhausted: status.RESOURCE_EXHAUSTED,
  conflict: status.ABORTED,
  corrupt: status.DATA_LOSS,
  cancelled: status.CANCELLED,
};
const KINDS = Object.keys(STATUS_OF_KIND) as ErrorKind[];

const wireError = z.object({
  code: z.string().regex(/^[A-Z][A-Z0-9_]{1,63}$/),
  kind: z.enum(KINDS),
  message: z.string().max(2000),
  details: z.record(z.string(), z.unknown()),
});

/** A failure with a status that a peer's clients expect, whatever its kind. */
export class GrpcStatusError extends Error {
  readonly status: status;

  constructor(code: status, message: string) {
    super(message);
    this.status = code;
  }
}

/** What the server answers. An error that is not coded is our bug and says nothing to strangers. */
export function errorToStatus(error: unknown): Partial<StatusObject> {
  if (error instanceof GrpcStatusError) return { code: error.status, details: error.message };
  if (!isCodedError(error)) return { code: status.INTERNAL, details: 'internal error' };
  const metadata = new Metadata();
  const { code, kind, message, details } = error.toObject();
  const text = toHeader({ code, kind, message, details });
  metadata.set(
    HEADER,
    text.length <= HEADER_BYTES_MAX
      ? text
      : toHeader({ code, kind, message: message.slice(0, 500), details: {} }),
  );
  return { code: STATUS_OF_KIND[kind], details: message, metadata };
}

/** Header values are printable ASCII: everything else is escaped, bigints become decimal strings. */
function toHeader(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'bigint' ? part.toString() : part,
  ).replace(/[^\x20-\x7e]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The error a call to `target` failed with: ours as it was thrown, others by their status. */
export function statusToError(
  error: ServiceError,
  target: string,
  signal: AbortSignal | undefined,
): unknown {
  if (signal?.aborted) return signal.reason;
  const [header] = error.metadata?.get(HEADER) ?? [];
  const parsed = wireError.safeParse(safeJson(header));
  if (parsed.success) {
    const { code, kind, message, details } = parsed.data;
    return new CodedError({ code, kind, message, details: { ...details, target }, cause: error });
  }
  const kind = kindOf(error.code);
  return new CodedError({
    code:
      kind === 'unavailable'
        ? 'RPC_UNREACHABLE'
        : kind === 'timeout'
          ? 'RPC_TIMEOUT'
          : 'RPC_REMOTE',
    kind,
    message: kind === 'unavailable' ? `cannot reach ${target}` : `${target}: ${error.details}`,
    details: { target, status: status[error.code] },
    cause: error,
  });
}

function kindOf(code: status): ErrorKind {
  return KINDS.find((kind) => STATUS_OF_KIND[kind] === code) ?? 'invalid';
}

function safeJson(header: unknown): unknown {
  if (typeof header !== 'string') return undefined;
  try {
    return JSON.parse(header);
  } catch {
    return undefined;
  }
}
