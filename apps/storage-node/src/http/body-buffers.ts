/*
 * Shared memory for request bodies, used again and again. V8 does not count shared memory towards its own limits, and a
 * view that was posted to a worker thread lives until that thread collects: with a fresh buffer per request a node grew
 * to 3 GiB while it took files at full speed.
 */

/** Powers of two from 16 KiB, so that a buffer is less than twice its body. */
const CLASS_BYTES_MIN = 16 * 1024;

export class BodyBuffers {
  readonly #keptBytesMax: number;
  readonly #free = new Map<number, Uint8Array[]>();
  #keptBytes = 0;

  /** `keptBytesMax`: bytes of buffers that wait for their next use; further ones are let go. */
  constructor(keptBytesMax: number) {
    this.#keptBytesMax = keptBytesMax;
  }

  /** Bytes that wait for their next use. */
  get keptBytes(): number {
    return this.#keptBytes;
  }

  /** At least `bytes` of shared memory with whatever was in it; the caller's until `give`. */
  take(bytes: number): Uint8Array {
    const size = sizeClass(bytes);
    const kept = this.#free.get(size)?.pop();
    if (!kept) return new Uint8Array(new SharedArrayBuffer(size));
    this.#keptBytes -= size;
    return kept;
  }

  /** Takes a buffer back. Nobody may read or write it, or a view of it, afterwards. */
  give(buffer: Uint8Array): void {
    if (this.#keptBytes + buffer.length > this.#keptBytesMax) return;
    const list = this.#free.get(buffer.length) ?? [];
    list.push(buffer);
    this.#free.set(buffer.length, list);
    this.#keptBytes += buffer.length;
  }
}

function sizeClass(bytes: number): number {
  let size = CLASS_BYTES_MIN;
  while (size < bytes) size *= 2;
  return size;
}
