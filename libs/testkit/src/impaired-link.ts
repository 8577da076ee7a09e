/*
 * A bad line between two programs: a TCP proxy on a free port of the loopback that delays, paces, stalls, resets, spoils or cuts
 * what passes. The kernels our tests run on have no such queueing discipline, and a proxy reaches single connections.
 *
 * Both directions of a connection go through queues of their own, bounded by `queueBytesMax`: a full queue stops reading, so TCP
 * pushes back on the sender as a slow line does. Which bytes are spoiled follows from the seed and the order of connections.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { type Clock, type RandomSource, seededRandom, systemClock } from '@cairn/base';

/** What happens to bytes; absent settings do nothing. Thresholds count the bytes of one direction of one connection. */
export type Impairment = {
  /** Each piece arrives so much later. */
  delayMs?: number | undefined;
  bytesPerSecond?: number | undefined;
  /** After so many bytes nothing passes any more; the connection stays open. */
  stallAfterBytes?: number | undefined;
  /** After so many bytes the connection is reset. */
  resetAfterBytes?: number | undefined;
  /** One bit is flipped in about every so many bytes. */
  flipEveryBytes?: number | undefined;
  /** Connections are reset, and new ones as soon as they are made. */
  isCut?: boolean | undefined;
};

export type ImpairedLinkOptions = {
  seed?: number | undefined;
  /** Connections at once; further ones are reset. 1024 by default. */
  connectionsMax?: number | undefined;
  /** Bytes of one direction on their way, 1 MiB by default. */
  queueBytesMax?: number | undefined;
  clock?: Clock | undefined;
  /** Port to listen on, any free one by default. */
  port?: number | undefined;
};

/** What happened so far. */
export type LinkStats = {
  connections: number;
  bytes: number;
  flipped: number;
  stalled: number;
  resets: number;
};

const CONNECTIONS_MAX = 1024;
const QUEUE_BYTES_MAX = 1024 * 1024;

/** Both sockets of one connection through the link. */
type Pair = { near: Socket; far: Socket };

export class ImpairedLink implements AsyncDisposable {
  readonly stats: LinkStats = { connections: 0, bytes: 0, flipped: 0, stalled: 0, resets: 0 };
  readonly #target: { host: string; port: number };
  readonly #clock: Clock;
  readonly #random: RandomSource;
  readonly #queueBytesMax: number;
  readonly #connectionsMax: number;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  readonly #closed = new AbortController();
  #impairment: Impairment = {};
  /** Wakes stalled directions when the impairment changes. */
  #changed = Promise.withResolvers<void>();

  private constructor(target: { host: string; port: number }, options: ImpairedLinkOptions) {
    this.#target = target;
    this.#clock = options.clock ?? systemClock;
    this.#random = seededRandom(options.seed ?? 1);
    this.#queueBytesMax = options.queueBytesMax ?? QUEUE_BYTES_MAX;
    this.#connectionsMax = options.connectionsMax ?? CONNECTIONS_MAX;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
  }

