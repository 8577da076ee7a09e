// A full port: who gives way to a newcomer, with real sockets.
import type { IncomingHttpHeaders } from 'node:http';
import { describe, expect, it, vi } from 'vitest';
import { type HttpRoute, type HttpServer, sendJson } from '../src/node/index.ts';
import { post, rawConnection, startServer } from './support.ts';

type Raw = Awaited<ReturnType<typeof rawConnection>>;
type RawOptions = Parameters<typeof rawConnection>[1];

const PING = '{"jsonrpc":"2.0","id":1,"method":"ping"}';
const CALL = `POST / HTTP/1.1\r\nhost: a\r\ncontent-length: ${PING.length}\r\n\r\n${PING}`;
const SLOW = 'GET /slow HTTP/1.1\r\nhost: a\r\n\r\n';
const PIECE = 'x'.repeat(20_000);
const PIECES = 3;
const UPLOAD = `POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: ${PIECES * PIECE.length}\r\n\r\n`;
const HALF_BODY = 'POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: 15000\r\n\r\n{';
const upgradeOf = (host: string): string =>
  `GET / HTTP/1.1\r\nhost: ${host}\r\nconnection: upgrade\r\nupgrade: websocket\r\n` +
  'sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n';
const methods = { ping: () => 'pong' };

/** Opens connections and knows by name which of them the server gave up. */
function watch({ url }: HttpServer): {
  open(name: string, options?: RawOptions & { text?: string }): Promise<Raw>;
  /** Resolves when as many as `names` were given up, and checks that it was these. */
  gaveUp(...names: string[]): Promise<void>;
} {
  const closed: string[] = [];
  return {
    async open(name, { text = '', ...options } = {}) {
      const raw = await rawConnection(url, options);
      void raw.closed.then(() => closed.push(name));
      if (text !== '') raw.write(text);
      return raw;
    },
    async gaveUp(...names) {
      await vi.waitUntil(() => closed.length >= names.length, { timeout: 10_000 });
      expect(closed).toEqual(names);
    },
  };
}

/** A route that holds its answers until it is told. */
function slowRoute(): HttpRoute & { open: () => void; entered: () => number } {
  const opened = Promise.withResolvers<void>();
  let count = 0;
  return {
    methods: ['GET'],
    pattern: /^\/slow$/,
    async handle(_, response) {
      count++;
      await opened.promise;
      sendJson(response, 200, {});
    },
    open: opened.resolve,
    entered: () => count,
  };
}

/** A route that takes one body and shows how much of it has come. */
function uploadRoute(): HttpRoute & { came: () => number } {
  let memory = new Uint8Array();
  return {
    methods: ['POST'],
    pattern: /^\/upload$/,
    async handle(request, response) {
      await request.body({
        allocate: (bytes) => {
          memory = new Uint8Array(bytes);
          return memory;
        },
      });
      sendJson(response, 200, {});
    },
    came: () => memory.findLastIndex((byte) => byte !== 0) + 1,
  };
}

describe('a port whose places are all taken', () => {
  for (const [what, text] of [
    ['silent connections', ''],
    ['halves of a head', 'POST / HTTP/1.1\r\nhost: a\r\ncontent-le'],
    ['bodies that never come', HALF_BODY],
  ] as const)
    it(`by ${what} serves newcomers, and gives up one for each`, async () => {
      const limits = { connectionsMax: 4, connectionsPerAddressMax: 4 };
      await using server = await startServer({ ...limits, methods, routes: [uploadRoute()] });
      const { open, gaveUp } = watch(server);
      for (const name of ['first', 'second', 'third', 'fourth']) await open(name, { text });
      const newcomer = await open('newcomer', { text: CALL });
      await newcomer.said('pong');
      await gaveUp('first');
      expect((await post(server.url, PING)).status).toBe(200);
      await gaveUp('first', 'second');
    });

  it('keeps answers under way, bodies that move, and who was served before', async () => {
    const limits = { connectionsMax: 6, connectionsPerAddressMax: 6 };
    const [slow, upload] = [slowRoute(), uploadRoute()];
    await using server = await startServer({ ...limits, methods, routes: [slow, upload] });
    const { open, gaveUp } = watch(server);
    const asking = await open('asking', { text: SLOW });
    await vi.waitUntil(() => slow.entered() === 1);
    const kept = await open('kept', { text: CALL });
    await kept.said('pong');
    const uploading = await open('uploading', { text: UPLOAD + PIECE });
    await vi.waitUntil(() => upload.came() === PIECE.length);
    for (const name of ['silent 1', 'silent 2', 'silent 3']) await open(name);

    await open('newcomer 1');
    await gaveUp('silent 1');
    uploading.write(PIECE);
    await vi.waitUntil(() => upload.came() === 2 * PIECE.length);
    for (const name of ['newcomer 2', 'newcomer 3', 'newcomer 4']) await open(name);
    await gaveUp('silent 1', 'silent 2', 'silent 3', 'newcomer 1');

    uploading.write(PIECE);
    slow.open();
    kept.write(SLOW);
    for (const connection of [uploading, asking]) await connection.said('200 OK');
    await kept.said('{}');
  });

  it('closes the newcomer when all are in use', async () => {
    const slow = slowRoute();
    const limits = { connectionsMax: 2, connectionsPerAddressMax: 2 };
    await using server = await startServer({ ...limits, routes: [slow] });
    const { open, gaveUp } = watch(server);
    const asking = [await open('a', { text: SLOW }), await open('b', { text: SLOW })];
    await vi.waitUntil(() => slow.entered() === 2);
    await open('newcomer');
    await gaveUp('newcomer');
    slow.open();
    for (const connection of asking) await connection.said('200 OK');
  });

  it('gives up idle connections first while they leave less than a quarter to first requests', async () => {
    const limits = { connectionsMax: 8, connectionsPerAddressMax: 8 };
    await using server = await startServer({ ...limits, methods });
    const { open, gaveUp } = watch(server);
    for (let i = 1; i <= 8; i++) await (await open(`idle ${i}`, { text: CALL })).said('pong');
    for (const name of ['newcomer 1', 'newcomer 2', 'newcomer 3']) await open(name);
    await gaveUp('idle 1', 'idle 2', 'newcomer 1');
  });

  it('keeps a WebSocket, and none that was refused', async () => {
    const limits = { connectionsMax: 3, connectionsPerAddressMax: 3 };
    const isAuthorized = ({ host }: IncomingHttpHeaders): boolean => host === 'known';
    await using server = await startServer({ ...limits, isAuthorized, webSocket: true });
    const { open, gaveUp } = watch(server);
    const taken = await open('taken', { text: upgradeOf('known') });
    await taken.said('101 Switching');
    const refused = await open('refused', { text: upgradeOf('unknown'), allowHalfOpen: true });
    await refused.said('401 Unauthorized');
    const silent = [];
    for (const name of ['1', '2', '3', '4']) silent.push(await open(name));
    await gaveUp('1', '2');
    // Places for two besides the WebSocket: the refused one, which its client never ends, has none.
    for (const connection of silent.slice(2)) {
      connection.write(CALL);
      await connection.said('401 Unauthorized');
    }
    for (const connection of [taken, refused]) connection.destroy(); // nothing that stopping would wait for
  });
});

it('an address that has its share of the places takes from itself', async () => {
  const limits = { connectionsMax: 8, connectionsPerAddressMax: 2 };
  await using server = await startServer({ ...limits, methods });
  const { open, gaveUp } = watch(server);
  await open('of another address', { localAddress: '127.0.0.2' });
  for (const name of ['first', 'second', 'third']) await open(name);
  await gaveUp('first');
});
