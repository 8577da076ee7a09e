/*
 * `PeerNetwork` over libp2p: TCP, noise, yamux; identify and ping; gossipsub for topics, kad-dht for discovery.
 *
 * Our requests are one stream each (messages/answer.ts). The yamux window is ours too: a sender believes that the receiver
 * grants `WINDOW_BYTES` from the start, so both ends must use the same number; it is part of protocol version 1.
 */
import { errorMessage, type Logger, systemRandom } from '@cairn/base';
import { type GossipSub, gossipsub, TopicValidatorResult } from '@libp2p/gossipsub';
import { type Identify, identify } from '@libp2p/identify';
import type {
  Connection,
  Libp2p,
  PeerId as Libp2pPeerId,
  PeerInfo,
  Stream,
} from '@libp2p/interface';
import {
  type KadDHT,
  kadDHT,
  passthroughMapper,
  removePrivateAddressesMapper,
} from '@libp2p/kad-dht';
import { noise } from '@libp2p/noise';
import { peerIdFromString } from '@libp2p/peer-id';
import { type Ping, ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p } from 'libp2p';
import { p2pError } from '../errors.ts';
import {
  ANSWER_HEAD_BYTES,
  answerHead,
  encodeRefusal,
  REQUEST_HEAD_BYTES,
  refusalError,
} from '../messages/answer.ts';
import { GOSSIP_BYTES_MAX } from '../messages/gossip.ts';
import type {
  GossipHandler,
  GossipVerdict,
  PeerConnection,
  PeerId,
  PeerNetwork,
  ProtocolSpec,
  RequestHandler,
} from '../network.ts';
import { isPrivateHost, parseAddress } from '../peers/address.ts';
import type { ConnectionLimits } from '../peers/limits.ts';
import { privateKeyFromSeed } from './identity.ts';
import { readMessage, writeMessage } from './stream-message.ts';

export type Libp2pNetworkOptions = {
  /** 32 secret bytes; the peer id follows from them. */
  seed: Uint8Array;
  /** `/ip4/0.0.0.0/tcp/1234`; port 0 takes any. Empty: only dials out. */
  listen: readonly string[];
  /** Addresses to tell others instead of those listened on, for nodes behind a mapped port. */
  announce: readonly string[];
  /** Dial and tell private addresses, for networks on one machine or one LAN. */
  allowPrivate: boolean;
  /** Addresses that may be dialled whatever they are: the operator named them. */
  bootNodes: readonly string[];
  limits: ConnectionLimits;
  /** Name and version others see. */
  agent: string;
  /** Distinguishes the DHTs of different networks. */
  dhtName: string;
};

const WINDOW_BYTES = 1024 * 1024;
const WINDOW_BYTES_MAX = 4 * 1024 * 1024;
/** A request is tiny; who needs longer than this to send it is not served. */
const REQUEST_IDLE_MS = 5000;
/** How long a peer may take to fetch an answer. */
const ANSWER_MS = 30_000;
/** Answers that were prepared and not fetched yet; beyond it requests are refused as busy. */
const UNSENT_BYTES_MAX = 64 * 1024 * 1024;
const BANS_MAX = 4096;
const DIAL_MS = 5000;

const VERDICTS: Record<GossipVerdict, TopicValidatorResult> = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
};

type Services = { identify: Identify; ping: Ping; pubsub: GossipSub; dht: KadDHT };
type Handler = { spec: ProtocolSpec; handler: RequestHandler };