  /** Starts a link to a TCP port; `target` may be an HTTP URL. Nothing is impaired until `set`. */
  static async start(
    target: string | { host: string; port: number },
    options: ImpairedLinkOptions = {},
  ): Promise<ImpairedLink> {
    const link = new ImpairedLink(typeof target === 'string' ? placeOf(target) : target, options);
    await new Promise<void>((resolve, reject) => {
      link.#server.once('error', reject);
      link.#server.listen(options.port ?? 0, '127.0.0.1', resolve);
    });
    return link;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get openConnections(): number {
    return this.#pairs.size;
  }

  /** Replaces the impairment, for connections that are open too. `{}` heals: what was stalled goes on. */
  set(impairment: Impairment): void {
    this.#impairment = impairment;
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
    if (impairment.isCut) for (const pair of [...this.#pairs]) this.#reset(pair);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#closed.abort(new Error('the link was closed'));
    for (const { near, far } of this.#pairs) {
      near.destroy();
      far.destroy();
    }
    await closed;
  }

  #accept(near: Socket): void {
    this.stats.connections++;
    near.on('error', () => {}); // its close is what counts
    if (this.#impairment.isCut || this.#pairs.size >= this.#connectionsMax) {
      this.stats.resets++;
      near.resetAndDestroy();
      return;
    }
    const far = connect({ ...this.#target, allowHalfOpen: true });
    far.on('error', () => {});
    const pair = { near, far };
    this.#pairs.add(pair);
    this.#joinEnds(near, far, pair);
    this.#joinEnds(far, near, pair);
    far.once('connect', () => {
      void this.#pass(near, far, pair);
      void this.#pass(far, near, pair);
    });
  }

  /** A side that broke takes the other with it; one that ended well leaves it to send what is still on its way. */
  #joinEnds(one: Socket, other: Socket, pair: Pair): void {
    one.once('close', (hasFailed) => {
      if (hasFailed) other.resetAndDestroy();
      else if (!one.readableEnded) other.destroy();
      if (other.destroyed) this.#pairs.delete(pair);
    });
  }

  /** Carries one direction to its end. */
  async #pass(from: Socket, to: Socket, pair: Pair): Promise<void> {
    let queued = 0;
    let passed = 0;
    let freeAt = 0;
    let tail = Promise.resolve();
    const deliver = async (piece: Buffer, arrivesAt: number): Promise<void> => {
      const wait = arrivesAt - this.#clock.monotonic();
      if (wait > 0) await this.#clock.sleep(wait, this.#closed.signal);
      await this.#whileStalled(passed, pair);
      if (to.destroyed) return;
      passed += piece.length;
      this.stats.bytes += piece.length;
      const { resetAfterBytes } = this.#impairment;
      if (resetAfterBytes !== undefined && passed > resetAfterBytes) {
        this.#reset(pair);
        return;
      }
      if (!to.write(this.#spoiled(piece))) await drained(to);
      queued -= piece.length;
    };
    try {
      // An iterator that destroyed the socket at its end would cut the other direction.
      for await (const piece of from.iterator({ destroyOnReturn: false })) {
        queued += piece.length;
        const { delayMs = 0, bytesPerSecond = Number.POSITIVE_INFINITY } = this.#impairment;
        const now = this.#clock.monotonic();
        freeAt = Math.max(now, freeAt) + (piece.length / bytesPerSecond) * 1000;
        const arrivesAt = freeAt + delayMs;
        tail = tail.then(() => deliver(piece, arrivesAt));
        tail.catch(() => {}); // seen below, or nobody is there any more
        if (queued >= this.#queueBytesMax) await tail;
      }
      await tail;
      to.end();
    } catch {
      from.destroy();
      to.destroy();
    }
  }

  async #whileStalled(passed: number, { near, far }: Pair): Promise<void> {
    const isStalled = (): boolean =>
      passed >= (this.#impairment.stallAfterBytes ?? Number.POSITIVE_INFINITY);
    if (isStalled()) this.stats.stalled++;
    while (isStalled() && !near.destroyed && !far.destroyed)
      await Promise.race([this.#changed.promise, closed(near), closed(far)]);
  }

  /** The same bytes, or a copy with bits flipped. */
  #spoiled(piece: Buffer): Buffer {
    const { flipEveryBytes } = this.#impairment;
    if (flipEveryBytes === undefined) return piece;
    const share = piece.length / flipEveryBytes;
    const flips = Math.floor(share) + (this.#random.next() < share % 1 ? 1 : 0);
    if (flips === 0) return piece;
    const out = Buffer.from(piece);
    for (let i = 0; i < flips; i++) {
      const at = Math.floor(this.#random.next() * out.length);
      out[at]! ^= 1 << Math.floor(this.#random.next() * 8);
    }
    this.stats.flipped += flips;
    return out;
  }

  #reset({ near, far }: Pair): void {
    if (near.destroyed || far.destroyed) return;
    this.stats.resets++;
    near.resetAndDestroy();
    far.resetAndDestroy();
  }
}

function placeOf(url: string): { host: string; port: number } {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
}

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.destroyed) resolve();
    else socket.once('close', () => resolve());
  });

/** Resolves when the socket takes more, or is gone. */
const drained = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.on('drain', done).on('close', done);
  });
