// The calling side: what servers may answer, and what callers then see. Both transports run the same cases.
import { describe, expect, it } from 'vitest';
import { createIndexerClient, createNodeClient, fetchTransport, rpcCall } from '../src/index.ts';
import { createHttpTransport, type HttpRoute } from '../src/node/index.ts';
import { startServer } from './support.ts';

const sockets = createHttpTransport();

describe.each([
  ['fetch', fetchTransport],
  ['sockets', sockets],
])('over %s', (_, transport) => {
  const answering = (status: number, body: string): HttpRoute => ({
    methods: ['POST', 'GET'],
    pattern: /.*/,
    async handle(_request, response) {
      response.writeHead(status, { 'content-type': 'application/json' }).end(body);
    },
  });
  const options = { transport, timeoutMs: 5000 };

  it('an error object of the server is kept whole', async () => {
    const error = { code: -32602, message: 'Invalid params: root', data: 'already pruned' };
    await using server = await startServer({
      routes: [answering(200, JSON.stringify({ jsonrpc: '2.0', id: 1, error }))],
    });
    await expect(rpcCall(server.url, 'zgs_x', [], options)).rejects.toMatchObject({
      code: 'RPC_REMOTE',
      kind: 'invalid',
      message: 'Invalid params: root: already pruned',
      details: error,
    });
  });

  it.each([
    ['no JSON', 502, '<html>'],
    ['another shape', 200, '{"result":{"shardId":-1,"numShard":0}}'],
    ['nothing', 200, ''],
  ])('%s is a bad response', async (_name, status, body) => {
    await using server = await startServer({ routes: [answering(status, body)] });
    await expect(createNodeClient(server.url, options).getShardConfig()).rejects.toMatchObject({
      code: 'RPC_BAD_RESPONSE',
    });
  });

  it('an answer that is too long, too late or not there has its own error', async () => {
    await using server = await startServer({
      routes: [
        { methods: ['POST'], pattern: /^\/silent$/, handle: () => new Promise(() => {}) },
        answering(200, JSON.stringify({ result: 'x'.repeat(100_000) })),
      ],
    });
    await expect(
      rpcCall(server.url, 'zgs_x', [], { ...options, maxBytes: 1000 }),
    ).rejects.toMatchObject({ code: 'RPC_RESPONSE_TOO_LARGE' });
    await expect(
      rpcCall(`${server.url}/silent`, 'zgs_x', [], { transport, timeoutMs: 30 }),
    ).rejects.toMatchObject({ code: 'RPC_TIMEOUT', kind: 'timeout' });
    const { url } = server;
    await server.stop(10);
    await expect(rpcCall(url, 'zgs_x', [], options)).rejects.toMatchObject({
      code: 'RPC_UNREACHABLE',
      kind: 'unavailable',
    });
  });

  it('frames that were not asked for are refused', async () => {
    await using server = await startServer({ routes: [answering(200, 'xxxxxxxxxxxx')] });
    await expect(
      createNodeClient(server.url, options).downloadFrames(1, { index: 0, count: 1 }),
    ).rejects.toMatchObject({ code: 'PROTOCOL_FRAME' });
  });

  it('an indexer that answers null knows no places', async () => {
    await using server = await startServer({
      methods: {
        indexer_getFileLocations: () => null,
        indexer_getShardedNodes: () => ({ trusted: null, discovered: null }),
      },
    });
    const indexer = createIndexerClient(server.url, options);
    expect(await indexer.getFileLocations(`0x${'00'.repeat(32)}`)).toEqual([]);
    expect(await indexer.getShardedNodes()).toEqual({ trusted: [], discovered: [] });
  });
});
