/*
 * OP alt-DA over HTTP, for op-batcher, op-node and clients of EigenDA's proxy (spec/rollup-interfaces.md sections 1 and 2).
 *
 *     200  bytes of a commitment or of an input          405  GET /put and other wrong methods
 *     400  not a request we can read, too large          418  the certificate is no good and never will be: drop the input
 *     404  certainly never stored                        429  queue full     503  not now: PUT fails over, GET is repeated
 *     500  everything else, PUT on a read-only server
 *
 * Puts are held until the input is certified, side by side. A 404 halts op-node, so it is given only when it is certain.
 */
import type { ServerResponse } from 'node:http';
import { errorMessage, isCodedError, type Logger } from '@cairn/base';
import { type HttpRequest, type HttpRoute, HttpServer, sendJson } from '@cairn/rpc/node';
import { badRequest } from '../errors.ts';
import { type CommitmentMode, parseOpCommitment } from './commitment.ts';
import type { OpStore } from './store.ts';

export type OpServerDeps = {
  store: OpStore;
  log: Logger;
  config: () => unknown;
  /** Called when a request was answered, with its kind. */
  onRequest?: ((kind: OpRequestKind, status: number, seconds: number) => void) | undefined;
};
export type OpRequestKind = 'put' | 'put-keccak' | 'get' | 'other';
export type OpServerOptions = { host: string; port: number; inputBytesMax: number };

const BODY_BUDGET_BYTES = 64 * 1024 * 1024;
const ANY_METHOD = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'];

export function createOpServer(deps: OpServerDeps, options: OpServerOptions): HttpServer {
  const { host, port } = options;
  return new HttpServer(
    { log: deps.log },
    {
      ...{ host, port, maxBodyBytes: options.inputBytesMax, bodyBudgetBytes: BODY_BUDGET_BYTES },
      routes: opRoutes(deps),
    },
  );
}

function opRoutes({ store, log, config, onRequest }: OpServerDeps): HttpRoute[] {
  const route = (
    pattern: RegExp,
    methods: readonly string[],
    run: (request: HttpRequest, response: ServerResponse) => Promise<void>,
    kind: OpRequestKind = 'other',
  ): HttpRoute => ({
    pattern,
    methods: ANY_METHOD,
    async handle(request, response) {
      const started = performance.now();
      response.once('finish', () =>
        onRequest?.(kind, response.statusCode, (performance.now() - started) / 1000),
      );
      if (!methods.includes(request.method)) {
        response.setHeader('allow', methods.join(', '));
        return sendText(response, 405, 'method not allowed');
      }
      try {
        await run(request, response);
      } catch (error) {
        // Nobody is there to read an answer.
        if (request.signal.aborted) throw error;
        answerError(response, error, log);
      }
    },
  });
  const put = async (request: HttpRequest): Promise<Uint8Array> => {
    const input = await request.body();
    if (input.length === 0) throw badRequest('the input is empty');
    return input;
  };
  const putGeneric = async (request: HttpRequest, response: ServerResponse): Promise<void> => {
    const mode = modeOf(request);
    sendBytes(response, await store.put(await put(request), mode, request.signal));
  };
  const putKeccak = async (request: HttpRequest, response: ServerResponse): Promise<void> => {
    const commitment = parseOpCommitment(request.params[0]!, 'op');
    await store.putKeccak(await put(request), commitment, request.signal);
    response.writeHead(200).end();
  };
  const get = async (request: HttpRequest, response: ServerResponse): Promise<void> => {
    const includedAt = inclusionOf(request);
    const commitment = parseOpCommitment(request.params[0]!, modeOf(request));
    const wantsFrame = flagOf(request, 'return_encoded_payload');
    const bytes = wantsFrame
      ? await store.frame(commitment, includedAt)
      : await store.get(commitment, includedAt);
    sendBytes(response, bytes);
  };
  return [
    route(/^\/put\/?$/, ['POST', 'PUT'], putGeneric, 'put'),
    route(/^\/put\/([^/]+)$/, ['POST', 'PUT'], putKeccak, 'put-keccak'),
    route(/^\/get\/([^/]+)$/, ['GET'], get, 'get'),
    route(/^\/(put|get)(\/.*)?$/, ANY_METHOD, () =>
      Promise.reject(badRequest('expected /put, /put/0x… or /get/0x…')),
    ),
    route(/^\/health$/, ['GET', 'HEAD'], async (_, response) => {
      response.writeHead(200).end();
    }),
    route(/^\/config$/, ['GET', 'HEAD'], async (_, response) => sendJson(response, 200, config())),
  ];
}

function modeOf({ url }: HttpRequest): CommitmentMode {
  const mode = url.searchParams.get('commitment_mode');
  if (mode === null || mode === 'optimism_generic') return 'op';
  if (mode === 'standard') return 'standard';
  throw badRequest('commitment_mode is standard or left out');
}

/** Block of the rollup's chain that has the commitment; undefined when nobody says. */
function inclusionOf({ url }: HttpRequest): number | undefined {
  const text = url.searchParams.get('l1_inclusion_block_number');
  if (text === null || text === '0') return undefined;
  if (!/^\d{1,15}$/.test(text)) throw badRequest('l1_inclusion_block_number is a block number');
  return Number(text);
}

function flagOf({ url }: HttpRequest, name: string): boolean {
  return ['', 'true', '1'].includes(url.searchParams.get(name) ?? 'false');
}

function sendBytes(response: ServerResponse, bytes: Uint8Array): void {
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-length': bytes.length,
  });
  response.end(bytes);
}

function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(`${text}\n`);
}

function answerError(response: ServerResponse, error: unknown, log: Logger): void {
  if (isCodedError(error, 'ROLLUP_CERTIFICATE')) {
    sendJson(response, 418, { StatusCode: error.details.reason, Msg: error.message });
    return;
  }
  const status = statusOf(error);
  if (status >= 500) log.warn({ status, error: errorMessage(error) }, 'request not served');
  sendText(response, status, isCodedError(error) ? error.message : 'internal error');
}

/** Kinds of failures that pass: the right answer to the same request is another one later. */
const NOT_NOW = new Set(['unavailable', 'timeout', 'not_ready', 'cancelled']);
const BAD_REQUEST = new Set(['ROLLUP_REQUEST', 'ROLLUP_TOO_LARGE', 'HTTP_BODY_TOO_LARGE']);

function statusOf(error: unknown): number {
  if (!isCodedError(error)) return 500;
  if (BAD_REQUEST.has(error.code) || error.code === 'HTTP_BODY_STALLED') return 400;
  if (error.code === 'ROLLUP_UNKNOWN') return 404;
  // A full disk is our trouble, not too many requests.
  if (error.code.startsWith('STORE_')) return 503;
  if (error.kind === 'exhausted') return 429;
  return NOT_NOW.has(error.kind) ? 503 : 500;
}
