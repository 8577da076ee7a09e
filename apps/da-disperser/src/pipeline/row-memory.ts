/*
 * Memory for the rows of blobs, used again as soon as a blob is with its members. Shared memory goes only when the collectors of
 * this thread and of every encoding thread have noticed, so under load each blob would lie beside several that are long sent.
 */
import { assert } from '@cairn/base';

export type RowMemoryOptions = {
  /** Unused bytes that are kept. Default 128 MiB. */
  keptBytesMax?: number | undefined;
  /** How long they are kept while nothing is taken or given. Default 10 s. */
  keptMs?: number | undefined;
};

const KEPT_BYTES_MAX = 128 * 1024 * 1024;
const KEPT_MS = 10_000;

export class RowMemory {
  readonly #keptBytesMax: number;
  readonly #keptMs: number;
  readonly #free: SharedArrayBuffer[] = [];
  /** Lent, so that nothing is taken back twice: two blobs would share it. What is never given back goes with its last user. */
  readonly #lent = new WeakSet<ArrayBufferLike>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: RowMemoryOptions = {}) {
    this.#keptBytesMax = options.keptBytesMax ?? KEPT_BYTES_MAX;
    this.#keptMs = options.keptMs ?? KEPT_MS;
  }

  /** Exactly `bytes` bytes of any content, in the smallest unused buffer that has room: it is there already, however large. */
  take(bytes: number): Uint8Array {
    assert(bytes > 0, 'rows have bytes');
    const fits = this.#free
      .filter((one) => one.byteLength >= bytes)
      .sort((a, b) => a.byteLength - b.byteLength)[0];
    if (fits) this.#free.splice(this.#free.indexOf(fits), 1);
    const buffer = fits ?? new SharedArrayBuffer(roundedUp(bytes));
    this.#lent.add(buffer);
    return new Uint8Array(buffer, 0, bytes);
  }

  /** Takes back what `take` gave, once nobody reads it any more. Anything else is ignored. */
  give({ buffer }: Uint8Array): void {
    if (!this.#lent.delete(buffer)) return;
    this.#free.push(buffer as SharedArrayBuffer);
    while (this.keptBytes > this.#keptBytesMax) this.#free.shift();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#free.length = 0;
    }, this.#keptMs).unref();
  }

  /** Unused bytes that are kept now. */
  get keptBytes(): number {
    return this.#free.reduce((sum, one) => sum + one.byteLength, 0);
  }
}

/** Up by at most an eighth, so that blobs of about one length fit each other's memory. */
function roundedUp(bytes: number): number {
  const step = 2 ** Math.max(0, Math.floor(Math.log2(bytes)) - 3);
  return Math.ceil(bytes / step) * step;
}