/** Creates a node that does not listen yet. */
export async function createLibp2pNetwork(
  deps: { log: Logger },
  options: Libp2pNetworkOptions,
): Promise<PeerNetwork> {
  const privateKey = await privateKeyFromSeed(options.seed);
  const bans = new Map<string, number>();
  const isBanned = (peer: Libp2pPeerId): boolean =>
    (bans.get(peer.toString()) ?? 0) > performance.now();
  const named = new Set(options.bootNodes.map((address) => hostAndPort(address)));
  const isForbidden = (address: string): boolean => {
    if (options.allowPrivate) return false;
    try {
      const { host, port } = parseAddress(address);
      return isPrivateHost(host) && !named.has(`${host}/${port}`);
    } catch {
      return true; // names, relays and other transports are not dialled
    }
  };
  const node = await createLibp2p<Services>({
    privateKey,
    start: false,
    nodeInfo: { userAgent: options.agent },
    addresses: {
      listen: [...options.listen],
      announce: [...options.announce],
      announceFilter: (addresses) =>
        addresses.filter((address) => !isForbidden(address.toString())),
    },
    transports: [tcp({ maxConnections: options.limits.connectionsMax, backlog: 64 })],
    connectionEncrypters: [noise()],
    streamMuxers: [
      yamux({
        streamOptions: {
          initialStreamWindowSize: WINDOW_BYTES,
          maxStreamWindowSize: WINDOW_BYTES_MAX,
        },
      }),
    ],
    connectionManager: {
      maxConnections: options.limits.connectionsMax,
      maxParallelDials: options.limits.dialsMax,
      maxIncomingPendingConnections: options.limits.dialsMax,
      inboundConnectionThreshold: options.limits.inboundPerHostPerSecond,
      dialTimeout: DIAL_MS,
    },
    connectionGater: {
      denyDialPeer: isBanned,
      denyDialMultiaddr: (address) => isForbidden(address.toString()),
      denyInboundEncryptedConnection: isBanned,
      filterMultiaddrForPeer: (_peer, address) => !isForbidden(address.toString()),
    },
    services: {
      identify: identify(),
      ping: ping(),
      pubsub: gossipsub({
        allowPublishToZeroTopicPeers: true,
        ignoreDuplicatePublishError: true,
        maxInboundDataLength: GOSSIP_BYTES_MAX,
        maxTopicBytesPerPeer: 16 * 1024,
      }),
      dht: kadDHT({
        protocol: `/cairn/${options.dhtName}/kad/1`,
        clientMode: false,
        peerInfoMapper: options.allowPrivate ? passthroughMapper : removePrivateAddressesMapper,
      }),
    },
  });
  return new Libp2pNetwork(node, deps.log, bans);
}

function hostAndPort(address: string): string {
  const { host, port } = parseAddress(address);
  return `${host}/${port}`;
}

class Libp2pNetwork implements PeerNetwork {
  readonly peerId: PeerId;
  readonly #node: Libp2p<Services>;
  readonly #log: Logger;
  readonly #bans: Map<string, number>;
  readonly #topics = new Set<string>();
  readonly #discoverListeners: ((addresses: readonly string[], peer: PeerId) => void)[] = [];
  readonly #handlers: Handler[] = [];
  readonly #abort = new AbortController();
  #unsentBytes = 0;

  constructor(node: Libp2p<Services>, log: Logger, bans: Map<string, number>) {
    this.#node = node;
    this.#log = log;
    this.#bans = bans;
    this.peerId = node.peerId.toString() as PeerId;
  }

  addresses(): string[] {
    return this.#node.getMultiaddrs().map((address) => address.toString());
  }

  async start(): Promise<void> {
    for (const { spec, handler } of this.#handlers) {
      await this.#node.handle(
        spec.name,
        (stream, connection) => this.#answer(stream, connection, spec, handler),
        {
          maxInboundStreams: spec.inFlightPerPeerMax,
          maxOutboundStreams: spec.inFlightPerPeerMax,
        },
      );
    }
    this.#node.addEventListener('peer:discovery', ({ detail }) => this.#discovered(detail));
    try {
      await this.#node.start();
    } catch (error) {
      throw p2pError('P2P_LISTEN', 'cannot listen for peers', { cause: error });
    }
    for (const topic of this.#topics) this.#node.services.pubsub.subscribe(topic);
  }

