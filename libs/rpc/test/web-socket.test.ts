// JSON-RPC over WebSocket: the same methods, token and lengths as over HTTP, and bounds of its own.
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { RpcMethod } from '../src/index.ts';
import { startServer } from './support.ts';

type Client = AsyncDisposable & {
  socket: WebSocket;
  /** What it was told, in order. */
  heard: unknown[];
  call(method: string, ...params: unknown[]): Promise<unknown>;
};
async function connect(url: string, headers: Record<string, string> = {}): Promise<Client> {
  const socket = new WebSocket(url.replace('http', 'ws'), { headers });
  const heard: unknown[] = [];
  const waiting = new Map<number, (answer: unknown) => void>();
  let next = 1;
  socket.on('message', (data) => {
    const answer = JSON.parse(String(data)) as { id: number };
    heard.push(answer);
    waiting.get(answer.id)?.(answer);
  });
  await once(socket, 'open'); // rejects with an error event
  return {
    socket,
    heard,
    call(method, ...params) {
      const id = next++;
      const answered = new Promise((resolve) => waiting.set(id, resolve));
      socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
      return answered;
    },
    async [Symbol.asyncDispose]() {
      socket.terminate();
    },
  };
}
const codeOf = async (socket: WebSocket): Promise<number> =>
  (await once(socket, 'close'))[0] as number;
const methods: Record<string, RpcMethod> = {
  echo: ([value]) => value,
  fail: () => {
    throw new Error('ours');
  },
};

describe('calls', () => {
  it('are answered as over HTTP: results, errors, batches, nothing for notifications', async () => {
    await using server = await startServer({ methods, webSocket: true });
    await using client = await connect(server.url);
    expect(await client.call('echo', 'a')).toMatchObject({ result: 'a' });
    expect(await client.call('fail')).toMatchObject({ error: { code: -32603 } });
    expect(await client.call('nothing')).toMatchObject({ error: { code: -32601 } });
    client.socket.send('{');
    client.socket.send(JSON.stringify({ jsonrpc: '2.0', method: 'echo', params: [1] }));
    client.socket.send(JSON.stringify([{ jsonrpc: '2.0', id: 77, method: 'echo', params: [2] }]));
    expect(await client.call('echo', 'last')).toMatchObject({ result: 'last' });
    expect(client.heard.slice(3)).toMatchObject([
      { error: { code: -32700 } },
      [{ id: 77, result: 2 }],
      { result: 'last' },
    ]);
  });

  it('run side by side up to a bound; further ones are not read until one of them is answered', async () => {
    let running = 0;
    let most = 0;
    const gates: (() => void)[] = [];
    const hold: RpcMethod = async () => {
      most = Math.max(most, ++running);
      await new Promise<void>((resolve) => gates.push(resolve));
      running--;
    };
    await using server = await startServer({ methods: { hold }, webSocket: true });
    await using client = await connect(server.url);
    const calls = Array.from({ length: 40 }, () => client.call('hold'));
    let done = 0;
    for (const call of calls) void call.then(() => done++);
    while (done < 40) {
      gates.shift()?.();
      await new Promise(setImmediate);
    }
    expect(most).toBe(16);
  });

  it('are cancelled when their connection goes', async () => {
    const entered = Promise.withResolvers<AbortSignal>();
    const hold: RpcMethod = (_, { signal }) => {
      entered.resolve(signal);
      return new Promise(() => {});
    };
    await using server = await startServer({ methods: { hold }, webSocket: true });
    await using client = await connect(server.url);
    void client.call('hold');
    const signal = await entered.promise;
    client.socket.terminate();
    await once(signal, 'abort');
    expect(signal.reason).toMatchObject({ code: 'HTTP_CLIENT_GONE' });
  });
});

describe('connections', () => {
  it('need the token in their upgrade, and are off where nobody switched them on', async () => {
    const isAuthorized = (headers: { authorization?: string | undefined }): boolean =>
      headers.authorization === 'Bearer good';
    await using server = await startServer({ methods, webSocket: true, isAuthorized });
    await expect(connect(server.url)).rejects.toThrow('401');
    await expect(connect(server.url, { authorization: 'Bearer bad' })).rejects.toThrow('401');
    await using client = await connect(server.url, { authorization: 'Bearer good' });
    expect(await client.call('echo', 1)).toMatchObject({ result: 1 });
    await using off = await startServer({ methods });
    await expect(connect(off.url)).rejects.toThrow();
  });

  it('close with 1009 for a message longer than a body, with 1003 for one that is no text', async () => {
    await using server = await startServer({ methods, webSocket: true, maxBodyBytes: 1000 });
    await using fits = await connect(server.url);
    expect(await fits.call('echo', 'x'.repeat(900))).toMatchObject({ result: 'x'.repeat(900) });
    await using long = await connect(server.url);
    long.socket.send('x'.repeat(1001));
    expect(await codeOf(long.socket)).toBe(1009);
    await using binary = await connect(server.url);
    binary.socket.send(Uint8Array.of(1, 2));
    expect(await codeOf(binary.socket)).toBe(1003);
  });

  it('are as many as the budget of bodies has room for their messages', async () => {
    await using server = await startServer({
      ...{ methods, webSocket: true, maxBodyBytes: 1000, bodyBudgetBytes: 5000 },
    });
    const clients = await Promise.all(Array.from({ length: 5 }, () => connect(server.url)));
    await expect(connect(server.url)).rejects.toThrow('503');
    clients[0]!.socket.close();
    await codeOf(clients[0]!.socket);
    let after: Client | undefined;
    // The server hears of the end when it hears of it.
    while (!after) after = await connect(server.url).catch(() => undefined);
    expect(await after.call('echo', 1)).toMatchObject({ result: 1 });
    after.socket.terminate();
    for (const { socket } of clients) socket.terminate();
  });

  it('are closed with 1001 when the server stops, after the answers under way', async () => {
    const entered = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<string>();
    const hold: RpcMethod = () => {
      entered.resolve();
      return gate.promise;
    };
    const server = await startServer({ methods: { hold }, webSocket: true });
    await using client = await connect(server.url);
    const call = client.call('hold');
    await entered.promise;
    const stopped = server.stop(5000);
    gate.resolve('answered');
    const closed = codeOf(client.socket);
    expect(await call).toMatchObject({ result: 'answered' });
    expect(await closed).toBe(1001);
    await stopped;
  });
});
