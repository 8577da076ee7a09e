import { connect } from 'node:net';
import { silentLogger } from '@cairn/base';
import type { RpcMethod } from '../src/index.ts';
import { HttpServer, type HttpServerOptions } from '../src/node/index.ts';

/** A server on a free port of the loopback. */
export async function startServer(
  options: Partial<HttpServerOptions> & { methods?: Record<string, RpcMethod> } = {},
): Promise<HttpServer & AsyncDisposable> {
  const server = new HttpServer(
    { log: silentLogger },
    { host: '127.0.0.1', port: 0, maxBodyBytes: 1_000_000, ...options },
  );
  await server.start();
  return Object.assign(server, { [Symbol.asyncDispose]: () => server.stop(100) });
}

export async function post(
  url: string,
  body: BodyInit,
): Promise<{ status: number; text: string; json: unknown }> {
  const response = await fetch(url, { method: 'POST', body });
  const text = await response.text();
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    // some answers have no body
  }
  return { status: response.status, text, json };
}

/** A connection that says exactly what it is told. */
export async function rawConnection(
  url: string,
  options: {
    localAddress?: string | undefined;
    /** Does not end when the server does. */
    allowHalfOpen?: boolean | undefined;
  } = {},
): Promise<{
  write(text: string): void;
  /** Everything until the server closes. */
  closed: Promise<string>;
  /** Resolves when the server has said something that contains `text`. */
  said(text: string): Promise<void>;
  destroy(): void;
}> {
  const { hostname, port } = new URL(url);
  const socket = connect({ port: Number(port), host: hostname, ...options });
  let heard = '';
  const watchers: { text: string; resolve: () => void }[] = [];
  socket.on('data', (part) => {
    heard += part.toString('latin1');
    for (const watcher of watchers) if (heard.includes(watcher.text)) watcher.resolve();
  });
  socket.on('error', () => {}); // the close that follows is what tests look at
  const closed = new Promise<string>((resolve) => socket.on('close', () => resolve(heard)));
  await new Promise((resolve) => socket.once('connect', resolve));
  return {
    write: (text) => socket.write(text),
    closed,
    said: (text) =>
      new Promise((resolve) => {
        if (heard.includes(text)) resolve();
        else watchers.push({ text, resolve });
      }),
    destroy: () => socket.destroy(),
  };
}
