/*
 * One HTTP port: JSON-RPC over POST on any path that no route claims (over WebSocket too, where that is on), plus plain routes. Bodies are read into one buffer
 * of their announced length. The bytes of all bodies in flight come out of one budget, held until the answer is out;
 * requests beyond it wait unread, except small ones, so that a slow upload never delays a question.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Budget, CodedError, errorMessage, type Logger } from '@cairn/base';
import { RpcError, type RpcMethod } from '../rpc-error.ts';
import { announcedBytes, readBody } from './body.ts';
import { ConnectionTable } from './connection-table.ts';
import { answerJsonRpc, unreadableRequest } from './json-rpc.ts';
import { splitHttp2 } from './split-http2.ts';
import { WebSocketRpc } from './web-socket.ts';

export type BodyOptions = {
  maxBytes?: number | undefined;
  allocate?: ((bytes: number) => Uint8Array) | undefined;
  /** Ends the reading early, with its reason. */
  signal?: AbortSignal | undefined;
};
export type HttpRequest = {
  method: string;
  url: URL;
  /** Groups of the route's pattern. */
  params: readonly string[];
  headers: IncomingMessage['headers'];
  /** Aborts when the client goes away or the server stops. */
  signal: AbortSignal;
  /**
   * Whole body; throws `HTTP_BODY_TOO_LARGE` and `HTTP_BODY_STALLED`. `maxBytes` tightens the server's limit; `allocate`
   * gives the memory once it is the body's turn to be read. A client that sent `Expect: 100-continue` is told to go on then,
   * so that a route may refuse it before the body travels.
   */
  body(options?: BodyOptions): Promise<Uint8Array>;
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
  /** Longest body of one request. */
  maxBodyBytes: number;
  /** Bytes of all bodies in memory at once, 64 MiB by default; a larger one is read alone. */
  bodyBudgetBytes?: number | undefined;
  /** Longest silence inside a body, 20 s by default. */
  bodyIdleMs?: number | undefined;
  /** Connections at once, 2048 by default; a further one takes the place of one that waits without a request, if any does. */
  connectionsMax?: number | undefined;
  /** Of these, from one address; half of them by default. */
  connectionsPerAddressMax?: number | undefined;
  methods?: Readonly<Record<string, RpcMethod>> | undefined;
  /** Answers `methods` over WebSocket as well, messages as long as bodies; off by default. */
  webSocket?: boolean | undefined;
  unknownMethodMessage?: ((method: string) => string) | undefined;
  routes?: readonly HttpRoute[] | undefined;
  /** Decides on every request but OPTIONS; what it refuses is answered with 401. Everybody is let in by default. */
  isAuthorized?: ((headers: IncomingMessage['headers']) => boolean) | undefined;
  /** Takes connections that speak HTTP/2, so that gRPC can share the port. They count as connections of this server. */
  onHttp2?: ((socket: Socket) => void) | undefined;
};

