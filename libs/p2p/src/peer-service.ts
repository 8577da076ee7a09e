/*
 * Everything between a node and its peers: keeps connections to the configured and discovered ones, greets each, and
 * offers the exchange and the gossip. The node talks to this class; the transport is behind `PeerNetwork`.
 */
import { type Clock, errorMessage, type Logger, Loop, type RandomSource } from '@cairn/base';
import { EXCHANGE_DEFAULTS, Exchange, type ExchangeOptions } from './exchange.ts';
import type { FileSource } from './files/file-source.ts';
import { LocationCache } from './files/location-cache.ts';
import { FileGossip } from './gossip.ts';
import type { FileName } from './messages/gossip.ts';
import type { NetworkIdentity } from './messages/status.ts';
import type { PeerConnection, PeerId, PeerNetwork } from './network.ts';
import { parseAddress } from './peers/address.ts';
import { PeerBook, type PeerBookOptions } from './peers/peer-book.ts';

export type PeerServiceDeps = {
  network: PeerNetwork;
  source: FileSource;
  clock: Clock;
  random: RandomSource;
  log: Logger;
  onServed?: ((bytes: number) => void) | undefined;
  onCutOff?: ((peer: PeerId) => void) | undefined;
};
export type PeerServiceOptions = {
  identity: NetworkIdentity;
  /** Addresses that are always tried again. */
  bootNodes: readonly string[];
  /** Discovered peers are dialled while fewer than this are connected. */
  targetPeers: number;
  /** Pause between looks at the connections. */
  keepMs: number;
  /** Least pause between two searches for more peers. */
  discoverMs: number;
  /** How long a peer may take to greet. */
  greetMs: number;
  exchange?: Partial<Omit<ExchangeOptions, 'identity'>> | undefined;
  book?: Partial<PeerBookOptions> | undefined;
};
export const PEER_SERVICE_DEFAULTS: Omit<PeerServiceOptions, 'identity' | 'bootNodes'> = {
  targetPeers: 50,
  keepMs: 2000,
  discoverMs: 30_000,
  greetMs: 10_000,
};

/** Discovered addresses that wait to be dialled. */
const CANDIDATES_MAX = 256;

export class PeerService {
  readonly book: PeerBook;
  readonly locations: LocationCache;
  readonly exchange: Exchange;
  readonly #deps: PeerServiceDeps;
  readonly #options: PeerServiceOptions;
  readonly #gossip: FileGossip;
  readonly #keeper: Loop;
  readonly #candidates = new Map<PeerId, string>();
  /** Who answered at the addresses of boot nodes. */
  readonly #bootPeers = new Map<string, PeerId>();
  readonly #greeting = new Set<Promise<void>>();
  readonly #abort = new AbortController();
  #discoveredAt = Number.NEGATIVE_INFINITY;
  readonly #onPeer: ((peer: PeerId) => void)[] = [];
  readonly #onLocation: ((file: FileName, peer: PeerId) => void)[] = [];

