import { CodedError, withTimeout } from '@cairn/base';

export type HttpCall = {
  method: 'GET' | 'POST';
  headers?: Record<string, string> | undefined;
  /** Parts are sent one after the other as one body, without being copied together where the transport can. */
  body?: string | readonly Uint8Array[] | undefined;
  signal?: AbortSignal | undefined;
  timeoutMs: number;
  /** A longer answer is cut off with `RPC_RESPONSE_TOO_LARGE`. */
  maxBytes: number;
  /** Memory for an answer that says its length, at least so many bytes; a transport that cannot use it makes its own. */
  allocate?: ((bytes: number) => Uint8Array) | undefined;
};
export type HttpAnswer = { status: number; contentType: string; body: Uint8Array };

/** How requests travel; fetch here, node:http sockets in `@cairn/rpc/node`. */
export type HttpTransport = (url: string, call: HttpCall) => Promise<HttpAnswer>;

/** Requests by `fetch`; runs anywhere. Throws `RPC_UNREACHABLE`, `RPC_TIMEOUT`, `RPC_RESPONSE_TOO_LARGE`. */
export const fetchTransport: HttpTransport = async (url, call) => {
  const signal = withTimeout(call.signal, call.timeoutMs);
  try {
    const response = await fetch(url, {
      method: call.method,
      signal,
      ...(call.headers ? { headers: call.headers } : {}),
      ...(call.body === undefined ? {} : { body: fetchBody(call.body) }),
    });
    return {
      status: response.status,
      contentType: response.headers.get('content-type') ?? '',
      body: await readBounded(response, url, call.maxBytes),
    };
  } catch (error) {
    throw transportError(error, url, call.signal);
  }
};

function fetchBody(body: string | readonly Uint8Array[]): BodyInit {
  return typeof body === 'string' ? body : new Blob(body as Uint8Array<ArrayBuffer>[]);
}

async function readBounded(response: Response, url: string, maxBytes: number): Promise<Uint8Array> {
  const announced = Number(response.headers.get('content-length') ?? 0);
  if (announced > maxBytes) {
    await response.body?.cancel();
    throw tooLarge(url, maxBytes);
  }
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of response.body ?? []) {
    length += part.length;
    if (length > maxBytes) throw tooLarge(url, maxBytes);
    parts.push(part);
  }
  if (parts.length === 1) return parts[0]!;
  const body = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    body.set(part, at);
    at += part.length;
  }
  return body;
}

export function tooLarge(url: string, maxBytes: number): CodedError {
  return new CodedError({
    code: 'RPC_RESPONSE_TOO_LARGE',
    kind: 'invalid',
    message: `${url} answered with more than ${maxBytes} bytes`,
  });
}

/** Our error for a request that did not come back. */
export function transportError(
  error: unknown,
  url: string,
  signal: AbortSignal | undefined,
): unknown {
  if (error instanceof CodedError) return error;
  if (signal?.aborted) return signal.reason;
  if (error instanceof Error && error.name === 'TimeoutError') {
    return new CodedError({
      code: 'RPC_TIMEOUT',
      kind: 'timeout',
      message: `${url} did not answer in time`,
      details: { url },
      cause: error,
    });
  }
  return new CodedError({
    code: 'RPC_UNREACHABLE',
    kind: 'unavailable',
    message: `cannot reach ${url}`,
    hint: 'check that it runs and the URL is right',
    details: { url },
    cause: error,
  });
}
