// One length-prefixed message on a libp2p stream, bounded in bytes and in silence.
import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface';
import { Uint8ArrayList } from 'uint8arraylist';
import { malformed, p2pError } from '../errors.ts';
import { checkedLength } from '../messages/answer.ts';

export type ReadOptions = {
  /** Bytes of the head; the body's length is the u32 at its end. */
  headBytes: number;
  bodyBytesMax: number;
  /** How long nothing may arrive. */
  idleMs: number;
  signal?: AbortSignal | undefined;
};

/**
 * Reads head and body, a new array each; the body is allocated only when its length is known to be allowed. On any failure
 * the stream is reset. Throws `P2P_TIMEOUT`, `P2P_CLOSED`, `P2P_TOO_LONG`, `P2P_MALFORMED`, or the signal's reason.
 */
export function readMessage(
  stream: Stream,
  options: ReadOptions,
): Promise<{ head: Uint8Array; body: Uint8Array }> {
  return new Promise((resolve, reject) => {
    const head = new Uint8Array(options.headBytes);
    let body: Uint8Array | undefined;
    let filled = 0;
    let timer: NodeJS.Timeout | undefined;

    const settle = (error: unknown): void => {
      clearTimeout(timer);
      stream.removeEventListener('message', onMessage);
      stream.removeEventListener('end', onEnd);
      stream.removeEventListener('close', onClose);
      options.signal?.removeEventListener('abort', onAbort);
      if (error === undefined && body) {
        resolve({ head, body });
        return;
      }
      const reason = error instanceof Error ? error : new Error(String(error));
      stream.abort(reason);
      reject(reason);
    };
    const rest = (): void => {
      clearTimeout(timer);
      timer = setTimeout(
        () => settle(p2pError('P2P_TIMEOUT', `no answer within ${options.idleMs} ms`)),
        options.idleMs,
      );
    };
    const take = (part: Uint8Array): void => {
      let at = 0;
      if (!body) {
        const count = Math.min(part.length, head.length - filled);
        head.set(part.subarray(0, count), filled);
        filled += count;
        at = count;
        if (filled < head.length) return;
        body = new Uint8Array(checkedLength(head, head.length - 4, options.bodyBytesMax));
        filled = 0;
      }
      const left = part.length - at;
      if (left > body.length - filled) throw malformed('bytes after its end');
      body.set(part.subarray(at), filled);
      filled += left;
    };
    const onMessage = ({ data }: StreamMessageEvent): void => {
      try {
        if (data instanceof Uint8Array) take(data);
        else for (const part of data) take(part);
        if (body && filled === body.length) settle(undefined);
        else rest();
      } catch (error) {
        settle(error);
      }
    };
    const onEnd = (): void => settle(p2pError('P2P_CLOSED', 'the stream ended too early'));
    const onClose = ({ error }: StreamCloseEvent): void =>
      settle(p2pError('P2P_CLOSED', 'the stream was closed', { cause: error }));
    const onAbort = (): void => settle(options.signal?.reason);

    if (options.signal?.aborted) return onAbort();
    options.signal?.addEventListener('abort', onAbort, { once: true });
    stream.addEventListener('end', onEnd);
    stream.addEventListener('close', onClose);
    rest();
    stream.addEventListener('message', onMessage);
    if (stream.status !== 'open' && stream.status !== 'closing') onEnd();
  });
}

/** Sends the parts in one run, without copying them, and closes our side; resolves when all of it left. */
export async function writeMessage(
  stream: Stream,
  parts: readonly Uint8Array[],
  options: { signal: AbortSignal; isLast: boolean },
): Promise<void> {
  if (!stream.send(new Uint8ArrayList(...parts))) await stream.onDrain(options);
  if (options.isLast) await stream.close(options);
}
