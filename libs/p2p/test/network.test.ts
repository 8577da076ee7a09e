// One suite for both networks: what the rest of the package relies on.
import { CodedError, concatBytes, silentLogger, systemClock, systemRandom } from '@cairn/base';
import { afterEach, describe, expect, it } from 'vitest';
import { MemoryHub } from '../src/index.ts';
import { createLibp2pNetwork } from '../src/libp2p/index.ts';
import type { PeerNetwork, ProtocolSpec } from '../src/network.ts';

const ECHO: ProtocolSpec = {
  name: '/test/echo/1',
  requestBytesMax: 100,
  answerBytesMax: 3_000_000,
  inFlightPerPeerMax: 4,
};
const TOPIC = '/test/topic';

const started: PeerNetwork[] = [];
afterEach(async () => {
  await Promise.all(started.splice(0).map((network) => network.stop()));
});

const until = async (condition: () => boolean): Promise<void> => {
  const deadline = performance.now() + 10_000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('gave up waiting');
    await systemClock.sleep(10);
  }
};

type Make = () => Promise<PeerNetwork>;
const libp2pNetwork = (options: { allowPrivate?: boolean } = {}): Promise<PeerNetwork> =>
  createLibp2pNetwork(
    { log: silentLogger },
    {
      seed: systemRandom.bytes(32),
      listen: ['/ip4/127.0.0.1/tcp/0'],
      announce: [],
      allowPrivate: options.allowPrivate ?? true,
      bootNodes: [],
      limits: { connectionsMax: 32, inboundPerHostPerSecond: 100, dialsMax: 8 },
      agent: 'cairn/test',
      dhtName: 'test',
    },
  );

const makers: [string, () => Make][] = [
  [
    'memory',
    () => {
      const hub = new MemoryHub(systemClock, systemRandom);
      let count = 0;
      return async () => hub.create(`node-${count++}`);
    },
  ],
  ['libp2p', () => libp2pNetwork],
];

async function start(
  make: Make,
  setUp: (network: PeerNetwork) => void = () => {},
): Promise<PeerNetwork> {
  const network = await make();
  setUp(network);
  await network.start();
  started.push(network);
  return network;
}

