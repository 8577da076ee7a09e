// Waves of connections that say nothing, or half of something, to a real node.
import { get } from 'node:http';
import { connect, type Socket } from 'node:net';
import { forEachLimit } from '@cairn/base';
import { isProcessAlive } from '@cairn/config';
import { parseAddress } from '@cairn/p2p';
import { peerFlags, rssBytes, waitFor } from '@cairn/testkit';
import { LIMITED_HEAP, servedCounts, startSite } from '../src/site.ts';
import { type FaultRow, Observations, type RowOptions, type Seen } from './row.ts';

const MIB = 1024 * 1024;
const SEGMENT = 262_144;
const RSS_GROWTH_MAX = 50 * MIB;

/** Opens connections from many addresses and says `text` on each; those that are refused count too. */
async function openMany(
  place: { host: string; port: number },
  count: number,
  text: string,
): Promise<Socket[]> {
  const sockets: Socket[] = [];
  await forEachLimit(Array(count).keys(), { limit: 64 }, async (i) => {
    const socket = connect({ ...place, localAddress: `127.0.0.${2 + (i % 200)}` });
    sockets.push(socket.on('error', () => {}));
    await new Promise<void>((resolve) => {
      socket.once('connect', () => {
        if (text !== '') socket.write(text);
        resolve();
      });
      socket.once('close', () => resolve());
    });
  });
  return sockets;
}

/** Whether a client with a connection of its own is answered. */
const isReachable = (url: string): Promise<boolean> =>
  new Promise((resolve) => {
    const options = { agent: false, timeout: 5000 } as const;
    const asked = get(`${url}/cairn/v1/info`, options, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => resolve(false));
  });

/** Waves of connections that say nothing, or half of something, on HTTP and on p2p; each is there while a client works. */
async function flood({ size, seed, signal, log }: RowOptions): Promise<Seen> {
  const observed = new Observations();
  await using site = await startSite();
  const node = await site.start('target', peerFlags([]), LIMITED_HEAP);
  const file = await site.put(node, 4 * SEGMENT, seed);
  const { hostname, port } = new URL(node.url);
  const http = { host: hostname, port: Number(port) };
  const p2p = parseAddress(node.address);
  const waves: [string, { host: string; port: number }, string][] = [
    ['silent HTTP connections', http, ''],
    ['half of a request head', http, 'POST / HTTP/1.1\r\nhost: a\r\ncontent-le'],
    [
      'a body that never comes',
      http,
      'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 15000\r\n\r\n{',
    ],
    ['silent p2p connections', p2p, ''],
    ['half of a handshake', p2p, '\u0013/multistream/1.0.0\n\u0007/noi'],
  ];
  // Twice: the first time the node gets as large as a full house makes it, the second must not add to that.
  const each = Math.ceil(size / waves.length / 2);
  let before = 0;
  for (const [i, [what, place, text]] of [...waves, ...waves].entries()) {
    signal.throwIfAborted();
    if (i === waves.length) before = rssBytes(node.process.pid);
    const sockets = await openMany(place, each, text);
    observed.count += sockets.length;
    const during = await servedCounts(node, file);
    const open = sockets.filter(({ destroyed }) => !destroyed).length;
    log(`${what}: ${open} of ${each} open, ${JSON.stringify(during)} served`);
    const isOpenToNew = await isReachable(node.url);
    for (const socket of sockets) socket.resetAndDestroy();
    const after = await waitFor(
      async () => {
        const counts = await servedCounts(node, file);
        return counts.true === 4 && (await isReachable(node.url)) ? counts : undefined;
      },
      { timeoutMs: 30_000, what: `answers after ${what}` },
    );
    observed.expect(during.other === 0 && after.other === 0, `${what}: wrong bytes`);
    observed.expect(
      during.true === 4,
      `${what}: ${during.true} of 4 served to a client that was there`,
    );
    observed.expect(isOpenToNew, `${what}: a new client was refused meanwhile`);
    if (i >= waves.length)
      observed.figures.push(
        `${what}: ${open} of ${each} open, a new client ${isOpenToNew ? 'served' : 'refused'} meanwhile`,
      );
  }
  const joining = await site.start('joining', peerFlags([node.address]));
  await waitFor(async () => (await servedCounts(joining, file)).true === 4, {
    timeoutMs: 60_000,
    what: 'a peer that joins after the floods',
  });
  observed.expect(isProcessAlive(node.process.pid), 'the node ended');
  const grown = Math.round((rssBytes(node.process.pid) - before) / MIB);
  observed.figures.push(`memory grew by ${grown} MiB from the first waves to the second`);
  observed.expect(grown * MIB <= RSS_GROWTH_MAX, `memory grew by ${grown} MiB`);
  return observed.seen();
}

export const floodRows: readonly FaultRow[] = [
  {
    id: 'flood',
    family: 'hostile',
    injection:
      'waves of connections that say nothing or half of something, to HTTP and p2p of a real node',
    pass: 'it lives, serves who was connected before and new clients during every wave, and peers after all; memory grows by at most 50 MiB',
    size: { full: 25_000, short: 500 },
    unit: 'connections',
    run: flood,
  },
];
