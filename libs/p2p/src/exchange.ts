/*
 * Requests both ways: asks peers for statuses, files and segments, and answers them from a `FileSource`. Every failure of
 * a request is held against the peer as its kind deserves; whether bytes were lies only the caller can tell, by `report`.
 */
import {
  type Clock,
  CodedError,
  errorMessage,
  isAbortError,
  type Logger,
  RateLimit,
  Semaphore,
} from '@cairn/base';
import type { SegmentFrame } from '@cairn/protocol';
import { p2pError } from './errors.ts';
import type { FileSource } from './files/file-source.ts';
import {
  decodeHaveAnswer,
  decodeHaveRequest,
  encodeHaveAnswer,
  encodeHaveRequest,
  type HaveAnswer,
  type HaveRequest,
} from './messages/have.ts';
import {
  decodePiecesAnswer,
  decodePiecesRequest,
  encodePiecesAnswer,
  encodePiecesRequest,
  type Piece,
  type PiecesRequest,
} from './messages/pieces.ts';
import {
  decodeSegmentsAnswer,
  decodeSegmentsRequest,
  encodeSegmentsAnswer,
  encodeSegmentsRequest,
  type SegmentsRequest,
} from './messages/segments.ts';
import {
  decodeStatus,
  encodeStatus,
  isSameNetwork,
  type NetworkIdentity,
  P2P_VERSION,
  type PeerStatus,
} from './messages/status.ts';
import type { PeerId, PeerNetwork, ProtocolSpec } from './network.ts';
import type { PeerBook, PeerReport } from './peers/peer-book.ts';
import { PROTOCOLS } from './protocols.ts';

export type ExchangeDeps = {
  network: PeerNetwork;
  source: FileSource;
  book: PeerBook;
  clock: Clock;
  log: Logger;
  /** Called with the bytes of files that were sent. */
  onServed?: ((bytes: number) => void) | undefined;
  /** Called when a peer is cut off. */
  onCutOff?: ((peer: PeerId) => void) | undefined;
};
export type ExchangeOptions = {
  identity: NetworkIdentity;
  /** How long a peer may send nothing while we wait for its answer. */
  idleMs: number;
  /** Answers with file data that are prepared at once, and how many requests may wait for their turn. */
  servesMax: number;
  servesWaitingMax: number;
  /** Bytes of files sent a second, to all peers together. */
  serveBytesPerSecond: number;
};
export const EXCHANGE_DEFAULTS: Omit<ExchangeOptions, 'identity'> = {
  idleMs: 5000,
  servesMax: 8,
  servesWaitingMax: 64,
  serveBytesPerSecond: Number.POSITIVE_INFINITY,
};

type AskOptions = { signal?: AbortSignal | undefined };

/** What a failed request says about the peer; undefined when nothing. */
function judge(error: unknown): PeerReport | undefined {
  if (!(error instanceof CodedError)) return 'broken';
  switch (error.code) {
    case 'P2P_TIMEOUT':
      return 'silent';
    case 'P2P_TOO_LONG':
    case 'P2P_MALFORMED':
      return 'malformed';
    case 'P2P_UNASKED':
      return 'lied';
    case 'P2P_CLOSED':
      return 'broken';
    default:
      return undefined;
  }
}

export class Exchange {
  readonly #deps: ExchangeDeps;
  readonly #options: ExchangeOptions;
  readonly #serving: Semaphore;
  readonly #rate: RateLimit;

  constructor(deps: ExchangeDeps, options: ExchangeOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#serving = new Semaphore(options.servesMax, options.servesWaitingMax);
    this.#rate = new RateLimit(deps.clock, options.serveBytesPerSecond);
    this.#serve();
  }

  /** Tells the peer who we are and learns who it is. Throws `P2P_OTHER_NETWORK`, and cuts the peer off. */
  async handshake(peer: PeerId, options: AskOptions = {}): Promise<PeerStatus> {
    const status = await this.#ask(
      peer,
      PROTOCOLS.status,
      encodeStatus(this.#status()),
      decodeStatus,
      options,
    );
    return this.#meet(peer, status);
  }

