/*
 * A network in one process. Messages take time, get lost, are cut or spoiled as the seed and the faults decide; everything
 * goes through the same bytes as on a wire. A run is repeated by its seed when the clock is virtual too.
 */
import { type Clock, type CodedError, concatBytes, type RandomSource } from '@cairn/base';
import { p2pError } from '../errors.ts';
import {
  ANSWER_HEAD_BYTES,
  checkedLength,
  encodeRefusal,
  refusalError,
} from '../messages/answer.ts';
import type {
  GossipHandler,
  PeerConnection,
  PeerId,
  PeerNetwork,
  ProtocolSpec,
  RequestHandler,
} from '../network.ts';

/** What goes wrong with messages; rates are shares of messages in [0, 1]. */
export type LinkFaults = {
  delayMsMin: number;
  delayMsMax: number;
  lossRate: number;
  /** Answers that end in the middle. */
  cutRate: number;
};
const HEALTHY: LinkFaults = { delayMsMin: 0, delayMsMax: 0, lossRate: 0, cutRate: 0 };
const timedOut = (idleMs: number): CodedError =>
  p2pError('P2P_TIMEOUT', `no answer within ${idleMs} ms`);
const GOSSIP_SEEN_MAX = 65_536;

export class MemoryHub {
  readonly clock: Clock;
  readonly random: RandomSource;
  faults: LinkFaults;
  readonly #nodes = new Map<string, MemoryNetwork>();
  /** Answers of these peers are rewritten before they arrive. */
  readonly liars = new Map<PeerId, (protocol: string, answer: Uint8Array) => Uint8Array>();
  /** These peers take requests and never answer. */
  readonly silent = new Set<PeerId>();
  readonly #cut = new Set<string>();

  constructor(clock: Clock, random: RandomSource, faults: Partial<LinkFaults> = {}) {
    this.clock = clock;
    this.random = random;
    this.faults = { ...HEALTHY, ...faults };
  }

  /** A node named `name`, at an address of its own. */
  create(name: string): MemoryNetwork {
    const number = this.#nodes.size + 1;
    const address = `/ip4/10.0.${number >> 8}.${number & 255}/tcp/1234`;
    const node = new MemoryNetwork(this, name as PeerId, address);
    this.#nodes.set(name, node);
    return node;
  }

  at(address: string): MemoryNetwork | undefined {
    return [...this.#nodes.values()].find((node) => node.addresses()[0] === address);
  }

  node(peer: PeerId): MemoryNetwork | undefined {
    return this.#nodes.get(peer);
  }

  /** Cuts or heals the link between two nodes; open connections go. */
  async partition(a: PeerId, b: PeerId, isCut: boolean): Promise<void> {
    const link = [a, b].sort().join('|');
    if (isCut) {
      this.#cut.add(link);
      await this.node(a)?.disconnect(b);
    } else this.#cut.delete(link);
  }

  isCut(a: PeerId, b: PeerId): boolean {
    return this.#cut.has([a, b].sort().join('|'));
  }

  async delay(): Promise<void> {
    const { delayMsMin, delayMsMax } = this.faults;
    const ms = delayMsMin + this.random.next() * (delayMsMax - delayMsMin);
    if (ms > 0) await this.clock.sleep(ms);
  }

  isLost(): boolean {
    return this.faults.lossRate > 0 && this.random.next() < this.faults.lossRate;
  }
}

export class MemoryNetwork implements PeerNetwork {
  readonly peerId: PeerId;
  readonly #hub: MemoryHub;
  readonly #address: string;
  readonly #connections = new Map<PeerId, PeerConnection>();
  readonly #handlers = new Map<string, { spec: ProtocolSpec; handler: RequestHandler }>();
  readonly #topics = new Map<string, GossipHandler>();
  readonly #banned = new Map<PeerId, number>();
  readonly #seen = new Set<string>();
  readonly #abort = new AbortController();
  readonly #connectListeners: ((connection: PeerConnection) => void)[] = [];
  readonly #disconnectListeners: ((peer: PeerId) => void)[] = [];
  #isUp = false;
  #published = 0;

  constructor(hub: MemoryHub, peerId: PeerId, address: string) {
    this.#hub = hub;
    this.peerId = peerId;
    this.#address = address;
  }

