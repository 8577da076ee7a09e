import { CodedError } from '@cairn/base';
import { VirtualClock } from '@cairn/testkit';
import { describe, expect, it } from 'vitest';
import {
  connectionLimits,
  isPrivateHost,
  LocationCache,
  PeerBook,
  type PeerId,
  parseAddress,
  RateLimit,
} from '../src/index.ts';

const GIB = 1024 ** 3;
const peer = 'peer' as PeerId;
const status = {
  version: 2,
  network: {},
  shard: { shardId: 0, numShard: 1 },
  nextTxSeq: 0,
  httpPort: 0,
};
const connect = (book: PeerBook, name = peer): void => {
  book.connected({ peer: name, direction: 'inbound', address: '/ip4/1.2.3.4/tcp/1' });
  book.handshaken(name, status as never);
};

describe('connection limits', () => {
  it('follow the scarcer of memory and file descriptors, within bounds', () => {
    const max = (memoryBytes: number, fileDescriptors: number): number =>
      connectionLimits({ memoryBytes, fileDescriptors }).connectionsMax;
    expect(max(64 * GIB, 1_000_000)).toBe(300);
    expect(max(64 * GIB, 400)).toBe(100);
    expect(max(1 * GIB, 100_000)).toBe(32);
    expect(max(16 * 1024 * 1024, 16)).toBe(8);
  });
});

describe('addresses of peers', () => {
  it('have one form', () => {
    const id = '12D3KooWNN6ozXZXb56dePQrEnpb6vp4xPUqgvK3aYsXHj2sthYS';
    expect(parseAddress(`/ip4/1.2.3.4/tcp/99/p2p/${id}`)).toEqual({
      host: '1.2.3.4',
      port: 99,
      peer: id,
    });
    expect(parseAddress('/ip6/2001:4860::1/tcp/1')).toMatchObject({ host: '2001:4860::1' });
    for (const bad of [
      '',
      '/dns4/example.org/tcp/1',
      '/ip4/1.2.3.4/udp/1',
      '/ip4/1.2.3/tcp/1',
      '/ip4/1.2.3.4/tcp/0',
      '/ip4/1.2.3.4/tcp/65536',
      '/ip4/::1/tcp/1',
      '/ip6/1.2.3.4/tcp/1',
      '/ip4/1.2.3.4/tcp/1/../../etc',
      '/ip4/1.2.3.4/tcp/1/p2p-circuit',
      `/ip4/1.2.3.4/tcp/1/p2p/${'1'.repeat(5000)}`,
    ])
      expect(() => parseAddress(bad), bad).toThrow(CodedError);
  });

  it.each([
    ['127.0.0.1', true],
    ['10.1.2.3', true],
    ['172.16.0.1', true],
    ['172.32.0.1', false],
    ['192.168.1.1', true],
    ['169.254.169.254', true],
    ['100.64.0.1', true],
    ['0.0.0.0', true],
    ['224.0.0.1', true],
    ['8.8.8.8', false],
    ['::1', true],
    ['::', true],
    ['fe80::1', true],
    ['fd00::1', true],
    ['::ffff:10.0.0.1', true],
    ['::ffff:8.8.8.8', false],
    ['64:ff9b::a00:1', true],
    ['2002:a00:1::', true],
    ['2001:db8::1', true],
    ['2001:4860:4860::8888', false],
  ])('%s is private: %s', (host, isPrivate) => {
    expect(isPrivateHost(host)).toBe(isPrivate);
  });
});

