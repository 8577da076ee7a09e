/*
 * Coded errors over gRPC: the kind becomes a status, and `cairn-error` metadata carries the JSON of the whole error, so that
 * our own client gets code and data back while any other sees a status and a text.
 */
import { CodedError, type ErrorKind, isCodedError } from '@cairn/base';
import { Metadata, type ServiceError, type StatusObject, status } from '@grpc/grpc-js';
import { decodeWireError, encodeWireError } from '../../wire-error.ts';

const HEADER = 'cairn-error';

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
  metadata.set(HEADER, encodeWireError(error));
  return { code: STATUS_OF_KIND[error.kind], details: error.message, metadata };
}

/** The error a call to `target` failed with: ours as it was thrown, others by their status. */
export function statusToError(
  error: ServiceError,
  target: string,
  signal: AbortSignal | undefined,
): unknown {
  if (signal?.aborted) return signal.reason;
  const [header] = error.metadata?.get(HEADER) ?? [];
  const coded = decodeWireError(header, target, error);
  if (coded) return coded;
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
