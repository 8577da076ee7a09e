/*
 * One HTTP port: JSON-RPC over POST on any path that no route claims, plus plain routes. Bodies are read into one buffer
 * of their announced length; the bytes of all bodies in flight are bounded, and requests beyond that wait their turn.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { CodedError, errorMessage, type Logger, Semaphore } from '@cairn/base';
import { RpcError, type RpcMethod } from '../rpc-error.ts';

export type HttpRequest = {
  method: string;
  url: URL;
  /** Groups of the route's pattern. */
  params: readonly string[];
  headers: IncomingMessage['headers'];
  /** Aborts when the client goes away or the server stops. */
  signal: AbortSignal;
  /** Whole body; throws `HTTP_BODY_TOO_LARGE`. `shared` puts it into shared memory for worker threads. */
  body(options?: { shared?: boolean }): Promise<Uint8Array>;
};
export type HttpRoute = {
  methods: readonly string[];
  pattern: RegExp;
  handle(request: HttpRequest, response: ServerResponse): Promise<void>;
};
export type HttpServerDeps = {
  log: Logger;
  /** Called after each JSON-RPC method. */
  onCall?: ((method: string, outcome: 'ok' | 'error', seconds: number) => void) | undefined;
};
export type HttpServerOptions = {
  host: string;
  port: number;
  maxBodyBytes: number;
  /** Bodies read at once; further requests wait. */
  maxBodies?: number | undefined;
  methods?: Readonly<Record<string, RpcMethod>> | undefined;
  unknownMethodMessage?: ((method: string) => string) | undefined;
  routes?: readonly HttpRoute[] | undefined;
};

const BATCH_MAX = 100;
const WAITING_MAX = 4096;
const CORS = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, HEAD, POST, OPTIONS',
  'access-control-allow-headers': 'content-type, range, if-range, if-none-match',
  'access-control-expose-headers':
    'content-length, content-range, etag, accept-ranges, content-disposition',
  'access-control-max-age': '86400',
};

export class HttpServer {
  readonly #deps: HttpServerDeps;
  readonly #options: HttpServerOptions;
  readonly #server: Server;
  readonly #bodies: Semaphore;
  readonly #stopped = new AbortController();
  readonly #active = new Set<Promise<void>>();

