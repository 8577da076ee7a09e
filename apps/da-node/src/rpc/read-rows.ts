// Rows out of a stream of messages.
import { CodedError, unlessAborted } from '@cairn/base';

/** Exactly `bytes` bytes out of the pieces. Throws `DA_ROWS_LENGTH`. */
export async function readRows(
  pieces: AsyncIterable<Uint8Array>,
  bytes: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const out = new Uint8Array(bytes);
  let at = 0;
  const wrong = (actual: number): CodedError =>
    new CodedError({
      code: 'DA_ROWS_LENGTH',
      kind: 'invalid',
      message: `${actual} bytes of rows where ${bytes} are assigned`,
      details: { expected: bytes, actual },
    });
  for await (const piece of untilAborted(pieces, signal)) {
    if (at + piece.length > bytes) throw wrong(at + piece.length);
    out.set(piece, at);
    at += piece.length;
  }
  if (at !== bytes) throw wrong(at);
  return out;
}

/** Ends with the signal's reason also while the sender is silent. */
async function* untilAborted<T>(items: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const iterator = items[Symbol.asyncIterator]();
  for (;;) {
    signal.throwIfAborted();
    const next = await unlessAborted(iterator.next(), signal);
    if (next.done) return;
    yield next.value;
  }
}
