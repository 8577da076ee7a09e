import { connect } from 'node:net';
import { silentLogger } from '@cairn/base';
import { BatchBuilder } from '@cairn/kv';
import { HttpServer } from '@cairn/rpc/node';
import { watchStream } from '@cairn/sdk';
import { waitFor } from '@cairn/testkit';
import { describe, expect, it } from 'vitest';
import { Feed, type FeedOptions } from '../src/http/feed.ts';
import type { SimNode } from './simulation.ts';
import { batchOf, key, nodeWith, STREAM } from './support.ts';

async function serve(
  node: SimNode,
  options: FeedOptions,
): Promise<AsyncDisposable & { feed: Feed; url: string; port: number }> {
  const feed = new Feed(node.state, options);
  const server = new HttpServer(
    { log: silentLogger },
    { host: '127.0.0.1', port: 0, maxBodyBytes: 1024, routes: [feed.route()] },
  );
  await server.start();
  return {
    feed,
    url: server.url,
    port: server.port,
    [Symbol.asyncDispose]: () => server.stop(200),
  };
}

describe('the feed', () => {
  it('tells the past from a position on, then what comes, then what a reorg undoes', async () => {
    const { chain, node } = await nodeWith(
      new BatchBuilder().set(STREAM, key('a'), key('1')),
      new BatchBuilder().set(STREAM, key('a'), key('22')).delete(STREAM, key('b')),
    );
    await using server = await serve(node, { maxWatchers: 2 });
    const stop = new AbortController();
    const seen: string[] = [];
    const watching = (async () => {
      for await (const event of watchStream(server.url, STREAM, { from: 1, signal: stop.signal })) {
        if (event.kind === 'revert') seen.push(`revert ${event.fromSeq}`);
        else
          for (const { key: name, size } of event.changes)
            seen.push(`${event.txSeq} ${new TextDecoder().decode(name)} ${size}`);
      }
    })();
    const sees = (last: string): Promise<unknown> =>
      waitFor(() => seen.at(-1) === last, { timeoutMs: 10_000, what: last });
    await sees('1 b 0');
    chain.add([batchOf(new BatchBuilder().set(STREAM, key('c'), key('333')))]);
    await node.follow();
    await node.replay();
    server.feed.wake();
    await sees('2 c 3');
    chain.fork(2);
    chain.add([batchOf(new BatchBuilder().set(STREAM, key('d'), key('4')))]);
    await node.follow();
    server.feed.reverted(1);
    await node.replay();
    server.feed.wake();
    await sees('1 d 1');
    expect(seen).toEqual(['1 a 2', '1 b 0', '2 c 3', 'revert 1', '1 d 1']);
    stop.abort();
    await watching;
    await waitFor(() => server.feed.size === 0, { timeoutMs: 10_000, what: 'the watcher to go' });
  });

  it('splits a batch of many keys, and only its last part is a place to go on from', async () => {
    const builder = new BatchBuilder();
    for (let i = 0; i < 2500; i++) builder.set(STREAM, key(`k${i}`), key('v'));
    const { node } = await nodeWith(builder);
    await using server = await serve(node, { maxWatchers: 2 });
    const stop = new AbortController();
    const parts: [number, boolean][] = [];
    for await (const event of watchStream(server.url, STREAM, { from: 0, signal: stop.signal }))
      if (event.kind === 'batch') {
        parts.push([event.changes.length, event.more]);
        if (!event.more) stop.abort();
      }
    expect(parts).toEqual([
      [1000, true],
      [1000, true],
      [500, false],
    ]);
  });

  it('cuts off a watcher that never reads, and refuses more than it serves', async () => {
    const large = new BatchBuilder();
    // Some 20 MB of events: more than the sockets between hold.
    for (let i = 0; i < 20_000; i++) large.set(STREAM, key(`${i} ${'k'.repeat(700)}`), key('v'));
    const { node } = await nodeWith(large);
    await using server = await serve(node, { maxWatchers: 1, stallMs: 300 });
    const path = `/cairn/v1/streams/${STREAM}/events?from=0`;
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => {}); // being cut off is what we wait for
    socket.pause();
    socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`);
    await waitFor(() => server.feed.size === 1, { timeoutMs: 10_000, what: 'the watcher' });
    expect((await fetch(server.url + path)).status).toBe(503);
    await waitFor(() => server.feed.size === 0, { timeoutMs: 20_000, what: 'the cut' });
    socket.destroy();
  });

  it('answers clearly for unknown streams and positions', async () => {
    const { node } = await nodeWith(new BatchBuilder().set(STREAM, key('a'), key('1')));
    await using server = await serve(node, { maxWatchers: 1 });
    const at = (path: string): Promise<Response> => fetch(`${server.url}/cairn/v1/streams/${path}`);
    const unknown = await at(`0x${'11'.repeat(32)}/events`);
    expect([unknown.status, await unknown.text()]).toEqual([
      404,
      expect.stringContaining('does not watch stream'),
    ]);
    expect((await at(`${STREAM}/events?from=x`)).status).toBe(400);
    expect((await at('0x12/events')).status).toBe(404);
  });
});
