/*
 * What we know of peers, and what we think of them.
 *
 * A score starts at 0, is kept in [-100, 100] and halves towards 0 every ten minutes. At -100 the peer is cut off for an
 * hour. A proven lie (bytes that do not lead to the root, an answer that was not asked for) costs everything at once, since
 * no honest node can send it; a message that breaks its format costs half; silence costs a fifth and makes the peer rest
 * for a while, since honest nodes are slow at times.
 */
import type { Clock } from '@cairn/base';
import type { PeerStatus } from '../messages/status.ts';
import type { PeerConnection, PeerId } from '../network.ts';

export type PeerReport = 'useful' | 'silent' | 'broken' | 'malformed' | 'lied' | 'other-network';

const COST: Record<PeerReport, number> = {
  useful: 1,
  silent: -20,
  broken: -5,
  malformed: -50,
  lied: -100,
  'other-network': -100,
};
const SCORE_MIN = -100;
const SCORE_MAX = 100;
const HALF_LIFE_MS = 600_000;
const LATENCY_WEIGHT = 0.2;

export type PeerBookOptions = {
  /** Peers remembered. */
  peersMax: number;
  banMs: number;
  /** How long a silent peer is not asked. */
  restMs: number;
};
export const PEER_BOOK_DEFAULTS: PeerBookOptions = {
  peersMax: 4096,
  banMs: 3_600_000,
  restMs: 10_000,
};

export type KnownPeer = {
  readonly peer: PeerId;
  /** Absent while not connected. */
  connection: PeerConnection | undefined;
  /** What it said in the handshake of the present connection. */
  status: PeerStatus | undefined;
  /** Where it was last seen. */
  address: string | undefined;
  lastSeenAt: number;
  bannedUntil: number;
  restUntil: number;
  /** Smoothed milliseconds per request. */
  latencyMs: number;
  requestsInFlight: number;
};
type Entry = KnownPeer & { score: number; scoredAt: number };

export class PeerBook {
  readonly #clock: Clock;
  readonly #options: PeerBookOptions;
  readonly #peers = new Map<PeerId, Entry>();

  constructor(clock: Clock, options: Partial<PeerBookOptions> = {}) {
    this.#clock = clock;
    this.#options = { ...PEER_BOOK_DEFAULTS, ...options };
  }

  get(peer: PeerId): KnownPeer | undefined {
    return this.#peers.get(peer);
  }

  all(): KnownPeer[] {
    return [...this.#peers.values()];
  }

  /** Peers that are connected and gave a good handshake. */
  ready(): (KnownPeer & { status: PeerStatus })[] {
    return this.all().filter(
      (peer): peer is KnownPeer & { status: PeerStatus } =>
        peer.connection !== undefined && peer.status !== undefined && !this.isBanned(peer.peer),
    );
  }

  /** Those of `ready` that may be asked now. */
  askable(): (KnownPeer & { status: PeerStatus })[] {
    const now = this.#clock.monotonic();
    return this.ready().filter((peer) => peer.restUntil <= now);
  }

  connected(connection: PeerConnection): void {
    const entry = this.#entry(connection.peer);
    entry.connection = connection;
    entry.address = connection.address;
  }

  disconnected(peer: PeerId): void {
    const entry = this.#peers.get(peer);
    if (!entry) return;
    entry.connection = undefined;
    entry.status = undefined;
  }

  handshaken(peer: PeerId, status: PeerStatus): void {
    this.#entry(peer).status = status;
  }

  began(peer: PeerId): void {
    this.#entry(peer).requestsInFlight++;
  }

  ended(peer: PeerId, ms: number | undefined): void {
    const entry = this.#peers.get(peer);
    if (!entry) return;
    entry.requestsInFlight = Math.max(0, entry.requestsInFlight - 1);
    if (ms === undefined) return;
    entry.latencyMs =
      entry.latencyMs === 0 ? ms : entry.latencyMs + LATENCY_WEIGHT * (ms - entry.latencyMs);
    entry.lastSeenAt = this.#clock.now();
  }

  score(peer: PeerId): number {
    const entry = this.#peers.get(peer);
    return entry ? this.#decayed(entry) : 0;
  }

  /**
   * Notes behaviour; true when the peer must be cut off now, once. Requests that were open together fail together: silence
   * counts once while the peer rests.
   */
  report(peer: PeerId, report: PeerReport): boolean {
    const entry = this.#entry(peer);
    const now = this.#clock.monotonic();
    if (this.isBanned(peer) || (report === 'silent' && entry.restUntil > now)) return false;
    entry.score = Math.max(SCORE_MIN, Math.min(SCORE_MAX, this.#decayed(entry) + COST[report]));
    // A long good record does not pay for a lie.
    if (COST[report] === SCORE_MIN) entry.score = SCORE_MIN;
    entry.scoredAt = now;
    if (report === 'silent') entry.restUntil = entry.scoredAt + this.#options.restMs;
    if (entry.score > SCORE_MIN) return false;
    entry.bannedUntil = entry.scoredAt + this.#options.banMs;
    return true;
  }

  isBanned(peer: PeerId): boolean {
    const entry = this.#peers.get(peer);
    return entry !== undefined && entry.bannedUntil > this.#clock.monotonic();
  }

  get banMs(): number {
    return this.#options.banMs;
  }

  #decayed(entry: Entry): number {
    return entry.score * 0.5 ** ((this.#clock.monotonic() - entry.scoredAt) / HALF_LIFE_MS);
  }

  #entry(peer: PeerId): Entry {
    const known = this.#peers.get(peer);
    if (known) return known;
    if (this.#peers.size >= this.#options.peersMax) this.#evict();
    const entry: Entry = {
      peer,
      connection: undefined,
      status: undefined,
      address: undefined,
      lastSeenAt: this.#clock.now(),
      bannedUntil: 0,
      restUntil: 0,
      latencyMs: 0,
      requestsInFlight: 0,
      score: 0,
      scoredAt: this.#clock.monotonic(),
    };
    this.#peers.set(peer, entry);
    return entry;
  }

  /** Forgets the oldest that is neither connected nor banned; if there is none, the oldest that is not connected. */
  #evict(): void {
    const away = [...this.#peers.values()].filter((entry) => !entry.connection);
    const victim = away.find((entry) => !this.isBanned(entry.peer)) ?? away[0];
    if (victim) this.#peers.delete(victim.peer);
  }
}
