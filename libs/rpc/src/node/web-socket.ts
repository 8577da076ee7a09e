/*
 * JSON-RPC over WebSocket on the port of an HTTP server: a text message is a request body, each answer is a message. The same token
 * and the same length as over HTTP. `ws` holds a message whole before it hands it over, so what all connections may hold together
 * bounds their number; one that has `CALLS_MAX` calls under way is not read from until one of them is answered and sent.
 */
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { CodedError, errorMessage, type Logger, Semaphore } from '@cairn/base';
import { type RawData, WebSocket, WebSocketServer } from 'ws';

export type WebSocketDeps = {
  log: Logger;
  /** The answer to a text; undefined when none is due. Never rejects but for a bug. */
  answer: (text: string, signal: AbortSignal) => Promise<string | undefined>;
  isAuthorized: (headers: IncomingMessage['headers']) => boolean;
};
export type WebSocketOptions = {
  /** Longest message; a longer one closes its connection with 1009. */
  messageBytesMax: number;
  /** Bytes of all messages that are being received. */
  budgetBytes: number;
};

/** Calls of one connection under way at once. */
const CALLS_MAX = 16;
const CONNECTIONS_MIN = 4;
const CONNECTIONS_MAX = 256;
/** A connection that answers no ping for this long is dead. */
const PING_MS = 30_000;
const CLOSE_MS = 500;
const GOING_AWAY = 1001;
const TEXT_ONLY = 1003;

export class WebSocketRpc {
  readonly #deps: WebSocketDeps;
  readonly #connectionsMax: number;
  readonly #server: WebSocketServer;
  readonly #stopped = new AbortController();
  readonly #active = new Set<Promise<void>>();

  constructor(deps: WebSocketDeps, options: WebSocketOptions) {
    const { messageBytesMax, budgetBytes } = options;
    this.#deps = deps;
    this.#connectionsMax = Math.min(
      CONNECTIONS_MAX,
      Math.max(CONNECTIONS_MIN, Math.floor(budgetBytes / messageBytesMax)),
    );
    this.#server = new WebSocketServer({
      noServer: true,
      maxPayload: messageBytesMax,
      perMessageDeflate: false,
    });
  }

  /** Takes the upgrades of an HTTP server. */
  attach(server: Server): void {
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
  }

  /** Takes no more calls, lets those under way end for up to `graceMs`, closes the connections. */
  async stop(graceMs: number): Promise<void> {
    const grace = AbortSignal.timeout(graceMs);
    for (const connection of this.#server.clients) connection.pause();
    await Promise.race([
      Promise.allSettled(this.#active),
      new Promise((resolve) => grace.addEventListener('abort', resolve)),
    ]);
    this.#stopped.abort(
      new CodedError({ code: 'HTTP_STOPPED', kind: 'cancelled', message: 'the server stopped' }),
    );
    await Promise.all([...this.#server.clients].map(close));
    this.#server.close();
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const refuse = (status: string): void => {
      socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
    };
    // Until the handshake is done nobody else listens for a connection that breaks.
    socket.on('error', () => socket.destroy());
    if (!this.#deps.isAuthorized(request.headers)) refuse('401 Unauthorized');
    else if (this.#isFull) refuse('503 Service Unavailable');
    else this.#server.handleUpgrade(request, socket, head, (connection) => this.#serve(connection));
  }

  get #isFull(): boolean {
    return this.#stopped.signal.aborted || this.#server.clients.size >= this.#connectionsMax;
  }

  #serve(connection: WebSocket): void {
    const { log } = this.#deps;
    const gone = new AbortController();
    const signal = AbortSignal.any([gone.signal, this.#stopped.signal]);
    let isAlive = true;
    const calls = new CallQueue((text) => this.#call(connection, text, signal), {
      onFull: () => connection.pause(),
      onRoom: () => {
        if (!this.#stopped.signal.aborted) connection.resume();
      },
    });
    const pinging = setInterval(() => {
      if (!isAlive) return connection.terminate();
      isAlive = false;
      connection.ping();
    }, PING_MS).unref();
    connection.on('pong', () => {
      isAlive = true;
    });
    connection.on('close', () => {
      clearInterval(pinging);
      gone.abort(
        new CodedError({
          code: 'HTTP_CLIENT_GONE',
          kind: 'cancelled',
          message: 'the client went away',
        }),
      );
    });
    connection.on('error', (error) =>
      log.debug({ error: errorMessage(error) }, 'a websocket connection broke'),
    );
    connection.on('message', (data, isBinary) => {
      isAlive = true;
      if (this.#stopped.signal.aborted) return;
      if (isBinary) return connection.close(TEXT_ONLY, 'requests are text');
      const work = calls.run(textOf(data)).finally(() => this.#active.delete(work));
      this.#active.add(work);
    });
  }

  /** Resolves when the answer has left, or cannot. */
  async #call(connection: WebSocket, text: string, signal: AbortSignal): Promise<void> {
    try {
      const answer = await this.#deps.answer(text, signal);
      if (answer === undefined || connection.readyState !== WebSocket.OPEN) return;
      await new Promise<void>((resolve) => connection.send(answer, () => resolve()));
    } catch (error) {
      if (signal.aborted) return;
      this.#deps.log.error(
        { error: error instanceof Error ? error.stack : String(error) },
        'a call over websocket failed',
      );
      connection.terminate();
    }
  }
}

/** Calls of one connection: `CALLS_MAX` at once, and in turn what came in one piece with them before the reading stopped. */
class CallQueue {
  readonly #answer: (text: string) => Promise<void>;
  readonly #on: { onFull: () => void; onRoom: () => void };
  readonly #turns = new Semaphore(CALLS_MAX);
  #count = 0;

  constructor(
    answer: (text: string) => Promise<void>,
    on: { onFull: () => void; onRoom: () => void },
  ) {
    this.#answer = answer;
    this.#on = on;
  }

  async run(text: string): Promise<void> {
    if (++this.#count === CALLS_MAX) this.#on.onFull();
    await this.#turns.run(() => this.#answer(text));
    if (--this.#count === CALLS_MAX - 1) this.#on.onRoom();
  }
}

/** Resolves when the connection is gone; one that does not say goodbye in time is cut. */
function close(connection: WebSocket): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => connection.terminate(), CLOSE_MS);
    connection.once('close', () => {
      clearTimeout(cut);
      resolve();
    });
    connection.resume();
    connection.close(GOING_AWAY);
  });
}

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString('utf8');
  return Buffer.from(data as Uint8Array<ArrayBuffer>).toString('utf8');
}
