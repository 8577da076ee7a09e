// Malformed JSON-RPC over HTTP that is whole: bodies that are no JSON, JSON that is no call, calls with senseless parameters.
import { Agent, request } from 'node:http';
import type { RandomSource } from '@cairn/base';
import { below, mutate, oneOf } from './mutate.ts';

const BODY_BYTES_MAX = 300_000;
const ANSWER_MS = 30_000;

/** Calls that a node understands, to be spoiled. */
export type GoodCall = { method: string; params: readonly unknown[] };

/** The next body. */
export function jsonRpcBody(random: RandomSource, calls: readonly GoodCall[]): Uint8Array {
  const good = (): object => ({ jsonrpc: '2.0', id: below(random, 1000), ...oneOf(random, calls) });
  switch (below(random, 8)) {
    case 0:
      return bytesOf(nested(random));
    case 1:
      return bytesOf(
        JSON.stringify(Array.from({ length: below(random, 120) }, () => anyJson(random, 2))),
      );
    case 2:
      return bytesOf(
        JSON.stringify({
          ...good(),
          [oneOf(random, ['id', 'method', 'params', 'jsonrpc'])]: anyJson(random, 3),
        }),
      );
    case 3: {
      const { method, params } = oneOf(random, calls);
      const spoiled =
        params.length === 0
          ? [anyJson(random, 3)]
          : params.map((value) =>
              random.next() < 0.5 ? anyJson(random, 3) : spoilInside(random, value),
            );
      return bytesOf(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: spoiled }));
    }
    case 4:
      return bytesOf(JSON.stringify(anyJson(random, 4)));
    case 5:
      return bytesOf(
        `{"jsonrpc":"2.0","id":1,"method":"${'x'.repeat(below(random, 100_000))}","params":[]}`,
      );
    default:
      return mutate(random, bytesOf(JSON.stringify(good())), BODY_BYTES_MAX);
  }
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Brackets deeper than any parser likes, closed or not. */
function nested(random: RandomSource): string {
  const depth = below(random, 20_000);
  const [open, close] = oneOf(random, [
    ['[', ']'],
    ['{"a":', '}'],
  ] as const);
  return open.repeat(depth) + (random.next() < 0.5 ? `1${close.repeat(depth)}` : '');
}

/** Values that programs trip over, and containers of them. */
function anyJson(random: RandomSource, depth: number): unknown {
  if (depth > 0 && random.next() < 0.4) {
    const parts = Array.from({ length: below(random, 5) }, () => anyJson(random, depth - 1));
    if (random.next() < 0.5) return parts;
    return Object.fromEntries(
      parts.map((part) => [
        oneOf(random, ['__proto__', 'constructor', 'root', 'index', 'data', 'proof', '']),
        part,
      ]),
    );
  }
  return oneOf<unknown>(random, [
    null,
    true,
    -1,
    0,
    1.5,
    2 ** 53,
    -0,
    1e308,
    '',
    '0x',
    `0x${'00'.repeat(32)}`,
    `0x${'ff'.repeat(below(random, 64))}`,
    '\u0000\ud800',
    '../../etc/passwd',
    'A'.repeat(below(random, 5000)),
    [],
    {},
  ]);
}

/** An object or a list with one place spoiled; anything else replaced. */
function spoilInside(random: RandomSource, value: unknown): unknown {
  if (Array.isArray(value) && value.length > 0) {
    const at = below(random, value.length);
    return value.map((part, i) => (i === at ? spoilInside(random, part) : part));
  }
  if (typeof value === 'object' && value !== null) {
    const keys = Object.keys(value);
    const at = below(random, keys.length);
    return Object.fromEntries(
      Object.entries(value).map(([key, part], i) => [key, i === at ? anyJson(random, 1) : part]),
    );
  }
  return anyJson(random, 1);
}

export type JsonRpcSender = Disposable & {
  /** Sends a body; resolves with what is wrong with the answer, undefined when nothing is. */
  send(body: Uint8Array): Promise<string | undefined>;
};

/** Sends over kept connections, as a client would. */
export function createJsonRpcSender(url: string, connections: number): JsonRpcSender {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  return {
    send: (body) =>
      new Promise((resolve) => {
        const outgoing = request(url, { agent, method: 'POST', timeout: ANSWER_MS }, (answer) => {
          const parts: Buffer[] = [];
          answer.on('data', (part: Buffer) => parts.push(part));
          answer.on('error', (error) => resolve(`broken off: ${error.message}`));
          answer.on('end', () =>
            resolve(judge(answer.statusCode ?? 0, Buffer.concat(parts).toString())),
          );
        });
        outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer in ${ANSWER_MS} ms`)));
        outgoing.on('error', (error) => resolve(`no answer: ${error.message}`));
        outgoing.end(body);
      }),
    [Symbol.dispose]: () => agent.destroy(),
  };
}

/** JSON-RPC is answered with 200 and JSON, or 204; an internal error without data is what a bug looks like from outside. */
function judge(status: number, text: string): string | undefined {
  if (status === 204) return undefined;
  if (status !== 200) return `HTTP ${status}`;
  try {
    const answers = [JSON.parse(text) as { error?: { code: number; data?: unknown } }].flat();
    const isBug = answers.some(({ error }) => error?.code === -32603 && error.data === undefined);
    return isBug ? `an internal error: ${text.slice(0, 200)}` : undefined;
  } catch {
    return `no JSON: ${text.slice(0, 200)}`;
  }
}
