// What this package needs of a network: named peers, requests with one answer, and gossip. Two implementations stand beside
// it: libp2p (`@cairn/p2p/libp2p`) and one in memory that loses, delays and cuts by a seed.
import type { Brand } from '@cairn/base';

/** Name of a peer: base58 of its public key's hash, checked by the transport's handshake. */
export type PeerId = Brand<string, 'PeerId'>;

export type PeerDirection = 'inbound' | 'outbound';

/** One open connection. */
export type PeerConnection = {
  peer: PeerId;
  direction: PeerDirection;
  /** Multiaddr of the other end, `/ip4/1.2.3.4/tcp/1234`. */
  address: string;
};

/** What becomes of a gossip message: passed on, dropped, or dropped and held against the sender. */
export type GossipVerdict = 'accept' | 'ignore' | 'reject';
/** `from` signed the message, `via` handed it to us. `data` is a view, valid during the call. */
export type GossipHandler = (message: {
  from: PeerId;
  via: PeerId;
  data: Uint8Array;
}) => GossipVerdict;

/**
 * Answers one request. The parts of the answer are sent in order without being copied; they must not change afterwards.
 * A `CodedError` becomes a refusal that keeps its kind; anything else becomes `unavailable`.
 */
export type RequestHandler = (request: {
  peer: PeerId;
  body: Uint8Array;
  signal: AbortSignal;
}) => Promise<readonly Uint8Array[]>;

/** Sizes of one protocol, the same on both sides. Bytes. */
export type ProtocolSpec = {
  /** `/cairn/name/version`. */
  name: string;
  requestBytesMax: number;
  answerBytesMax: number;
  /** Requests that one peer may have open with us at once. */
  inFlightPerPeerMax: number;
};

/**
 * Guarantees: a peer's id is authenticated; an answer is the one to its request; a message longer than its protocol
 * allows is never buffered whole; callbacks are not called after `stop`. Nothing is guaranteed about what a peer says.
 * Requests throw `P2P_NO_CONNECTION`, `P2P_TIMEOUT`, `P2P_CLOSED`, `P2P_TOO_LONG`, `P2P_REFUSED`, `P2P_UNSUPPORTED`.
 */
export interface PeerNetwork extends AsyncDisposable {
  readonly peerId: PeerId;
  /** Addresses others may dial, with our id. */
  addresses(): string[];
  start(): Promise<void>;
  stop(): Promise<void>;
  connections(): PeerConnection[];
  onConnect(listener: (connection: PeerConnection) => void): void;
  onDisconnect(listener: (peer: PeerId) => void): void;
  /** Addresses of peers that discovery came upon; whether to dial them is the caller's decision. */
  onDiscover(listener: (addresses: readonly string[], peer: PeerId) => void): void;
  /** Looks for peers around a random point of the network; what it finds comes through `onDiscover`. */
  discover(options: { signal: AbortSignal }): Promise<void>;
  /** What is known of a peer beyond its connection; empty for strangers. */
  describe(peer: PeerId): Promise<{ agent: string | undefined; addresses: string[] }>;
  /** Connects to an address that ends in `/p2p/<id>` or not. Throws `P2P_DIAL`, `P2P_PRIVATE_ADDRESS`. */
  dial(address: string, options?: { signal?: AbortSignal | undefined }): Promise<PeerId>;
  /** Closes all connections to a peer. */
  disconnect(peer: PeerId): Promise<void>;
  /** Refuses connections of this peer both ways for a time. */
  ban(peer: PeerId, durationMs: number): Promise<void>;
  handle(protocol: ProtocolSpec, handler: RequestHandler): void;
  /** One request, one answer (a new array). `idleMs` is how long the peer may send nothing at all. */
  request(
    peer: PeerId,
    protocol: ProtocolSpec,
    body: Uint8Array,
    options: { idleMs: number; signal?: AbortSignal | undefined },
  ): Promise<Uint8Array>;
  /** Takes part in a topic. Must be called before `start`. */
  subscribe(topic: string, handler: GossipHandler): void;
  /** Publishes under our name; nobody listening is not an error. */
  publish(topic: string, data: Uint8Array): Promise<void>;
}