  addresses(): string[] {
    return [this.#address];
  }

  async start(): Promise<void> {
    this.#isUp = true;
  }

  async stop(): Promise<void> {
    this.#isUp = false;
    this.#abort.abort(p2pError('P2P_CLOSED', 'the network stopped', { kind: 'cancelled' }));
    await Promise.all([...this.#connections.keys()].map((peer) => this.disconnect(peer)));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  connections(): PeerConnection[] {
    return [...this.#connections.values()];
  }

  onConnect(listener: (connection: PeerConnection) => void): void {
    this.#connectListeners.push(listener);
  }

  onDisconnect(listener: (peer: PeerId) => void): void {
    this.#disconnectListeners.push(listener);
  }

  onDiscover(): void {
    // nobody discovers anybody here: tests say who is connected
  }

  async discover(): Promise<void> {}

  async describe(peer: PeerId): Promise<{ agent: string | undefined; addresses: string[] }> {
    const other = this.#hub.node(peer);
    return { agent: other && 'memory', addresses: other?.addresses() ?? [] };
  }

  async dial(address: string): Promise<PeerId> {
    const other = this.#hub.at(address);
    await this.#hub.delay();
    if (!other || !this.#mayReach(other)) throw p2pError('P2P_DIAL', `cannot reach ${address}`);
    this.#open(other, 'outbound');
    other.#open(this, 'inbound');
    return other.peerId;
  }

  async disconnect(peer: PeerId): Promise<void> {
    this.#close(peer);
    const other = this.#hub.node(peer);
    if (other) other.#close(this.peerId);
  }

  async ban(peer: PeerId, durationMs: number): Promise<void> {
    this.#banned.set(peer, this.#hub.clock.monotonic() + durationMs);
    await this.disconnect(peer);
  }

  handle(spec: ProtocolSpec, handler: RequestHandler): void {
    this.#handlers.set(spec.name, { spec, handler });
  }

  async request(
    peer: PeerId,
    protocol: ProtocolSpec,
    body: Uint8Array,
    options: { idleMs: number; signal?: AbortSignal | undefined },
  ): Promise<Uint8Array> {
    const { clock } = this.#hub;
    const signal = options.signal
      ? AbortSignal.any([options.signal, this.#abort.signal])
      : this.#abort.signal;
    signal.throwIfAborted();
    const other = this.#hub.node(peer);
    if (!other || !this.#connections.has(peer))
      throw p2pError('P2P_NO_CONNECTION', 'the peer is not connected');
    await this.#hub.delay();
    const isUnheard = this.#hub.silent.has(peer) || this.#hub.isLost() || this.#hub.isLost();
    if (isUnheard) {
      await clock.sleep(options.idleMs, signal);
      throw timedOut(options.idleMs);
    }
    const late = new AbortController();
    const wire = await Promise.race([
      other.#answer(this.peerId, protocol, body.slice(), signal),
      clock
        .sleep(options.idleMs, AbortSignal.any([signal, late.signal]))
        .then(() => Promise.reject(timedOut(options.idleMs))),
    ]).finally(() => late.abort(new Error('answered')));
    await this.#hub.delay();
    signal.throwIfAborted();
    if (!this.#connections.has(peer) || this.#hub.random.next() < this.#hub.faults.cutRate)
      throw p2pError('P2P_CLOSED', 'the answer ended too early');
    const length = checkedLength(wire, 1, protocol.answerBytesMax);
    const answer = wire.subarray(ANSWER_HEAD_BYTES, ANSWER_HEAD_BYTES + length);
    if (wire[0] !== 0) throw refusalError(wire[0]!, answer);
    return this.#hub.liars.get(peer)?.(protocol.name, answer.slice()) ?? answer.slice();
  }

  subscribe(topic: string, handler: GossipHandler): void {
    this.#topics.set(topic, handler);
  }

  async publish(topic: string, data: Uint8Array): Promise<void> {
    const id = `${this.peerId}/${this.#published++}`;
    this.#seen.add(id);
    this.#spread(topic, data.slice(), this.peerId, id);
  }

  #spread(topic: string, data: Uint8Array, from: PeerId, id: string): void {
    for (const peer of this.#connections.keys()) {
      const other = this.#hub.node(peer);
      if (!other || this.#hub.isLost()) continue;
      void this.#hub.delay().then(() => other.#hear(topic, data, { from, via: this.peerId, id }));
    }
  }

  #hear(topic: string, data: Uint8Array, origin: { from: PeerId; via: PeerId; id: string }): void {
    const handler = this.#topics.get(topic);
    if (!this.#isUp || !handler || this.#seen.has(origin.id)) return;
    if (this.#seen.size >= GOSSIP_SEEN_MAX) this.#seen.clear();
    this.#seen.add(origin.id);
    const verdict = handler({ from: origin.from, via: origin.via, data });
    if (verdict === 'accept') this.#spread(topic, data, origin.from, origin.id);
  }

  async #answer(
    peer: PeerId,
    protocol: ProtocolSpec,
    body: Uint8Array,
    signal: AbortSignal,
  ): Promise<Uint8Array> {
    const known = this.#handlers.get(protocol.name);
    try {
      if (!known) throw p2pError('P2P_UNSUPPORTED', `no handler for ${protocol.name}`);
      if (body.length > known.spec.requestBytesMax)
        throw p2pError('P2P_TOO_LONG', 'the request is too long');
      const parts = await known.handler({ peer, body, signal });
      const bytes = concatBytes(...parts);
      const out = new Uint8Array(ANSWER_HEAD_BYTES + bytes.length);
      new DataView(out.buffer).setUint32(1, bytes.length, true);
      out.set(bytes, ANSWER_HEAD_BYTES);
      return out;
    } catch (error) {
      return encodeRefusal(error);
    }
  }

  #open(other: MemoryNetwork, direction: PeerConnection['direction']): void {
    if (this.#connections.has(other.peerId)) return;
    const connection = { peer: other.peerId, direction, address: other.#address };
    this.#connections.set(other.peerId, connection);
    for (const listener of this.#connectListeners) listener(connection);
  }

  #close(peer: PeerId): void {
    if (!this.#connections.delete(peer)) return;
    for (const listener of this.#disconnectListeners) listener(peer);
  }

  #mayReach(other: MemoryNetwork): boolean {
    return (
      this.#isUp &&
      other.#isUp &&
      !this.#hub.isCut(this.peerId, other.peerId) &&
      !this.#isBanned(other.peerId) &&
      !other.#isBanned(this.peerId)
    );
  }

  #isBanned(peer: PeerId): boolean {
    return (this.#banned.get(peer) ?? 0) > this.#hub.clock.monotonic();
  }
}
