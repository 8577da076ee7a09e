/*
 * JSON-RPC 2.0 on text: parse, run, encode. Source: spec/storage-rpc.md section 1.
 *
 * Parameters are positional; an absent or null `params` is an empty list. A call without an id is a notification: it runs
 * and nothing is answered. Ids come back as they were written, also integers above 2^53, which the TypeScript clients
 * of 0G send. A batch runs in order, at most BATCH_MAX calls and about BATCH_ANSWER_CHARS_MAX of answers.
 */
import { CodedError, type Logger } from '@cairn/base';
import { RpcError, type RpcMethod } from '../rpc-error.ts';

export type JsonRpcDeps = {
  log: Logger;
  methods: Readonly<Record<string, RpcMethod>>;
  unknownMethodMessage?: ((method: string) => string) | undefined;
  /** Called after each method. */
  onCall?: ((method: string, outcome: 'ok' | 'error', seconds: number) => void) | undefined;
};

export const BATCH_MAX = 100;
/** Answers of a batch end with errors once they are this long together. */
export const BATCH_ANSWER_CHARS_MAX = 32 * 1024 * 1024;

/** What a later ECMAScript than our type library has: source text of numbers, and writing it back verbatim. */
type RawJson = { rawJSON(text: string): object; isRawJSON(value: unknown): boolean };
const raw = JSON as typeof JSON & RawJson;
type SourceReviver = (key: string, value: unknown, context: { source?: string }) => unknown;
const parseWithSource = JSON.parse as (text: string, reviver: SourceReviver) => unknown;

type ErrorObject = { code: number; message: string; data?: string };
const errorText = (error: ErrorObject, id: unknown): string =>
  JSON.stringify({ jsonrpc: '2.0', error, id });

/** An answer for a request that could not even be read. */
export function unreadableRequest(code: number, message: string): string {
  return errorText({ code, message }, null);
}

/** The answer to a request body, or undefined when it held only notifications. */
export async function answerJsonRpc(
  deps: JsonRpcDeps,
  text: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  let parsed: unknown;
  try {
    parsed = parseRequest(text);
  } catch {
    return unreadableRequest(-32700, 'Parse error');
  }
  if (!Array.isArray(parsed)) return answerCall(deps, parsed, signal);
  if (parsed.length === 0 || parsed.length > BATCH_MAX)
    return unreadableRequest(-32600, `Invalid Request: a batch has 1 to ${BATCH_MAX} calls`);
  const answers: string[] = [];
  let length = 0;
  for (const call of parsed) {
    const answer =
      length > BATCH_ANSWER_CHARS_MAX
        ? errorText({ code: -32000, message: 'the batch answer is too large' }, idOf(call) ?? null)
        : await answerCall(deps, call, signal);
    if (answer === undefined) continue;
    answers.push(answer);
    length += answer.length;
  }
  return answers.length === 0 ? undefined : `[${answers.join(',')}]`;
}

/** `JSON.parse`, with ids that a number cannot hold kept as their source text. */
function parseRequest(text: string): unknown {
  const parsed: unknown = JSON.parse(text);
  if (!needsSource(parsed, text)) return parsed;
  return parseWithSource(text, (key, value, { source }) =>
    key === 'id' && isInexact(value) && source !== undefined ? raw.rawJSON(source) : value,
  );
}

const isInexact = (value: unknown): boolean =>
  typeof value === 'number' && !Number.isSafeInteger(value);

function needsSource(parsed: unknown, text: string): boolean {
  if (Array.isArray(parsed))
    return parsed.length <= BATCH_MAX && parsed.some((call) => isInexact(idOf(call)));
  const id = idOf(parsed);
  // A JavaScript client's id prints as it came, so the common case needs no second look at megabytes of parameters.
  return isInexact(id) && !text.includes(`"id":${String(id)}`);
}

function idOf(call: unknown): unknown {
  return typeof call === 'object' && call !== null && 'id' in call ? call.id : undefined;
}

const isId = (id: unknown): boolean =>
  id === null || typeof id === 'string' || typeof id === 'number' || raw.isRawJSON(id);

async function answerCall(
  deps: JsonRpcDeps,
  call: unknown,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (typeof call !== 'object' || call === null || Array.isArray(call))
    return unreadableRequest(-32600, 'Invalid Request');
  const { id, method, params } = call as { id?: unknown; method?: unknown; params?: unknown };
  const isNotification = !('id' in call);
  if (typeof method !== 'string' || !(isNotification || isId(id)))
    return errorText({ code: -32600, message: 'Invalid Request' }, isId(id) ? id : null);
  const outcome = await runMethod(deps, method, params, signal);
  if (isNotification) return undefined;
  return 'error' in outcome
    ? errorText(outcome.error, id)
    : JSON.stringify({ jsonrpc: '2.0', result: outcome.result ?? null, id });
}

async function runMethod(
  deps: JsonRpcDeps,
  method: string,
  params: unknown,
  signal: AbortSignal,
): Promise<{ result: unknown } | { error: ErrorObject }> {
  const run = Object.hasOwn(deps.methods, method) ? deps.methods[method] : undefined;
  if (!run) {
    const shown = method.slice(0, 100);
    const message = deps.unknownMethodMessage?.(shown) ?? 'Method not found';
    return { error: { code: -32601, message } };
  }
  if (params !== undefined && params !== null && !Array.isArray(params))
    return { error: { code: -32602, message: 'Invalid params', data: 'expected an array' } };
  const started = performance.now();
  try {
    const result = await run((params as unknown[] | null | undefined) ?? [], { signal });
    deps.onCall?.(method, 'ok', (performance.now() - started) / 1000);
    return { result };
  } catch (error) {
    deps.onCall?.(method, 'error', (performance.now() - started) / 1000);
    if (error instanceof RpcError) return { error: error.toJSON() };
    if (error instanceof CodedError) return { error: { code: -32000, message: error.message } };
    deps.log.error(
      { method, error: error instanceof Error ? error.stack : String(error) },
      'method failed',
    );
    return { error: { code: -32603, message: 'Internal error' } };
  }
}