const BODY_BUDGET_BYTES = 64 * 1024 * 1024;
const BODY_IDLE_MS = 20_000;
/** Bodies up to this long do not wait for the budget; connectionsMax bounds their sum. */
const SMALL_BODY_BYTES = 16 * 1024;
const WAITING_MAX = 4096;
const CONNECTIONS_MAX = 2048;
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
  readonly #bodies: Budget;
  readonly #webSocket: WebSocketRpc | undefined;
  readonly #stopped = new AbortController();
  readonly #active = new Set<Promise<void>>();
  /** Closes connections that do not speak HTTP/1.1, or did not say yet. */
  readonly #closeOthers: () => void = () => {};

  constructor(deps: HttpServerDeps, options: HttpServerOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#bodies = new Budget(options.bodyBudgetBytes ?? BODY_BUDGET_BYTES, WAITING_MAX);
    const connectionsMax = options.connectionsMax ?? CONNECTIONS_MAX;
    const connections = new ConnectionTable({
      max: connectionsMax,
      perAddressMax: options.connectionsPerAddressMax ?? Math.ceil(connectionsMax / 2),
    });
    const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
      connections.serve(request, response);
      const work = this.#handle(request, response).finally(() => this.#active.delete(work));
      this.#active.add(work);
    };
    this.#server = createServer(
      {
        keepAliveTimeout: 65_000,
        headersTimeout: 20_000,
        requestTimeout: 300_000,
        highWaterMark: 262_144,
      },
      onRequest,
    );
    this.#server.on('checkContinue', onRequest); // answered when the body is read
    const { onHttp2 } = options;
    if (onHttp2)
      this.#closeOthers = splitHttp2(this.#server, (socket) => {
        connections.handOver(socket);
        onHttp2(socket);
      });
    this.#server.on('connection', (socket) => connections.admit(socket));
    if (options.webSocket) {
      this.#webSocket = new WebSocketRpc(
        {
          log: deps.log,
          answer: (text, signal) => this.#answer(text, signal),
          isAuthorized: (headers) => options.isAuthorized?.(headers) !== false,
        },
        {
          messageBytesMax: options.maxBodyBytes,
          budgetBytes: options.bodyBudgetBytes ?? BODY_BUDGET_BYTES,
        },
      );
      this.#webSocket.attach(this.#server);
      // One that was refused by now is ended on our side only; its client must not hold the place.
      this.#server.on('upgrade', ({ socket }) => {
        if (!socket.writableEnded) connections.handOver(socket);
      });
    }
  }

  /** Throws `HTTP_PORT_IN_USE` or `HTTP_CANNOT_LISTEN`. */
  start(): Promise<void> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      const onError = (error: Error): void => reject(listenError(error, host, port));
      this.#server.once('error', onError);
      this.#server.listen({ host, port, backlog: 1024 }, () => {
        this.#server.off('error', onError);
        // A connection that could not be taken (no file descriptors left) is no end of those that were.
        this.#server.on('error', (error) =>
          this.#deps.log.warn({ error: errorMessage(error) }, 'a connection was not accepted'),
        );
        resolve();
      });
    });
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address ? address.port : this.#options.port;
  }

  /** `host:port` that clients dial. */
  get address(): string {
    const { host } = this.#options;
    return `${host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host}:${this.port}`;
  }

  get url(): string {
    return `http://${this.address}`;
  }

  /** Stops accepting, lets requests in flight end for up to `graceMs`, then cuts the rest. */
  async stop(graceMs = 5000): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeIdleConnections();
    const grace = AbortSignal.timeout(graceMs);
    await Promise.all([
      this.#webSocket?.stop(graceMs),
      Promise.race([
        Promise.allSettled(this.#active),
        new Promise((resolve) => grace.addEventListener('abort', resolve)),
      ]),
    ]);
    this.#stopped.abort(
      new CodedError({ code: 'HTTP_STOPPED', kind: 'cancelled', message: 'the server stopped' }),
    );
    this.#server.closeAllConnections();
    this.#closeOthers();
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
      if (this.#options.isAuthorized?.(request.headers) === false) {
        request.resume();
        response.setHeader('www-authenticate', 'Bearer');
        sendJson(response, 401, { code: -32000, message: 'missing or bad token' });
        return;
      }
      const url = URL.parse(request.url ?? '/', 'http://localhost');
      for (const route of this.#options.routes ?? []) {
        const match = url && route.pattern.exec(url.pathname);
        if (!match || !route.methods.includes(request.method ?? '')) continue;
        const body = (options: BodyOptions = {}): Promise<Uint8Array> =>
          this.#readBody(request, response, options, signal);
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
        await this.#serveRpc(request, response, signal);
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
      const status = httpStatusOf(error);
      // The rest of a body that was given up on is not worth reading.
      if (status === 408) response.setHeader('connection', 'close');
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
    let body: Uint8Array;
    try {
      body = await this.#readBody(request, response, {}, signal);
    } catch (error) {
      // Clients repeat what is not answered with 200, and this would not fare better.
      if (!(error instanceof CodedError) || error.code !== 'HTTP_BODY_TOO_LARGE') throw error;
      return sendText(response, 200, unreadableRequest(-32600, error.message));
    }
    const text = Buffer.from(body.buffer, body.byteOffset, body.length).toString('utf8');
    const answer = await this.#answer(text, signal);
    if (answer === undefined) response.writeHead(204).end();
    else sendText(response, 200, answer);
  }

  #answer(text: string, signal: AbortSignal): Promise<string | undefined> {
    const { log, onCall } = this.#deps;
    const { methods = {}, unknownMethodMessage } = this.#options;
    return answerJsonRpc({ log, methods, unknownMethodMessage, onCall }, text, signal);
  }

  async #readBody(
    request: IncomingMessage,
    response: ServerResponse,
    { allocate, maxBytes: limit, signal: early }: BodyOptions,
    stopped: AbortSignal,
  ): Promise<Uint8Array> {
    const signal = early ? AbortSignal.any([early, stopped]) : stopped;
    const { maxBodyBytes, bodyIdleMs: idleMs = BODY_IDLE_MS } = this.#options;
    const maxBytes = Math.min(limit ?? maxBodyBytes, maxBodyBytes);
    const bytes = announcedBytes(request, maxBytes) ?? maxBytes;
    if (bytes > SMALL_BODY_BYTES) {
      const release = await this.#bodies.acquire(bytes, signal);
      if (response.closed) release();
      else response.once('close', release);
    }
    if (request.headers.expect !== undefined) response.writeContinue();
    return readBody(request, { maxBytes, idleMs, allocate, signal });
  }
}

/** The status that a coded error is answered with. */
export function httpStatusOf(error: CodedError): number {
  if (error.code === 'HTTP_BODY_TOO_LARGE') return 413;
  if (error.kind === 'timeout') return 408;
  if (error.kind === 'exhausted' || error.kind === 'unavailable') return 503;
  return error.kind === 'not_found' ? 404 : 400;
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): CodedError {
  const isTaken = error.code === 'EADDRINUSE';
  return new CodedError({
    code: isTaken ? 'HTTP_PORT_IN_USE' : 'HTTP_CANNOT_LISTEN',
    kind: isTaken ? 'conflict' : 'invalid',
    message: isTaken
      ? `port ${port} on ${host} is in use`
      : `cannot listen on port ${port} of ${host}: ${errorMessage(error)}`,
    hint: isTaken
      ? 'stop the other program, or choose another port (0 picks a free one)'
      : 'check the address; ports below 1024 need privileges',
    details: { host, port },
    cause: error,
  });
}

/** Sends a JSON body. */
export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  sendText(response, status, JSON.stringify(value));
}

/** Sends a body that is JSON already. */
export function sendText(response: ServerResponse, status: number, json: string): void {
  const body = Buffer.from(json);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length });
  response.end(body);
}
