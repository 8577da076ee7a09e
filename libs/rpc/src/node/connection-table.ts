/*
 * Which connections a port keeps when more come than it has places for. Places cost a client nothing, so a full table must not be
 * a shut door: the connection that has waited longest without a complete request gives way to the new one. What is in use stays:
 * requests being answered, bodies that move, connections that were handed over to another protocol.
 *
 * Two queues, each in the order of last use: `fresh` (nothing was answered on it yet) and `answered` (kept alive between requests).
 * Fresh ones give way first, so that silence never costs a client that was served before. But a quarter of the table is theirs:
 * otherwise whoever fills the table with one cheap request each would push out everybody whose first request still travels.
 * A newcomer costs one look at each queue at most.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export type ConnectionTableOptions = {
  /** Connections at once. */
  max: number;
  /** Of these, from one address; one more takes the place of another of that address. */
  perAddressMax: number;
};

type Connection = {
  readonly socket: Socket;
  readonly address: string;
  /** The latest one whose head is complete and whose answer is not out. */
  request: IncomingMessage | undefined;
  /** Speaks another protocol by now, whose server bounds it. */
  isHandedOver: boolean;
  /** What had come on the connection at the last look, or when the last answer was out. */
  bytesSeen: number;
};
type Queue = Set<Connection>;

/** A body of which less came since the last look does not move: a byte now and then must not hold a place. */
const MOVING_BYTES = 16 * 1024;
const FRESH_SHARE = 1 / 4;

export class ConnectionTable {
  readonly #options: ConnectionTableOptions;
  readonly #connections = new Map<Socket, Connection>();
  readonly #countOfAddress = new Map<string, number>();
  readonly #fresh: Queue = new Set();
  readonly #answered: Queue = new Set();

  constructor(options: ConnectionTableOptions) {
    this.#options = options;
  }

  /** Gives a new connection a place, another one's if need be; closes it when all that could give way are in use. */
  admit(socket: Socket): void {
    const { max, perAddressMax } = this.#options;
    const address = socket.remoteAddress ?? '';
    const isCrowded = (this.#countOfAddress.get(address) ?? 0) >= perAddressMax;
    if (isCrowded || this.#connections.size >= max) {
      const given = this.#givesWay(isCrowded ? address : undefined);
      if (!given) {
        socket.destroy();
        return;
      }
      this.#remove(given);
      given.socket.destroy();
    }
    const connection: Connection = {
      socket,
      address,
      request: undefined,
      isHandedOver: false,
      bytesSeen: 0,
    };
    this.#connections.set(socket, connection);
    this.#countOfAddress.set(address, (this.#countOfAddress.get(address) ?? 0) + 1);
    this.#fresh.add(connection);
    socket.once('close', () => this.#remove(connection));
  }

  /** A head is complete: the connection is in use until its answer is out, as long as its body moves. */
  serve(request: IncomingMessage, response: ServerResponse): void {
    const connection = this.#connections.get(request.socket);
    if (!connection) return;
    connection.request = request;
    toEnd(this.#queueOf(connection), connection);
    response.once('close', () => {
      if (connection.request === request) connection.request = undefined;
      connection.bytesSeen = connection.socket.bytesRead;
      if (!this.#connections.has(connection.socket)) return;
      const queue = this.#queueOf(connection);
      queue.delete(connection);
      (response.writableFinished ? this.#answered : queue).add(connection);
    });
  }

  /** The connection speaks another protocol from here on; it keeps its place until it closes. */
  handOver(socket: Socket): void {
    const connection = this.#connections.get(socket);
    if (connection) connection.isHandedOver = true;
  }

  /** The one to give up, of one address or of all; undefined when all are in use. */
  #givesWay(address: string | undefined): Connection | undefined {
    const isFreshFew = this.#fresh.size < this.#options.max * FRESH_SHARE;
    const [first, second] = isFreshFew
      ? [this.#answered, this.#fresh]
      : [this.#fresh, this.#answered];
    return longestWaiting(first, address) ?? longestWaiting(second, address);
  }

  #queueOf(connection: Connection): Queue {
    return this.#answered.has(connection) ? this.#answered : this.#fresh;
  }

  #remove(connection: Connection): void {
    if (!this.#connections.delete(connection.socket)) return;
    this.#queueOf(connection).delete(connection);
    const left = this.#countOfAddress.get(connection.address)! - 1;
    if (left > 0) this.#countOfAddress.set(connection.address, left);
    else this.#countOfAddress.delete(connection.address);
  }
}

/** The first that is not in use. Those in use that it passes go to the end, so that the next newcomer need not look at them. */
function longestWaiting(queue: Queue, address: string | undefined): Connection | undefined {
  let looks = queue.size;
  for (const connection of queue) {
    if (looks-- === 0) return undefined;
    if (address !== undefined && connection.address !== address) continue;
    if (!isInUse(connection)) return connection;
    toEnd(queue, connection);
  }
  return undefined;
}

function isInUse(connection: Connection): boolean {
  const { request, socket } = connection;
  if (connection.isHandedOver) return true;
  if (!request) return false;
  if (request.complete) return true;
  const came = socket.bytesRead - connection.bytesSeen;
  connection.bytesSeen = socket.bytesRead;
  return came >= MOVING_BYTES;
}

function toEnd(queue: Queue, connection: Connection): void {
  queue.delete(connection);
  queue.add(connection);
}