describe('the peer book', () => {
  it('cuts a liar off at once, whatever its record, and lets it back after the ban', async () => {
    const clock = new VirtualClock();
    const book = new PeerBook(clock, { banMs: 1000 });
    connect(book);
    for (let i = 0; i < 1000; i++) book.report(peer, 'useful');
    expect(book.score(peer)).toBe(100);
    expect(book.report(peer, 'lied')).toBe(true);
    expect(book.isBanned(peer)).toBe(true);
    expect(book.ready()).toEqual([]);
    await clock.run(clock.sleep(1001));
    expect(book.isBanned(peer)).toBe(false);
  });

  it('lets a silent peer rest, forgives it in time, and cuts it off when it stays silent', async () => {
    const clock = new VirtualClock();
    const book = new PeerBook(clock, { restMs: 100 });
    connect(book);
    expect(book.report(peer, 'silent')).toBe(false);
    expect(book.askable()).toEqual([]);
    expect(book.ready().length).toBe(1);
    await clock.run(clock.sleep(101));
    expect(book.askable().length).toBe(1);
    await clock.run(clock.sleep(600_000));
    expect(book.score(peer)).toBeGreaterThan(-11);
    const cut: boolean[] = [];
    for (let i = 0; i < 6; i++) {
      // Three requests that were open together fail together: one silence.
      cut.push([1, 2, 3].map(() => book.report(peer, 'silent')).some(Boolean));
      await clock.run(clock.sleep(101));
    }
    expect(cut).toEqual([false, false, false, false, true, false]);
  });

  it('remembers a bounded number, bans longest', () => {
    const book = new PeerBook(new VirtualClock(), { peersMax: 3 });
    const names = ['a', 'b', 'c', 'd', 'e'] as PeerId[];
    book.report(names[0]!, 'lied');
    connect(book, names[1]);
    for (const name of names.slice(2)) book.report(name, 'useful');
    expect(book.all().length).toBe(3);
    expect(book.isBanned(names[0]!)).toBe(true);
    expect(book.get(names[1]!)?.connection).toBeDefined();
  });

  it('forgets the handshake with the connection', () => {
    const book = new PeerBook(new VirtualClock());
    connect(book);
    book.disconnected(peer);
    expect(book.ready()).toEqual([]);
  });
});

describe('rate limits', () => {
  it('spread bytes over time in the order of the callers', async () => {
    const clock = new VirtualClock();
    const rate = new RateLimit(clock, 1000);
    const done: string[] = [];
    const take = async (name: string, count: number): Promise<void> => {
      await rate.take(count);
      done.push(`${name}@${Math.round(clock.monotonic())}`);
    };
    await clock.run(Promise.all([take('a', 1000), take('b', 500), take('c', 4000), take('d', 1)]));
    expect(done).toEqual(['a@0', 'b@500', 'c@1500', 'd@4501']);
  });

  it('an aborted wait does not hold up the next', async () => {
    const clock = new VirtualClock();
    const rate = new RateLimit(clock, 1000);
    const abort = new AbortController();
    await rate.take(1000);
    const first = rate.take(1000, abort.signal);
    const second = rate.take(100);
    abort.abort(new Error('enough'));
    await expect(first).rejects.toThrow('enough');
    await clock.run(second);
    expect(clock.monotonic()).toBeLessThanOrEqual(100);
  });
});

describe('the location cache', () => {
  const root = `0x${'11'.repeat(32)}` as never;
  const at = (name: string) => ({
    peer: name as PeerId,
    shard: { shardId: 0, numShard: 1 },
    addresses: [],
  });

  it('bounds files and peers, drops liars, ages, and keeps forks apart', async () => {
    const clock = new VirtualClock();
    const cache = new LocationCache(clock, { filesMax: 2, peersPerFileMax: 2, ttlMs: 1000 });
    for (const name of ['a', 'b', 'c', 'c']) cache.add({ txSeq: 1, root }, at(name));
    expect(cache.get({ txSeq: 1, root }).map(({ peer: name }) => name)).toEqual(['b', 'c']);
    expect(cache.get({ txSeq: 1, root: `0x${'22'.repeat(32)}` as never })).toEqual([]);
    cache.drop('b' as PeerId);
    expect(cache.get({ txSeq: 1, root }).map(({ peer: name }) => name)).toEqual(['c']);
    cache.add({ txSeq: 2, root }, at('a'));
    cache.add({ txSeq: 3, root }, at('a'));
    expect(cache.size).toBe(2);
    expect(cache.get({ txSeq: 1, root })).toEqual([]);
    await clock.run(clock.sleep(1001));
    expect(cache.get({ txSeq: 3, root })).toEqual([]);
  });
});
