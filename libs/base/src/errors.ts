/** What a failure means for the caller; decides who acts (house style section 5). */
export type ErrorKind =
  | 'invalid'
  | 'not_found'
  | 'not_ready'
  | 'unavailable'
  | 'timeout'
  | 'exhausted'
  | 'conflict'
  | 'corrupt'
  | 'cancelled';

export type ErrorDetails = Readonly<Record<string, unknown>>;

export type CodedErrorOptions = {
  /** Upper snake case, prefixed by the package: `MERKLE_PROOF_LENGTH`. */
  code: string;
  kind: ErrorKind;
  /** First line: short, human, names the real cause. */
  message: string;
  /** Data behind the message; everything a program may want to read. */
  details?: ErrorDetails;
  /** What to try; shown to people under the first line. */
  hint?: string;
  cause?: unknown;
};

/** The one error class: code and data, kind for the retry decision, cause kept. */
export class CodedError extends Error {
  readonly code: string;
  readonly kind: ErrorKind;
  readonly details: ErrorDetails;
  readonly hint: string | undefined;

  constructor(options: CodedErrorOptions) {
    super(options.message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CodedError';
    this.code = options.code;
    this.kind = options.kind;
    this.details = options.details ?? {};
    this.hint = options.hint;
  }

  /** Plain data, safe to send across threads or log. */
  toObject(): { code: string; kind: ErrorKind; message: string; details: ErrorDetails } {
    return { code: this.code, kind: this.kind, message: this.message, details: this.details };
  }
}

/** True when `error` is a `CodedError`, optionally with the given code. */
export function isCodedError(error: unknown, code?: string): error is CodedError {
  return error instanceof CodedError && (code === undefined || error.code === code);
}

/** The first error in the cause chain for which `match` holds. */
export function findCause(error: unknown, match: (e: unknown) => boolean): unknown {
  for (let e = error, depth = 0; e !== undefined && e !== null && depth < 16; depth++) {
    if (match(e)) return e;
    e = e instanceof Error ? e.cause : undefined;
  }
  return undefined;
}

/** One line of text for any thrown value. */
export function errorMessage(error: unknown): string {
  if (error instanceof Error) return error.message || error.name;
  return String(error);
}

/** Raised by `assert`: our bug, never a caller's. Do not catch. */
export class AssertionError extends Error {
  constructor(message: string) {
    super(`assertion failed: ${message}`);
    this.name = 'AssertionError';
  }
}

/** Asserts a programmer's invariant; crashes the process when it does not hold. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** Compile-time proof that a union is exhausted. */
export function assertNever(value: never): never {
  throw new AssertionError(`unexpected value ${String(value)}`);
}