  /** Which submissions the peer has finalized. */
  async have(peer: PeerId, request: HaveRequest, options: AskOptions = {}): Promise<HaveAnswer> {
    return this.#ask(
      peer,
      PROTOCOLS.have,
      encodeHaveRequest(request),
      (bytes) => decodeHaveAnswer(bytes, request),
      options,
    );
  }

  /** Segments with siblings, unverified; those the peer does not hold are missing. */
  segments(
    peer: PeerId,
    request: SegmentsRequest,
    options: AskOptions = {},
  ): Promise<SegmentFrame[]> {
    return this.#ask(
      peer,
      PROTOCOLS.segments,
      encodeSegmentsRequest(request),
      (bytes) => decodeSegmentsAnswer(bytes, request),
      options,
    );
  }

  /** Runs a request that travels another way as one of this peer's: it counts as in flight, and its time as the peer's. */
  async alongside<T>(peer: PeerId, run: () => Promise<T | undefined>): Promise<T | undefined> {
    const { book, clock } = this.#deps;
    const started = clock.monotonic();
    book.began(peer);
    let took: number | undefined;
    try {
      const result = await run();
      if (result !== undefined) took = clock.monotonic() - started;
      return result;
    } finally {
      book.ended(peer, took);
    }
  }

  /** Pieces with siblings, unverified, in the order of the request. */
  pieces(
    peer: PeerId,
    request: PiecesRequest,
    options: AskOptions = {},
  ): Promise<(Piece | undefined)[]> {
    return this.#ask(
      peer,
      PROTOCOLS.pieces,
      encodePiecesRequest(request),
      (bytes) => decodePiecesAnswer(bytes, request),
      options,
    );
  }

  /** Notes what a peer did; cuts it off when that was enough. */
  report(peer: PeerId, report: PeerReport): void {
    const { book, network, log } = this.#deps;
    if (!book.report(peer, report)) return;
    log.warn({ peer, report }, 'a peer was cut off');
    this.#deps.onCutOff?.(peer);
    network.ban(peer, book.banMs).catch((error: unknown) => {
      log.debug({ peer, error: errorMessage(error) }, 'could not close a connection');
    });
  }

  #status(): PeerStatus {
    const { source } = this.#deps;
    return {
      version: P2P_VERSION,
      network: this.#options.identity,
      shard: source.shard(),
      nextTxSeq: source.nextTxSeq(),
      httpPort: source.httpPort?.() ?? 0,
    };
  }

  #meet(peer: PeerId, status: PeerStatus): PeerStatus {
    if (status.version !== P2P_VERSION || !isSameNetwork(status.network, this.#options.identity)) {
      this.report(peer, 'other-network');
      throw p2pError('P2P_OTHER_NETWORK', 'the peer belongs to another network', {
        details: { version: status.version, network: status.network },
      });
    }
    this.#deps.book.handshaken(peer, status);
    return status;
  }

  async #ask<T>(
    peer: PeerId,
    protocol: ProtocolSpec,
    body: Uint8Array,
    decode: (bytes: Uint8Array) => T,
    options: AskOptions,
  ): Promise<T> {
    const { network, book, clock } = this.#deps;
    const started = clock.monotonic();
    book.began(peer);
    let took: number | undefined;
    try {
      const answer = await network.request(peer, protocol, body, {
        idleMs: this.#options.idleMs,
        signal: options.signal,
      });
      const decoded = decode(answer);
      took = clock.monotonic() - started;
      return decoded;
    } catch (error) {
      const report = isAbortError(error) ? undefined : judge(error);
      if (report) this.report(peer, report);
      throw error;
    } finally {
      book.ended(peer, took);
    }
  }

  /* ------------------------------------------------- answering ------------------------------------------------- */

  #serve(): void {
    const { network, source } = this.#deps;
    network.handle(PROTOCOLS.status, async ({ peer, body }) => {
      const status = this.#decode(peer, () => decodeStatus(body));
      const answer = [encodeStatus(this.#status())];
      // Answer first: a peer of another network should learn why it is left.
      queueMicrotask(() => {
        try {
          this.#meet(peer, status);
        } catch {
          // cut off by report
        }
      });
      return answer;
    });
    network.handle(PROTOCOLS.have, async ({ peer, body }) => {
      this.#known(peer);
      const request = this.#decode(peer, () => decodeHaveRequest(body));
      return [
        encodeHaveAnswer({ nextTxSeq: source.nextTxSeq(), bitmap: source.finalized(request) }),
      ];
    });
    network.handle(PROTOCOLS.segments, async ({ peer, body, signal }) => {
      this.#known(peer);
      const request = this.#decode(peer, () => decodeSegmentsRequest(body));
      return this.#paced(signal, async () =>
        encodeSegmentsAnswer(await source.segments(request, signal)),
      );
    });
    network.handle(PROTOCOLS.pieces, async ({ peer, body, signal }) => {
      this.#known(peer);
      const request = this.#decode(peer, () => decodePiecesRequest(body));
      return this.#paced(signal, async () =>
        encodePiecesAnswer(await source.pieces(request, signal)),
      );
    });
  }

  /** Only peers that said who they are get answers. */
  #known(peer: PeerId): void {
    const known = this.#deps.book.get(peer);
    if (known?.status === undefined || this.#deps.book.isBanned(peer))
      throw p2pError('P2P_REFUSED', 'handshake first', { kind: 'not_ready' });
  }

  #decode<T>(peer: PeerId, decode: () => T): T {
    try {
      return decode();
    } catch (error) {
      this.report(peer, judge(error) ?? 'malformed');
      throw error;
    }
  }

  async #paced(
    signal: AbortSignal,
    prepare: () => Promise<Uint8Array[]>,
  ): Promise<readonly Uint8Array[]> {
    let parts: Uint8Array[];
    try {
      parts = await this.#serving.run(prepare);
    } catch (error) {
      if (error instanceof CodedError && error.code === 'BASE_QUEUE_FULL')
        throw p2pError('P2P_REFUSED', 'busy', { kind: 'exhausted' });
      throw error;
    }
    const bytes = parts.reduce((sum, part) => sum + part.length, 0);
    await this.#rate.take(bytes, signal);
    this.#deps.onServed?.(bytes);
    return parts;
  }
}
