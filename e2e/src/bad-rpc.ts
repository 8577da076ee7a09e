// A chain endpoint that misbehaves: a real HTTP server before a real chain that refuses, breaks, ages or swaps what it passes on.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * `limits`: 429. `fails`: 500 with HTML. `truncates`: half of the JSON, whole HTTP. `is stale`: as if the last blocks were not there.
 * `is another`: the answers of another chain. `says nonsense`: JSON that is no answer.
 */
export type RpcFault =
  | 'none'
  | 'limits'
  | 'fails'
  | 'truncates'
  | 'is stale'
  | 'is another'
  | 'says nonsense';

export type BadRpc = AsyncDisposable & {
  url: string;
  /** `staleBlocks` are left out while it is stale. */
  set(fault: RpcFault, options?: { staleBlocks?: number }): void;
  /** Requests that met the present fault. */
  spoiled: number;
};

type Call = { id?: unknown; method?: string; params?: unknown[] };

const BODY_BYTES_MAX = 4 * 1024 * 1024;

/** Passes calls on to `chain`, or to `other` while it is another. */
export async function startBadRpc(chain: string, other: string): Promise<BadRpc> {
  let fault: RpcFault = 'none';
  let staleBlocks = 1;
  const state = { spoiled: 0 };
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await readBody(request);
    if (fault !== 'none') state.spoiled++;
    const send = (status: number, type: string, text: string): void => {
      response.writeHead(status, { 'content-type': type }).end(text);
    };
    if (fault === 'limits') return send(429, 'application/json', '{"error":"slow down"}');
    if (fault === 'fails') return send(500, 'text/html', '<html>Internal Server Error</html>');
    if (fault === 'says nonsense') return send(200, 'application/json', '{"jsonrpc":"2.0"}');
    if (fault === 'is stale') {
      const parsed = JSON.parse(body) as Call | Call[];
      const head = Number(await ask(chain, { method: 'eth_blockNumber' })) - staleBlocks;
      const answers = await Promise.all(
        [parsed].flat().map((call) => staleAnswer(chain, call, head)),
      );
      send(200, 'application/json', JSON.stringify(Array.isArray(parsed) ? answers : answers[0]));
      return;
    }
    const answer = await forward(fault === 'is another' ? other : chain, body);
    const length = fault === 'truncates' ? Math.floor(answer.length / 2) : answer.length;
    send(200, 'application/json', answer.slice(0, length));
  };
  const server = createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    set(next, options = {}) {
      fault = next;
      staleBlocks = options.staleBlocks ?? staleBlocks;
      state.spoiled = 0;
    },
    get spoiled() {
      return state.spoiled;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function readBody(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > BODY_BYTES_MAX) throw new Error('a request that no test sends');
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

async function forward(url: string, body: string): Promise<string> {
  const headers = { 'content-type': 'application/json' };
  return (await fetch(url, { method: 'POST', headers, body })).text();
}

async function ask(url: string, call: Call): Promise<unknown> {
  const answer = await forward(url, JSON.stringify({ jsonrpc: '2.0', id: 1, params: [], ...call }));
  return (JSON.parse(answer) as { result?: unknown }).result;
}

/** The answer of a node that has not seen the blocks above `head`. */
async function staleAnswer(chain: string, call: Call, head: number): Promise<object> {
  const [id, hex] = [call.id, `0x${head.toString(16)}`];
  const result = (value: unknown): object => ({ jsonrpc: '2.0', id, result: value });
  const params = call.params ?? [];
  const isAhead = (block: unknown): boolean => typeof block === 'string' && Number(block) > head;
  switch (call.method ?? '') {
    case 'eth_blockNumber':
      return result(hex);
    case 'eth_getBlockByNumber':
      if (isAhead(params[0])) return result(null);
      return result(
        await ask(chain, {
          ...call,
          params: [params[0] === 'latest' ? hex : params[0], params[1]],
        }),
      );
    case 'eth_getLogs': {
      const filter = params[0] as { toBlock?: string };
      const toBlock = isAhead(filter.toBlock) ? hex : filter.toBlock;
      return result(await ask(chain, { ...call, params: [{ ...filter, toBlock }] }));
    }
    case 'eth_call':
      return result(
        await ask(chain, {
          ...call,
          params: [params[0], params[1] === 'latest' ? hex : params[1]],
        }),
      );
    default:
      return result(await ask(chain, call));
  }
}