  constructor(deps: HttpServerDeps, options: HttpServerOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#bodies = new Semaphore(options.maxBodies ?? 64, WAITING_MAX);
    this.#server = createServer(
      {
        keepAliveTimeout: 65_000,
        headersTimeout: 20_000,
        requestTimeout: 300_000,
        highWaterMark: 262_144,
      },
      (request, response) => {
        const work = this.#handle(request, response).finally(() => this.#active.delete(work));
        this.#active.add(work);
      },
    );
  }

  /** Throws `HTTP_PORT_IN_USE`. */
  start(): Promise<void> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error: NodeJS.ErrnoException) => {
        reject(
          error.code === 'EADDRINUSE'
            ? new CodedError({
                code: 'HTTP_PORT_IN_USE',
                kind: 'conflict',
                message: `port ${port} on ${host} is in use`,
                hint: 'stop the other program, or choose another port',
                details: { host, port },
              })
            : error,
        );
      });
      this.#server.listen({ host, port, backlog: 1024 }, () => resolve());
    });
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address ? address.port : this.#options.port;
  }

  get url(): string {
    const { host } = this.#options;
    return `http://${host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host}:${this.port}`;
  }

  /** Stops accepting, lets requests in flight end for up to `graceMs`, then cuts the rest. */
  async stop(graceMs = 5000): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeIdleConnections();
    const grace = AbortSignal.timeout(graceMs);
    await Promise.race([
      Promise.allSettled(this.#active),
      new Promise((resolve) => grace.addEventListener('abort', resolve)),
    ]);
    this.#stopped.abort(
      new CodedError({ code: 'HTTP_STOPPED', kind: 'cancelled', message: 'the server stopped' }),
    );
    this.#server.closeAllConnections();
    await closed;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController();
    response.on('close', () =>
      gone.abort(
        new CodedError({
          code: 'HTTP_CLIENT_GONE',
          kind: 'cancelled',
          message: 'the client went away',
        }),
      ),
    );
    for (const [name, value] of Object.entries(CORS)) response.setHeader(name, value);
    const signal = AbortSignal.any([gone.signal, this.#stopped.signal]);
    try {
      if (request.method === 'OPTIONS') {
        response.writeHead(204).end();
        return;
      }
      const url = new URL(request.url ?? '/', 'http://localhost');
      for (const route of this.#options.routes ?? []) {
        const match = route.pattern.exec(url.pathname);
        if (!match || !route.methods.includes(request.method ?? '')) continue;
        const body = (options: { shared?: boolean } = {}): Promise<Uint8Array> =>
          this.#readBody(request, options.shared ?? false, signal);
        await route.handle(
          {
            method: request.method!,
            url,
            params: match.slice(1),
            headers: request.headers,
            signal,
            body,
          },
          response,
        );
        return;
      }
      if (request.method === 'POST' && this.#options.methods) {
        await this.#bodies.run(() => this.#serveRpc(request, response, signal));
        return;
      }
      sendJson(response, 404, { code: -32601, message: 'not found' });
    } catch (error) {
      this.#fail(error, response, request.url ?? '/');
    }
  }

  #fail(error: unknown, response: ServerResponse, path: string): void {
    if (error instanceof CodedError && error.kind === 'cancelled') {
      response.destroy();
      return;
    }
    if (response.headersSent) {
      this.#deps.log.warn({ path, error: errorMessage(error) }, 'answer broken off');
      response.destroy();
      return;
    }
    if (error instanceof RpcError) {
      sendJson(response, 400, error.toJSON());
      return;
    }
    if (error instanceof CodedError) {
      const status =
        error.code === 'HTTP_BODY_TOO_LARGE'
          ? 413
          : error.kind === 'exhausted' || error.kind === 'unavailable'
            ? 503
            : error.kind === 'not_found'
              ? 404
              : 400;
      sendJson(response, status, { code: -32000, message: error.message });
      return;
    }
    this.#deps.log.error(
      { path, error: error instanceof Error ? error.stack : String(error) },
      'request failed',
    );
    sendJson(response, 500, { code: -32603, message: 'Internal error' });
  }

  async #serveRpc(
    request: IncomingMessage,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<void> {
    let parsed: unknown;
    try {
      const body = await this.#readBody(request, false, signal);
      parsed = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8'));
    } catch (error) {
      if (error instanceof CodedError && error.kind === 'cancelled') throw error;
      const message = error instanceof CodedError ? error.message : 'Parse error';
      return sendJson(response, 200, {
        jsonrpc: '2.0',
        error: { code: error instanceof CodedError ? -32600 : -32700, message },
        id: null,
      });
    }
    if (!Array.isArray(parsed)) return sendJson(response, 200, await this.#call(parsed, signal));
    if (parsed.length === 0 || parsed.length > BATCH_MAX) {
      return sendJson(response, 200, {
        jsonrpc: '2.0',
        error: { code: -32600, message: `Invalid Request: a batch has 1 to ${BATCH_MAX} calls` },
        id: null,
      });
    }
    const answers: unknown[] = [];
    for (const item of parsed) answers.push(await this.#call(item, signal));
    sendJson(response, 200, answers);
  }

  async #call(call: unknown, signal: AbortSignal): Promise<unknown> {
    const {
      id = null,
      method,
      params,
    } = (typeof call === 'object' && call !== null ? call : {}) as {
      id?: unknown;
      method?: unknown;
      params?: unknown;
    };
    const fail = (error: { code: number; message: string; data?: string }): unknown => ({
      jsonrpc: '2.0',
      error,
      id,
    });
    if (typeof method !== 'string') return fail({ code: -32600, message: 'Invalid Request' });
    const methods = this.#options.methods ?? {};
    const run = Object.hasOwn(methods, method) ? methods[method] : undefined;
    if (!run)
      return fail({
        code: -32601,
        message: this.#options.unknownMethodMessage?.(method) ?? 'Method not found',
      });
    if (params !== undefined && params !== null && !Array.isArray(params))
      return fail({ code: -32602, message: 'Invalid params', data: 'expected an array' });
    const started = performance.now();
    try {
      const result = await run((params as unknown[] | null | undefined) ?? [], { signal });
      this.#deps.onCall?.(method, 'ok', (performance.now() - started) / 1000);
      return { jsonrpc: '2.0', result: result ?? null, id };
    } catch (error) {
      this.#deps.onCall?.(method, 'error', (performance.now() - started) / 1000);
      if (error instanceof RpcError) return fail(error.toJSON());
      if (error instanceof CodedError) return fail({ code: -32000, message: error.message });
      this.#deps.log.error(
        { method, error: error instanceof Error ? error.stack : String(error) },
        'method failed',
      );
      return fail({ code: -32603, message: 'Internal error' });
    }
  }

  #readBody(request: IncomingMessage, shared: boolean, signal: AbortSignal): Promise<Uint8Array> {
    const max = this.#options.maxBodyBytes;
    const announced =
      request.headers['content-length'] === undefined
        ? undefined
        : Number(request.headers['content-length']);
    const tooLarge = (): CodedError =>
      new CodedError({
        code: 'HTTP_BODY_TOO_LARGE',
        kind: 'invalid',
        message: `the request body is larger than ${max} bytes`,
      });
    if (announced !== undefined && announced > max) {
      request.resume();
      return Promise.reject(tooLarge());
    }
    return new Promise((resolve, reject) => {
      const allocate = (length: number): Uint8Array =>
        new Uint8Array(shared ? new SharedArrayBuffer(length) : new ArrayBuffer(length));
      const whole = announced === undefined ? undefined : allocate(announced);
      const parts: Uint8Array[] = [];
      let length = 0;
      request.on('data', (part: Uint8Array) => {
        if (length + part.length > max) {
          request.pause();
          return reject(tooLarge());
        }
        if (whole) whole.set(part, length);
        else parts.push(part);
        length += part.length;
      });
      request.on('end', () => {
        if (whole) return resolve(whole);
        const out = allocate(length);
        let at = 0;
        for (const part of parts) {
          out.set(part, at);
          at += part.length;
        }
        resolve(out);
      });
      request.on('error', reject);
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  }
}

/** Sends a JSON body. */
export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value));
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length });
  response.end(body);
}
