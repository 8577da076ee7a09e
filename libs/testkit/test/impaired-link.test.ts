// A line that is as bad as it was told to be, and no worse. The clock is a list of the waits that were asked for.
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '@cairn/base';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ImpairedLink, type ImpairedLinkOptions, patternBytes, waitFor } from '../src/index.ts';

let server: Server;
/** Sockets that the server took, newest last. */
let taken: Socket[];
beforeEach(async () => {
  taken = [];
  server = createServer({ allowHalfOpen: true }, (socket) => {
    taken.push(socket.on('error', () => {}));
    socket.pipe(socket); // an echo
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
const links: ImpairedLink[] = [];
afterEach(async () => {
  for (const link of links.splice(0)) await link[Symbol.asyncDispose]();
  for (const socket of taken) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

async function start(options: ImpairedLinkOptions = {}): Promise<ImpairedLink> {
  const { port } = server.address() as AddressInfo;
  const link = await ImpairedLink.start({ host: '127.0.0.1', port }, options);
  links.push(link);
  return link;
}
type Client = { socket: Socket; heard(): Buffer; isClosed(): boolean };
async function open(link: ImpairedLink): Promise<Client> {
  const socket = connect({ port: link.port, host: '127.0.0.1', allowHalfOpen: true });
  const parts: Buffer[] = [];
  let isClosed = false;
  socket.on('data', (part: Buffer) => parts.push(part)).on('error', () => {});
  socket.on('close', () => {
    isClosed = true;
  });
  await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
  return { socket, heard: () => Buffer.concat(parts), isClosed: () => isClosed };
}
const until = (condition: () => boolean, what: string): Promise<unknown> =>
  waitFor(() => condition() || undefined, { timeoutMs: 10_000, what, intervalMs: 2 });
/** A clock that stands still and lets nobody wait. */
function listingClock(): { clock: Clock; waits: number[] } {
  const waits: number[] = [];
  const sleep = async (ms: number): Promise<void> => {
    waits.push(ms);
  };
  return { clock: { now: () => 0, monotonic: () => 0, sleep }, waits };
}

describe('a link', () => {
  it('that is not impaired passes every byte both ways, and the end of each way alone', async () => {
    const link = await start();
    const client = await open(link);
    const bytes = patternBytes(3_000_000, 1);
    client.socket.end(bytes);
    await until(client.isClosed, 'the end');
    expect(client.heard().equals(bytes)).toBe(true);
    expect(link.stats).toMatchObject({ connections: 1, bytes: 6_000_000, flipped: 0, resets: 0 });
    await until(() => link.openConnections === 0, 'no connection');
  });

  it('delays each piece both ways', async () => {
    const { clock, waits } = listingClock();
    const link = await start({ clock });
    link.set({ delayMs: 250 });
    const client = await open(link);
    client.socket.write('there and back');
    await until(() => client.heard().length > 0, 'the echo');
    expect(waits).toEqual([250, 250]);
  });

  it('passes so many bytes a second', async () => {
    const { clock, waits } = listingClock();
    const link = await start({ clock });
    link.set({ bytesPerSecond: 1_000_000 });
    const client = await open(link);
    client.socket.end(patternBytes(500_000, 1));
    await until(client.isClosed, 'the end');
    // The clock stands still, so the last piece of each way waits for all before it.
    expect(Math.max(...waits)).toBeCloseTo(500, 6);
  });

  it('stalls after so many bytes, with the connection open, and goes on when it heals', async () => {
    const link = await start();
    link.set({ stallAfterBytes: 1000 });
    const client = await open(link);
    client.socket.write(patternBytes(1000, 1));
    await until(() => client.heard().length === 1000, 'what passes before the stall');
    client.socket.write('late');
    await until(() => link.stats.stalled > 0, 'the stall');
    expect([client.heard().length, client.isClosed()]).toEqual([1000, false]);
    link.set({});
    await until(() => client.heard().length === 1004, 'the rest');
  });

  it('holds back a sender when nothing leaves', async () => {
    const link = await start({ queueBytesMax: 65_536 });
    link.set({ stallAfterBytes: 0 });
    const client = await open(link);
    let isFlushed = false;
    client.socket.write(new Uint8Array(64 * 1024 * 1024), () => {
      isFlushed = true;
    });
    await until(() => link.stats.stalled > 0, 'the stall');
    await until(() => client.socket.writableLength > 0, 'bytes that cannot leave');
    expect([isFlushed, taken[0]?.bytesRead ?? 0]).toEqual([false, 0]);
  });

  it('resets after so many bytes', async () => {
    const link = await start();
    link.set({ resetAfterBytes: 100_000 });
    const client = await open(link);
    const errors: string[] = [];
    client.socket.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code ?? ''));
    client.socket.write(patternBytes(1_000_000, 1));
    await until(client.isClosed, 'the reset');
    expect(client.heard().length).toBeLessThanOrEqual(100_000);
    expect(link.stats.resets).toBe(1);
    expect(errors).not.toEqual([]);
  });

  it('spoils as many bits as it says', async () => {
    const link = await start({ seed: 7 });
    link.set({ flipEveryBytes: 10_000 });
    const client = await open(link);
    const bytes = patternBytes(1_000_000, 1);
    client.socket.end(bytes);
    await until(client.isClosed, 'the end');
    const heard = client.heard();
    expect(heard.length).toBe(bytes.length);
    const changed = heard.reduce((sum, byte, i) => sum + (byte === bytes[i] ? 0 : 1), 0);
    // Twice over the line: about two hundred flips, of which few meet in one byte.
    expect(link.stats.flipped).toBeGreaterThan(150);
    expect(link.stats.flipped).toBeLessThan(250);
    expect(changed).toBeGreaterThan(link.stats.flipped - 10);
    expect(changed).toBeLessThanOrEqual(link.stats.flipped);
  });

  it('that is cut resets what is open and what comes, until it heals', async () => {
    const link = await start();
    const before = await open(link);
    before.socket.write('x');
    await until(() => before.heard().length === 1, 'the echo');
    link.set({ isCut: true });
    await until(before.isClosed, 'the reset of the open one');
    const during = await open(link);
    await until(during.isClosed, 'the reset of the new one');
    link.set({});
    const after = await open(link);
    after.socket.write('y');
    await until(() => after.heard().toString() === 'y', 'the echo');
  });

  it('takes no more connections than its limit', async () => {
    const link = await start({ connectionsMax: 1 });
    const first = await open(link);
    const second = await open(link);
    await until(second.isClosed, 'the reset of the second');
    first.socket.write('x');
    await until(() => first.heard().length === 1, 'the echo of the first');
  });
});
