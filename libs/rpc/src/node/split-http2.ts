// Lets one port speak two protocols: what a connection sends first tells HTTP/2 (gRPC without TLS) from HTTP/1.1.
import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/** How every HTTP/2 connection begins (RFC 9113 section 3.4); no HTTP/1.1 method begins like it. */
const PREFACE = Buffer.from('PRI * ');
/** A connection that has not said so much by then is closed. */
const FIRST_BYTES_MS = 20_000;

/**
 * Gives connections that begin with the preface of HTTP/2 to `onHttp2`, whole; all others stay with the server. Returns what closes
 * those that the server does not know: handed over, or silent so far.
 */
export function splitHttp2(server: Server, onHttp2: (socket: Socket) => void): () => void {
  const listeners = server.listeners('connection') as ((socket: Socket) => void)[];
  const others = new Set<Socket>();
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    others.add(socket);
    socket.once('close', () => others.delete(socket));
    whenKnown(socket, (isHttp2) => {
      if (isHttp2) return onHttp2(socket);
      others.delete(socket);
      for (const listener of listeners) listener.call(server, socket);
    });
  });
  return () => {
    for (const socket of others) socket.destroy();
  };
}

/** Looks at what comes first and puts it back. A connection that ends or says nothing is closed. */
function whenKnown(socket: Socket, tell: (isHttp2: boolean) => void): void {
  const close = (): void => {
    socket.destroy();
  };
  const timer = setTimeout(close, FIRST_BYTES_MS);
  let head: Buffer = Buffer.alloc(0);
  const onReadable = (): void => {
    const more = socket.read() as Buffer | null;
    if (!more) return; // its end, which 'end' brings
    head = Buffer.concat([head, more]);
    const length = Math.min(head.length, PREFACE.length);
    const isPreface = head.subarray(0, length).equals(PREFACE.subarray(0, length));
    // Put back only when all is known: putting back is something to read.
    if (isPreface && length < PREFACE.length) return;
    detach();
    socket.unshift(head);
    tell(isPreface);
  };
  const detach = (): void => {
    clearTimeout(timer);
    socket.off('readable', onReadable).off('error', close).off('end', close).off('close', detach);
  };
  socket.on('readable', onReadable).on('error', close).on('end', close).on('close', detach);
}
