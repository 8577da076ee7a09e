// Malformed HTTP over sockets of its own: request lines, headers, lengths and bodies that do not fit each other.
import { connect } from 'node:net';
import type { RandomSource } from '@cairn/base';
import { below, mutate, oneOf } from './mutate.ts';

/** How long a server may keep a connection on which nothing sensible comes. */
const WAIT_MS = 300;
const BYTES_MAX = 300_000;
/** Loopback addresses to come from: one alone has too few ports for fifty thousand connections. */
const ADDRESSES = 200;

export type RawRequest = {
  bytes: Uint8Array;
  /** End our side and wait for the answer; otherwise the connection is reset after the bytes. */
  isPolite: boolean;
  localAddress: string;
};

/** The next request; `path` is one that the server has a route for, `body` a good body of it. */
export function rawRequest(
  random: RandomSource,
  target: { path: string; body: Uint8Array },
): RawRequest {
  const text = requestText(random, target.path);
  const head = new TextEncoder().encode(text);
  const body = random.next() < 0.5 ? mutate(random, target.body, BYTES_MAX) : new Uint8Array(0);
  const whole = new Uint8Array(Buffer.concat([head, body]));
  return {
    bytes: random.next() < 0.5 ? mutate(random, whole, BYTES_MAX) : whole,
    isPolite: random.next() < 0.7,
    localAddress: `127.0.0.${2 + below(random, ADDRESSES)}`,
  };
}

function requestText(random: RandomSource, path: string): string {
  const method = oneOf(random, [
    'GET',
    'POST',
    'HEAD',
    'PUT',
    'OPTIONS',
    'CONNECT',
    'get',
    'G E T',
    'PRI',
    '',
  ]);
  const target = oneOf(random, [
    '/',
    path,
    `${path}?${'a=b&'.repeat(below(random, 3000))}`,
    '/%00%ff%2e%2e/%2e%2e',
    '//host/..//',
    'http://[::1]:99999/',
    `/${'x'.repeat(below(random, 30_000))}`,
    '/cairn/v1/files/9999999999999999/segments/9999999999?count=-1&stride=0',
    '/cairn/v1/files/0/segments/0?count=1e9',
    '*',
    '',
  ]);
  const version = oneOf(random, ['HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'HTTP/9', 'ICY', '']);
  const lines = [`${method} ${target} ${version}`];
  for (let headers = below(random, 8); headers > 0; headers--)
    lines.push(
      oneOf(random, [
        'host: a',
        'host: a\r\nhost: b',
        `content-length: ${oneOf(random, ['0', '5', '-1', '1e3', '99999999999999999999', '0x10', ' ', '104857601'])}`,
        'transfer-encoding: chunked',
        'transfer-encoding: chunked, identity',
        'transfer-encoding: xchunked',
        'expect: 100-continue',
        'connection: upgrade\r\nupgrade: websocket',
        'connection: close',
        'content-encoding: gzip',
        'range: bytes=0-,-1,5-4',
        `x-long: ${'y'.repeat(below(random, 40_000))}`,
        'bad header without colon',
        ' folded: continuation',
        'x\u0000y: z',
        'accept-encoding: *;q=0',
      ]),
    );
  const chunkedBody = oneOf(random, [
    '',
    '5\r\nhello\r\n0\r\n\r\n',
    'zz\r\n',
    'ffffffffffffffff\r\nx',
    '5;ext=\r\nhel',
    '-1\r\n',
  ]);
  const end = oneOf(random, ['\r\n\r\n', '\n\n', '\r\n', '\r\n\r\n\r\n\r\n']);
  return lines.join('\r\n') + end + chunkedBody;
}

/** Sends one request on a connection of its own. `refused` is what a server that is gone looks like. */
export function sendRaw(url: string, raw: RawRequest): Promise<'done' | 'refused'> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port), localAddress: raw.localAddress });
    let isOpen = false;
    socket.on('error', () => {}); // resets are fair answers
    socket.once('connect', () => {
      isOpen = true;
      socket.resume();
      if (raw.isPolite) {
        socket.end(raw.bytes);
        socket.setTimeout(WAIT_MS, () => socket.resetAndDestroy());
      } else socket.write(raw.bytes, () => socket.resetAndDestroy());
    });
    socket.once('close', () => resolve(isOpen ? 'done' : 'refused'));
  });
}