  async stop(): Promise<void> {
    this.#abort.abort(p2pError('P2P_CLOSED', 'the network stopped', { kind: 'cancelled' }));
    await this.#node.stop();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  connections(): PeerConnection[] {
    const byPeer = new Map<string, PeerConnection>();
    for (const connection of this.#node.getConnections())
      if (connection.status === 'open') {
        const entry = toConnection(connection);
        if (!byPeer.has(entry.peer)) byPeer.set(entry.peer, entry);
      }
    return [...byPeer.values()];
  }

  onConnect(listener: (connection: PeerConnection) => void): void {
    this.#node.addEventListener('peer:connect', ({ detail }) => {
      const [connection] = this.#node.getConnections(detail);
      if (connection) listener(toConnection(connection));
    });
  }

  onDisconnect(listener: (peer: PeerId) => void): void {
    this.#node.addEventListener('peer:disconnect', ({ detail }) =>
      listener(detail.toString() as PeerId),
    );
  }

  onDiscover(listener: (addresses: readonly string[], peer: PeerId) => void): void {
    this.#discoverListeners.push(listener);
  }

  async discover(options: { signal: AbortSignal }): Promise<void> {
    const point = systemRandom.bytes(32);
    for await (const info of this.#node.peerRouting.getClosestPeers(point, options))
      this.#discovered(info);
  }

  #discovered({ id, multiaddrs }: PeerInfo): void {
    if (multiaddrs.length === 0 || id.equals(this.#node.peerId)) return;
    const addresses = multiaddrs.map((address) => {
      const text = address.toString();
      return text.includes('/p2p/') ? text : `${text}/p2p/${id.toString()}`;
    });
    for (const listener of this.#discoverListeners) listener(addresses, id.toString() as PeerId);
  }

  async describe(peer: PeerId): Promise<{ agent: string | undefined; addresses: string[] }> {
    try {
      const known = await this.#node.peerStore.get(peerIdFromString(peer));
      const agent = known.metadata.get('AgentVersion');
      return {
        agent: agent && new TextDecoder().decode(agent.subarray(0, 256)),
        addresses: known.addresses.map((address) => address.multiaddr.toString()),
      };
    } catch {
      return { agent: undefined, addresses: [] };
    }
  }

  async dial(address: string, options: { signal?: AbortSignal | undefined } = {}): Promise<PeerId> {
    parseAddress(address);
    const signal = AbortSignal.any([
      this.#abort.signal,
      AbortSignal.timeout(DIAL_MS),
      ...(options.signal ? [options.signal] : []),
    ]);
    try {
      const connection = await this.#node.dial(multiaddr(address), { signal });
      return connection.remotePeer.toString() as PeerId;
    } catch (error) {
      const isDenied = error instanceof Error && error.name === 'DialDeniedError';
      throw p2pError(
        isDenied ? 'P2P_PRIVATE_ADDRESS' : 'P2P_DIAL',
        isDenied ? `not allowed to dial ${address}` : `cannot reach ${address}`,
        { cause: error },
      );
    }
  }

  async disconnect(peer: PeerId): Promise<void> {
    await this.#node.hangUp(peerIdFromString(peer));
  }

  async ban(peer: PeerId, durationMs: number): Promise<void> {
    if (this.#bans.size >= BANS_MAX) this.#bans.delete(this.#bans.keys().next().value ?? '');
    this.#bans.set(peer, performance.now() + durationMs);
    await this.disconnect(peer);
  }

  handle(spec: ProtocolSpec, handler: RequestHandler): void {
    this.#handlers.push({ spec, handler });
  }

  async request(
    peer: PeerId,
    protocol: ProtocolSpec,
    body: Uint8Array,
    options: { idleMs: number; signal?: AbortSignal | undefined },
  ): Promise<Uint8Array> {
    const signal = options.signal
      ? AbortSignal.any([options.signal, this.#abort.signal])
      : this.#abort.signal;
    const stream = await this.#open(peer, protocol, options.idleMs, signal);
    const prefix = new Uint8Array(REQUEST_HEAD_BYTES);
    new DataView(prefix.buffer).setUint32(0, body.length, true);
    const reading = readMessage(stream, {
      headBytes: ANSWER_HEAD_BYTES,
      bodyBytesMax: protocol.answerBytesMax,
      idleMs: options.idleMs,
      signal,
    });
    try {
      await Promise.all([reading, writeMessage(stream, [prefix, body], { signal, isLast: false })]);
    } catch (error) {
      reading.catch(() => {}); // the first of the two failures is the one to tell
      stream.abort(error instanceof Error ? error : new Error(String(error)));
      throw signal.aborted ? signal.reason : error;
    }
    const { head, body: answer } = await reading;
    stream.close({ signal: AbortSignal.timeout(REQUEST_IDLE_MS) }).catch(() => {
      stream.abort(new Error('not closed in time'));
    });
    if (head[0] !== 0) throw refusalError(head[0]!, answer);
    return answer;
  }

  subscribe(topic: string, handler: GossipHandler): void {
    this.#topics.add(topic);
    this.#node.services.pubsub.topicValidators.set(topic, (via, message) => {
      if (message.type !== 'signed') return TopicValidatorResult.Reject;
      return VERDICTS[
        handler({
          from: message.from.toString() as PeerId,
          via: via.toString() as PeerId,
          data: message.data,
        })
      ];
    });
  }

  async publish(topic: string, data: Uint8Array): Promise<void> {
    await this.#node.services.pubsub.publish(topic, data);
  }

  async #open(
    peer: PeerId,
    protocol: ProtocolSpec,
    idleMs: number,
    signal: AbortSignal,
  ): Promise<Stream> {
    const connection = this.#node
      .getConnections(peerIdFromString(peer))
      .find(({ status }) => status === 'open');
    if (!connection) throw p2pError('P2P_NO_CONNECTION', 'the peer is not connected');
    const late = AbortSignal.timeout(idleMs);
    try {
      return await connection.newStream(protocol.name, {
        signal: AbortSignal.any([signal, late]),
        maxOutboundStreams: protocol.inFlightPerPeerMax,
      });
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      if (late.aborted) throw p2pError('P2P_TIMEOUT', `no stream within ${idleMs} ms`);
      const name = error instanceof Error ? error.name : '';
      if (name === 'UnsupportedProtocolError')
        throw p2pError('P2P_UNSUPPORTED', `the peer does not speak ${protocol.name}`);
      if (name === 'TooManyOutboundProtocolStreamsError')
        throw p2pError('P2P_REFUSED', 'too many requests to one peer', { kind: 'exhausted' });
      throw p2pError('P2P_CLOSED', 'the connection was closed', { cause: error });
    }
  }

  async #answer(
    stream: Stream,
    connection: Connection,
    spec: ProtocolSpec,
    handler: RequestHandler,
  ): Promise<void> {
    const gone = new AbortController();
    const signal = AbortSignal.any([this.#abort.signal, gone.signal]);
    stream.addEventListener('close', () => gone.abort(p2pError('P2P_CLOSED', 'the peer left')));
    let reserved = 0;
    try {
      const { body } = await readMessage(stream, {
        headBytes: REQUEST_HEAD_BYTES,
        bodyBytesMax: spec.requestBytesMax,
        idleMs: REQUEST_IDLE_MS,
        signal,
      });
      const answer = await this.#prepare(
        { peer: connection.remotePeer.toString() as PeerId, body, signal },
        handler,
      );
      reserved = answer.reduce((sum, part) => sum + part.length, 0);
      this.#unsentBytes += reserved;
      await writeMessage(stream, answer, {
        signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
        isLast: true,
      });
    } catch (error) {
      this.#log.debug({ protocol: spec.name, error: errorMessage(error) }, 'no answer was sent');
      stream.abort(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#unsentBytes -= reserved;
    }
  }

  async #prepare(
    request: { peer: PeerId; body: Uint8Array; signal: AbortSignal },
    handler: RequestHandler,
  ): Promise<Uint8Array[]> {
    try {
      if (this.#unsentBytes > UNSENT_BYTES_MAX)
        throw p2pError('P2P_REFUSED', 'busy', { kind: 'exhausted' });
      const parts = await handler(request);
      const bytes = parts.reduce((sum, part) => sum + part.length, 0);
      return [answerHead(0, bytes), ...parts];
    } catch (error) {
      return [encodeRefusal(error)];
    }
  }
}

function toConnection(connection: Connection): PeerConnection {
  return {
    peer: connection.remotePeer.toString() as PeerId,
    direction: connection.direction,
    address: connection.remoteAddr.toString(),
  };
}
