import { CodedError } from '@cairn/base';
import { z } from 'zod';
import { fetchTransport, type HttpTransport } from './transport.ts';

export type RpcCallOptions<T> = {
  signal?: AbortSignal | undefined;
  timeoutMs?: number | undefined;
  /** What the result must look like; anything else throws `RPC_BAD_RESPONSE`. */
  schema?: z.ZodType<T> | undefined;
  transport?: HttpTransport | undefined;
  maxBytes?: number | undefined;
};

const envelope = z.object({
  result: z.unknown().optional(),
  error: z
    .object({ code: z.number(), message: z.string(), data: z.unknown().optional() })
    .nullish(),
});
let nextId = 1;

/**
 * One JSON-RPC call. Throws `RPC_UNREACHABLE`, `RPC_TIMEOUT`, `RPC_BAD_RESPONSE`, or `RPC_REMOTE` with the error object
 * in `details` ({code, message, data}).
 */
export async function rpcCall<T>(
  url: string,
  method: string,
  params: readonly unknown[],
  options: RpcCallOptions<T> = {},
): Promise<T> {
  const transport = options.transport ?? fetchTransport;
  const answer = await transport(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: nextId++, method, params }),
    signal: options.signal,
    timeoutMs: options.timeoutMs ?? 30_000,
    maxBytes: options.maxBytes ?? 16 * 1024 * 1024,
  });
  const parsed = envelope.safeParse(parseJson(answer.body));
  if (!parsed.success)
    throw badResponse(url, method, `HTTP ${answer.status}, not a JSON-RPC answer`);
  if (parsed.data.error) throw remoteError(url, method, parsed.data.error);
  if (!options.schema) return parsed.data.result as T;
  const result = options.schema.safeParse(parsed.data.result ?? null);
  if (!result.success)
    throw badResponse(url, method, result.error.issues[0]?.message ?? 'unexpected result');
  return result.data;
}

/** `RPC_REMOTE` from an error object. */
export function remoteError(
  url: string,
  method: string,
  error: { code: number; message: string; data?: unknown },
): CodedError {
  const data =
    typeof error.data === 'string'
      ? error.data
      : error.data === undefined
        ? undefined
        : JSON.stringify(error.data);
  return new CodedError({
    code: 'RPC_REMOTE',
    kind: 'invalid',
    message: data === undefined ? error.message : `${error.message}: ${data}`,
    details: { url, method, code: error.code, message: error.message, data },
  });
}

export function badResponse(url: string, method: string, reason: string): CodedError {
  return new CodedError({
    code: 'RPC_BAD_RESPONSE',
    kind: 'invalid',
    message: `${url} gave a bad answer to ${method}: ${reason}`,
    details: { url, method },
  });
}

/** Parsed JSON, or undefined. */
export function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(body));
  } catch {
    return undefined;
  }
}
