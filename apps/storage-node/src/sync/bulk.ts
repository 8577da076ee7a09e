/*
 * Bulk bytes of peers over their binary HTTP route: no noise, no yamux, two to three times as fast as a stream of libp2p. Which peer
 * has what, and who it is, stays with libp2p; HTTP carries only segments that are checked against the root afterwards.
 *
 * A peer says only a port in its handshake. The host is always that of its authenticated connection, so no peer can make us knock
 * anywhere else. HTTP is not authenticated: what fails there (no route through a NAT, a wrong byte) is held against the route, not
 * the peer, which is asked over libp2p instead.
 */
import { type Clock, CodedError, isAbortError } from '@cairn/base';
import { isPrivateHost, type KnownPeer, type PeerId, parseAddress } from '@cairn/p2p';
import type { SegmentFrame } from '@cairn/protocol';
import { createNodeClient, type HttpTransport, type NodeClient } from '@cairn/rpc';
import { BodyBuffers } from '../http/body-buffers.ts';

export type BulkPeer = Pick<KnownPeer, 'peer' | 'connection' | 'status'>;
export type BulkDeps = { transport: HttpTransport; clock: Clock };
export type BulkOptions = {
  /** Follow connections to private addresses. */
  allowPrivate: boolean;
  /** How long one request may take. */
  timeoutMs: number;
};

/** How long a route that failed is not tried again. */
const REST_MS = 60_000;
const ROUTES_MAX = 1024;
/** Shared memory kept for answers to come: those that a few files have in flight. Threads hash it without a copy. */
const KEPT_BYTES_MAX = 64 * 1024 * 1024;

type Route = { url: string; client: NodeClient; restUntil: number };

export class BulkRoutes {
  readonly #deps: BulkDeps;
  readonly #options: BulkOptions;
  readonly #routes = new Map<PeerId, Route>();
  /** Where frames came from, and the memory they are views of, until they are stored. */
  readonly #origins = new WeakMap<
    readonly SegmentFrame[],
    { peer: PeerId; buffer: Uint8Array | undefined }
  >();
  readonly #buffers = new BodyBuffers(KEPT_BYTES_MAX);

  constructor(deps: BulkDeps, options: BulkOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Unchecked segments; undefined when they have to come another way. Throws only when `signal` aborts. */
  async segments(
    peer: BulkPeer,
    request: { txSeq: number; root: string; indexes: readonly number[] },
    signal: AbortSignal,
  ): Promise<SegmentFrame[] | undefined> {
    const route = this.#route(peer);
    const run = progression(request.indexes);
    if (!route || !run || route.restUntil > this.#deps.clock.monotonic()) return undefined;
    let buffer: Uint8Array | undefined;
    const allocate = (bytes: number): Uint8Array => {
      buffer = this.#buffers.take(bytes);
      return buffer;
    };
    try {
      const frames = await route.client.downloadFrames(
        request.txSeq,
        { ...run, root: request.root },
        { signal, timeoutMs: this.#options.timeoutMs, allocate },
      );
      this.#origins.set(frames, { peer: peer.peer, buffer });
      return frames;
    } catch (error) {
      if (buffer) this.#buffers.give(buffer);
      signal.throwIfAborted();
      if (isAbortError(error)) throw error;
      // A peer that has only some of them says so over libp2p.
      const isMissing = error instanceof CodedError && error.code === 'RPC_REMOTE';
      if (!isMissing) this.#rest(peer.peer);
      return undefined;
    }
  }

  /** Frames that came this way are not the file's: the route is left. False when they came another way. */
  refused(frames: readonly SegmentFrame[]): boolean {
    const origin = this.#origins.get(frames);
    if (!origin) return false;
    this.#rest(origin.peer);
    return true;
  }

  /** Nobody reads these frames, or views of them, any more: their memory is used again. */
  release(frames: readonly SegmentFrame[]): void {
    const origin = this.#origins.get(frames);
    this.#origins.delete(frames);
    if (origin?.buffer) this.#buffers.give(origin.buffer);
  }

  #rest(peer: PeerId): void {
    const route = this.#routes.get(peer);
    if (route) route.restUntil = this.#deps.clock.monotonic() + REST_MS;
  }

  #route({ peer, connection, status }: BulkPeer): Route | undefined {
    const url = bulkUrl(connection?.address, status?.httpPort, this.#options.allowPrivate);
    if (!url) return undefined;
    const known = this.#routes.get(peer);
    if (known?.url === url) return known;
    if (!known && this.#routes.size >= ROUTES_MAX)
      this.#routes.delete(this.#routes.keys().next().value!);
    const client = createNodeClient(url, { transport: this.#deps.transport });
    const route = { url, client, restUntil: 0 };
    this.#routes.set(peer, route);
    return route;
  }
}

/** Base URL of a peer's binary route: the host it is connected from and the port it named; undefined when there is none to follow. */
export function bulkUrl(
  address: string | undefined,
  port: number | undefined,
  allowPrivate: boolean,
): string | undefined {
  if (!address || !port) return undefined;
  let host: string;
  try {
    ({ host } = parseAddress(address));
  } catch {
    return undefined;
  }
  if (isPrivateHost(host) && !allowPrivate) return undefined;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Indexes with one distance between neighbours, as the route names them; undefined for others. */
export function progression(
  indexes: readonly number[],
): { index: number; count: number; stride: number } | undefined {
  const [index, second] = indexes;
  if (index === undefined) return undefined;
  const stride = second === undefined ? 1 : second - index;
  if (stride < 1 || indexes.some((value, i) => value !== index + i * stride)) return undefined;
  return { index, count: indexes.length, stride };
}