describe.each(makers)('a %s network', (_name, maker) => {
  it('answers requests of many sizes, several at once, each with its own answer', async () => {
    const make = maker();
    const server = await start(make, (network) =>
      network.handle(ECHO, async ({ body }) => {
        const size = new DataView(body.buffer, body.byteOffset).getUint32(0, true);
        const part = new Uint8Array(size).fill(body[4]!);
        return [part.subarray(0, size >> 1), part.subarray(size >> 1)];
      }),
    );
    const client = await start(make);
    expect(await client.dial(server.addresses()[0]!)).toBe(server.peerId);
    const ask = async (size: number, fill: number): Promise<void> => {
      const body = new Uint8Array(5);
      new DataView(body.buffer).setUint32(0, size, true);
      body[4] = fill;
      const answer = await client.request(server.peerId, ECHO, body, { idleMs: 5000 });
      expect(answer.length).toBe(size);
      expect(answer.every((byte) => byte === fill)).toBe(true);
    };
    await Promise.all([0, 1, 255, 2_900_000].map((size, i) => ask(size, i + 1)));
    await Promise.all([65_536, 262_144, 1_048_576].map((size, i) => ask(size, i + 9)));
  });

  it('names refusals, silence, messages that are too long, and peers that are not there', async () => {
    const make = maker();
    const never = Promise.withResolvers<Uint8Array[]>();
    const server = await start(make, (network) => {
      network.handle(ECHO, async ({ body }) => {
        if (body[0] === 1)
          throw new CodedError({ code: 'P2P_REFUSED', kind: 'not_found', message: 'no such file' });
        if (body[0] === 2) return never.promise;
        if (body[0] === 3) throw new Error('secret path /etc');
        return [new Uint8Array(ECHO.answerBytesMax + 1)];
      });
    });
    const client = await start(make);
    await client.dial(server.addresses()[0]!);
    const ask = (first: number, idleMs = 5000): Promise<Uint8Array> =>
      client.request(server.peerId, ECHO, Uint8Array.of(first), { idleMs });
    await expect(ask(1)).rejects.toMatchObject({ code: 'P2P_REFUSED', kind: 'not_found' });
    await expect(ask(2, 200)).rejects.toMatchObject({ code: 'P2P_TIMEOUT', kind: 'timeout' });
    await expect(ask(3)).rejects.toMatchObject({ code: 'P2P_REFUSED', kind: 'unavailable' });
    await expect(ask(3)).rejects.not.toThrow('secret');
    await expect(ask(4)).rejects.toMatchObject({ code: 'P2P_TOO_LONG', kind: 'invalid' });
    await expect(
      client.request(server.peerId, ECHO, new Uint8Array(101), { idleMs: 1000 }),
    ).rejects.toBeInstanceOf(CodedError);
    await expect(
      client.request(client.peerId, ECHO, new Uint8Array(1), { idleMs: 1000 }),
    ).rejects.toMatchObject({ code: 'P2P_NO_CONNECTION' });
    never.resolve([]);
  });

  it('tells of connections and their end; a banned peer stays out', async () => {
    const make = maker();
    const seen: string[] = [];
    const server = await start(make, (network) => {
      network.onConnect(({ peer, direction }) => seen.push(`+${peer}/${direction}`));
      network.onDisconnect((peer) => seen.push(`-${peer}`));
    });
    const client = await start(make);
    await client.dial(server.addresses()[0]!);
    await until(() => seen.length === 1);
    expect(server.connections().map(({ peer }) => peer)).toEqual([client.peerId]);
    await server.ban(client.peerId, 60_000);
    await until(() => seen.length === 2 && client.connections().length === 0);
    expect(seen).toEqual([`+${client.peerId}/inbound`, `-${client.peerId}`]);
    await client.dial(server.addresses()[0]!).catch(() => {});
    await until(() => server.connections().length === 0 && client.connections().length === 0);
  });

  it('spreads gossip over neighbours under the name of its author, once', async () => {
    const make = maker();
    const heard: string[][] = [[], [], []];
    const nodes: PeerNetwork[] = [];
    for (let i = 0; i < 3; i++) {
      nodes.push(
        await start(make, (network) =>
          network.subscribe(TOPIC, ({ from, data }) => {
            heard[i]!.push(`${from}:${new TextDecoder().decode(data)}`);
            return 'accept';
          }),
        ),
      );
    }
    const [a, b, c] = nodes as [PeerNetwork, PeerNetwork, PeerNetwork];
    await a.dial(b.addresses()[0]!);
    await b.dial(c.addresses()[0]!);
    let sent = 0;
    // Subscriptions travel too: until they have, nobody is asked to pass anything on.
    await until(() => {
      void a.publish(TOPIC, concatBytes(new TextEncoder().encode(`m${sent++}`)));
      return heard[2]!.length > 0;
    });
    expect(heard[2]![0]!.startsWith(`${a.peerId}:m`)).toBe(true);
    expect(new Set(heard[2]).size).toBe(heard[2]!.length);
    expect(heard[0]).toEqual([]);
  });
});

describe('libp2p', () => {
  it('does not dial private addresses unless allowed', async () => {
    const server = await start(() => libp2pNetwork());
    const client = await start(() => libp2pNetwork({ allowPrivate: false }));
    await expect(client.dial(server.addresses()[0]!)).rejects.toMatchObject({
      code: 'P2P_PRIVATE_ADDRESS',
    });
    expect(client.addresses()).toEqual([]);
    for (const address of ['/dns4/localhost/tcp/80', '/ip4/127.0.0.1/udp/1', 'http://x', ''])
      await expect(client.dial(address)).rejects.toMatchObject({ code: 'P2P_ADDRESS' });
  });

  it('finds peers of peers', async () => {
    const found: string[] = [];
    const nodes = [await start(() => libp2pNetwork()), await start(() => libp2pNetwork())];
    const third = await start(
      () => libp2pNetwork(),
      (network) => network.onDiscover((addresses, peer) => addresses[0] && found.push(peer)),
    );
    await nodes[1]!.dial(nodes[0]!.addresses()[0]!);
    await third.dial(nodes[0]!.addresses()[0]!);
    const { signal } = new AbortController();
    await until(() => {
      void third.discover({ signal }).catch(() => {});
      return found.includes(nodes[1]!.peerId);
    });
  });
});