  constructor(deps: PeerServiceDeps, options: PeerServiceOptions) {
    this.#deps = deps;
    this.#options = options;
    const { network, source, clock, random, log } = deps;
    this.book = new PeerBook(clock, options.book);
    this.locations = new LocationCache(clock);
    this.exchange = new Exchange(
      {
        network,
        source,
        book: this.book,
        clock,
        log,
        onServed: deps.onServed,
        onCutOff: (peer) => {
          this.locations.drop(peer);
          deps.onCutOff?.(peer);
        },
      },
      { ...EXCHANGE_DEFAULTS, ...options.exchange, identity: options.identity },
    );
    this.#gossip = new FileGossip(
      {
        network,
        source,
        locations: this.locations,
        clock,
        random,
        log,
        onLocation: (file, peer) => {
          for (const listener of this.#onLocation) listener(file, peer);
        },
      },
      options.identity,
    );
    this.#keeper = new Loop((signal) => this.#keep(signal), {
      name: 'peer keeper',
      intervalMs: options.keepMs,
      clock,
      onError: (error) => log.warn({ error: errorMessage(error) }, 'keeping peers failed'),
    });
    network.onConnect((connection) => this.#connected(connection));
    network.onDisconnect((peer) => this.book.disconnected(peer));
    network.onDiscover((addresses, peer) => this.#discovered(addresses, peer));
  }

  get peerId(): PeerId {
    return this.#deps.network.peerId;
  }

  addresses(): string[] {
    return this.#deps.network.addresses();
  }

  async start(): Promise<void> {
    await this.#deps.network.start();
    this.#keeper.start();
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#keeper.stop();
    await this.#gossip.stop();
    await Promise.all(this.#greeting);
    await this.#deps.network.stop();
  }

  /** Called when a peer was greeted. */
  onPeer(listener: (peer: PeerId) => void): void {
    this.#onPeer.push(listener);
  }

  /** Called when a peer said that it holds a file. */
  onLocation(listener: (file: FileName, peer: PeerId) => void): void {
    this.#onLocation.push(listener);
  }

  newFile(file: FileName): Promise<void> {
    return this.#gossip.newFile(file);
  }

  findFile(file: FileName): Promise<void> {
    return this.#gossip.findFile(file);
  }

  /** Greets everybody again, after the shard changed. */
  async refresh(): Promise<void> {
    await Promise.allSettled(
      this.book.ready().map(({ peer }) => this.exchange.handshake(peer, this.#abort)),
    );
  }

  /** Dials the holders of a file that are not connected; resolves when all were tried. */
  async connectTo(file: FileName, options: { signal?: AbortSignal | undefined }): Promise<void> {
    const away = this.locations
      .get(file)
      .filter(({ peer }) => !this.book.get(peer)?.connection && !this.book.isBanned(peer));
    await Promise.allSettled(
      away.flatMap(({ peer, addresses }) =>
        addresses.slice(0, 1).map(async (address) => {
          // The announcement was signed by `peer`, so an address of somebody else in it is not followed.
          if ((parseAddress(address).peer ?? peer) !== peer) return;
          await this.#deps.network.dial(address, options);
        }),
      ),
    );
  }

  #connected(connection: PeerConnection): void {
    const { peer } = connection;
    this.book.connected(connection);
    const greeting = this.#greet(peer).finally(() => this.#greeting.delete(greeting));
    this.#greeting.add(greeting);
  }

  async #greet(peer: PeerId): Promise<void> {
    const { log, network } = this.#deps;
    try {
      const signal = AbortSignal.any([
        this.#abort.signal,
        AbortSignal.timeout(this.#options.greetMs),
      ]);
      const { shard } = await this.exchange.handshake(peer, { signal });
      log.debug({ peer, shard: `${shard.shardId}/${shard.numShard}` }, 'peer greeted');
      for (const listener of this.#onPeer) listener(peer);
    } catch (error) {
      log.debug({ peer, error: errorMessage(error) }, 'a peer did not greet');
      // It may have greeted us meanwhile; a peer without a status is of no use and takes a place.
      if (this.book.get(peer)?.status) return;
      await network.disconnect(peer).catch(() => {});
    }
  }

  #discovered(addresses: readonly string[], peer: PeerId): void {
    const [address] = addresses;
    if (!address || this.book.isBanned(peer) || this.#candidates.size >= CANDIDATES_MAX) return;
    if (!this.book.get(peer)?.connection) this.#candidates.set(peer, address);
  }

  async #keep(signal: AbortSignal): Promise<void> {
    const connected = new Set(this.#deps.network.connections().map(({ peer }) => peer));
    const dials: string[] = this.#options.bootNodes.filter((address) => {
      const peer = parseAddress(address).peer ?? this.#bootPeers.get(address);
      return peer === undefined || (peer !== this.peerId && !connected.has(peer));
    });
    for (const [peer, address] of this.#candidates) {
      if (connected.size + dials.length >= this.#options.targetPeers) break;
      this.#candidates.delete(peer);
      if (!connected.has(peer) && !this.book.isBanned(peer)) dials.push(address);
    }
    await Promise.allSettled(
      dials.map(async (address) => {
        this.#bootPeers.set(address, await this.#deps.network.dial(address, { signal }));
      }),
    );
    for (const address of this.#bootPeers.keys())
      if (!this.#options.bootNodes.includes(address)) this.#bootPeers.delete(address);
    if (connected.size === 0 || connected.size >= this.#options.targetPeers) return;
    const now = this.#deps.clock.monotonic();
    if (now - this.#discoveredAt < this.#options.discoverMs) return;
    this.#discoveredAt = now;
    await this.#deps.network.discover({ signal }).catch((error: unknown) => {
      this.#deps.log.debug({ error: errorMessage(error) }, 'looking for peers failed');
    });
  }
}
