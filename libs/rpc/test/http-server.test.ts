// The port itself: routes, bodies and their budget, cross-origin rules, starting and stopping.
import { describe, expect, it } from 'vitest';
import { type HttpRoute, sendJson } from '../src/node/index.ts';
import { post, rawConnection, startServer } from './support.ts';

const echo: HttpRoute = {
  methods: ['POST'],
  pattern: /^\/echo$/,
  async handle(request, response) {
    const allocate = (bytes: number): Uint8Array =>
      new Uint8Array(new SharedArrayBuffer(2 * bytes)).fill(1);
    const body = await request.body(request.url.searchParams.has('shared') ? { allocate } : {});
    sendJson(response, 200, {
      bytes: body.length,
      shared: body.buffer instanceof SharedArrayBuffer,
    });
  },
};
/** A route that answers when it is told, to hold its body meanwhile. */
function gate(): HttpRoute & { open: () => void; entered: Promise<void> } {
  const opened = Promise.withResolvers<void>();
  const entered = Promise.withResolvers<void>();
  return {
    methods: ['POST'],
    pattern: /^\/gate$/,
    async handle(request, response) {
      await request.body();
      entered.resolve();
      await opened.promise;
      sendJson(response, 200, {});
    },
    open: opened.resolve,
    entered: entered.promise,
  };
}

describe('bodies', () => {
  it('arrive whole, announced or chunked, in memory of the route on request', async () => {
    await using server = await startServer({ routes: [echo] });
    expect((await post(`${server.url}/echo`, 'x'.repeat(70_000))).json).toEqual({
      bytes: 70_000,
      shared: false,
    });
    const stream = new Blob(['y'.repeat(70_000)]).stream();
    const chunked = await fetch(`${server.url}/echo?shared`, {
      method: 'POST',
      body: stream,
      duplex: 'half',
    } as RequestInit);
    expect(await chunked.json()).toEqual({ bytes: 70_000, shared: true });
  });

  it('above the limit are refused, announced or not, and the connection still serves', async () => {
    await using server = await startServer({
      routes: [echo],
      methods: { ping: () => 'pong' },
      maxBodyBytes: 1000,
    });
    expect((await post(`${server.url}/echo`, 'x'.repeat(1001))).status).toBe(413);
    const chunked = await fetch(`${server.url}/echo`, {
      method: 'POST',
      body: new Blob(['y'.repeat(200_000)]).stream(),
      duplex: 'half',
    } as RequestInit);
    expect(chunked.status).toBe(413);
    expect((await post(server.url, '{"id":1,"method":"ping"}')).json).toMatchObject({
      result: 'pong',
    });
  });

  it('share a budget: a large one waits for its turn, a small question does not', async () => {
    const held = gate();
    await using server = await startServer({
      routes: [held, echo],
      methods: { ping: () => 'pong' },
      bodyBudgetBytes: 100_000,
    });
    const first = post(`${server.url}/gate`, 'x'.repeat(90_000));
    await held.entered;
    let isDone = false;
    const second = post(`${server.url}/echo`, 'x'.repeat(90_000)).finally(() => {
      isDone = true;
    });
    expect((await post(server.url, '{"id":1,"method":"ping"}')).json).toMatchObject({
      result: 'pong',
    });
    expect(isDone).toBe(false);
    held.open();
    expect((await second).json).toMatchObject({ bytes: 90_000 });
    expect((await first).status).toBe(200);
  });

  it('that stop coming are given up, and give their budget back', async () => {
    await using server = await startServer({
      routes: [echo],
      bodyBudgetBytes: 50_000,
      bodyIdleMs: 50,
    });
    const slow = await rawConnection(server.url);
    slow.write('POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 40000\r\n\r\nabc');
    expect(await slow.closed).toContain('408');
    expect((await post(`${server.url}/echo`, 'x'.repeat(40_000))).status).toBe(200);
  });

  it('of clients that go away give their budget back', async () => {
    await using server = await startServer({ routes: [echo], bodyBudgetBytes: 50_000 });
    const gone = await rawConnection(server.url);
    gone.write(
      'POST /echo HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 40000\r\n\r\n',
    );
    await gone.said('100 Continue');
    gone.destroy();
    expect((await post(`${server.url}/echo`, 'x'.repeat(40_000))).status).toBe(200);
  });
});

describe('requests', () => {
  it('from any origin are allowed, also after asking', async () => {
    await using server = await startServer({ methods: { ping: () => 1 } });
    const preflight = await fetch(server.url, {
      method: 'OPTIONS',
      headers: {
        origin: 'https://app.example',
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type',
      },
    });
    expect(preflight.status).toBe(204);
    const allowed = (name: string): string => preflight.headers.get(name) ?? '';
    expect(allowed('access-control-allow-origin')).toBe('*');
    expect(allowed('access-control-allow-methods')).toMatch(/GET.*POST.*OPTIONS/);
    expect(allowed('access-control-allow-headers')).toContain('content-type');
    const call = await fetch(server.url, { method: 'POST', body: '{"id":1,"method":"ping"}' });
    expect(call.headers.get('access-control-allow-origin')).toBe('*');
  });

  it('for nothing we have are 404, and odd targets do no harm', async () => {
    await using server = await startServer({ routes: [echo], methods: { ping: () => 1 } });
    expect((await fetch(`${server.url}/nope`)).status).toBe(404);
    for (const target of ['//', '/%', '*', 'http://', '/../../etc/passwd', '/\\..\\']) {
      const odd = await rawConnection(server.url);
      odd.write(`GET ${target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
      expect(await odd.closed, target).toMatch(/^HTTP\/1\.1 40[04]/);
    }
  });
});

describe('a server', () => {
  it('says which port is taken and which address cannot be', async () => {
    await using server = await startServer();
    await expect(startServer({ port: server.port })).rejects.toMatchObject({
      code: 'HTTP_PORT_IN_USE',
      hint: expect.stringContaining('another port'),
      details: { port: server.port },
    });
    await expect(startServer({ host: '192.0.2.1' })).rejects.toMatchObject({
      code: 'HTTP_CANNOT_LISTEN',
    });
  });

  it('that stops lets running requests end, and cuts those that do not', async () => {
    const quick = gate();
    const server = await startServer({ routes: [quick] });
    const answer = post(`${server.url}/gate`, 'x');
    await quick.entered;
    const stopping = server.stop(5000);
    quick.open();
    expect((await answer).status).toBe(200);
    await stopping;

    const stuck = gate();
    const other = await startServer({ routes: [stuck] });
    const cut = post(`${other.url}/gate`, 'x').catch((error: unknown) => error);
    await stuck.entered;
    await other.stop(20);
    expect(await cut).toBeInstanceOf(Error);
    stuck.open();
  });
});
