// Reads a request body of bounded size into one buffer, out of a budget that all requests of a server share.
import type { IncomingMessage } from 'node:http';
import { CodedError } from '@cairn/base';

export type ReadBodyOptions = {
  maxBytes: number;
  /** Longest pause between two pieces of the body; beyond it `HTTP_BODY_STALLED`. */
  idleMs: number;
  /** Gives memory for at least so many bytes; the body is a view of it. A new array by default. */
  allocate?: ((bytes: number) => Uint8Array) | undefined;
  signal: AbortSignal;
};

function tooLarge(maxBytes: number): CodedError {
  return new CodedError({
    code: 'HTTP_BODY_TOO_LARGE',
    kind: 'invalid',
    message: `the request body is larger than ${maxBytes} bytes`,
    details: { maxBytes },
  });
}

/** Length that the client announced; undefined for a chunked body. Throws `HTTP_BODY_TOO_LARGE`. */
export function announcedBytes(request: IncomingMessage, maxBytes: number): number | undefined {
  const header = request.headers['content-length'];
  if (header === undefined) return undefined;
  const length = Number(header); // the parser lets only digits through
  if (length > maxBytes) {
    request.resume(); // what is on its way must be read, or the client never sees the answer
    throw tooLarge(maxBytes);
  }
  return length;
}

/** The whole body, owned by the caller; once it has failed nothing is written any more. Throws `HTTP_BODY_TOO_LARGE`, `HTTP_BODY_STALLED`, or the signal's reason. */
export function readBody(
  request: IncomingMessage,
  {
    maxBytes,
    idleMs,
    signal,
    allocate = (bytes: number): Uint8Array => new Uint8Array(bytes),
  }: ReadBodyOptions,
): Promise<Uint8Array> {
  const announced = announcedBytes(request, maxBytes);
  return new Promise<Uint8Array>((resolve, reject) => {
    const whole = announced === undefined ? undefined : allocate(announced);
    const parts: Uint8Array[] = [];
    let length = 0;
    const end = (settle: () => void): void => {
      clearTimeout(idle);
      signal.removeEventListener('abort', onAbort);
      request.off('data', onData).off('end', onEnd).off('error', onError);
      settle();
    };
    const fail = (error: unknown): void =>
      end(() => {
        request.on('error', () => {}); // its end is the server's to see
        request.resume();
        reject(error);
      });
    const onAbort = (): void => fail(signal.reason);
    const onError = (error: Error): void => fail(error);
    const onData = (part: Uint8Array): void => {
      idle.refresh();
      if (length + part.length > maxBytes) {
        fail(tooLarge(maxBytes));
        return;
      }
      if (whole) whole.set(part, length);
      else parts.push(part);
      length += part.length;
    };
    const onEnd = (): void =>
      end(() => {
        if (whole) {
          resolve(whole.subarray(0, length));
          return;
        }
        const out = allocate(length);
        let at = 0;
        for (const part of parts) {
          out.set(part, at);
          at += part.length;
        }
        resolve(out.subarray(0, length));
      });
    const idle = setTimeout(
      () =>
        fail(
          new CodedError({
            code: 'HTTP_BODY_STALLED',
            kind: 'timeout',
            message: `nothing of the request body came for ${idleMs} ms`,
          }),
        ),
      idleMs,
    );
    if (signal.aborted) {
      onAbort();
      return;
    }
    signal.addEventListener('abort', onAbort, { once: true });
    request.on('data', onData).on('end', onEnd).on('error', onError);
  });
}
