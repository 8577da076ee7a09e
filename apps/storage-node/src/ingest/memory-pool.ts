import type { Clock, DataRoot } from '@cairn/base';
import { BYTES_PER_SECTOR, RPC_TEXT } from '@cairn/protocol';
import { serverError } from '@cairn/rpc';

/** A segment whose proof was checked, in memory. `data` is unpadded whole sectors. */
export type CheckedSegment = {
  index: number;
  data: Uint8Array;
  segmentRoot: Uint8Array;
  siblings: Uint8Array;
};
type Entry = { fileSize: number; segments: Map<number, CheckedSegment>; expiresAt: number };

export type MemoryPoolOptions = { maxBytes: number; ttlMs: number };

/** Segments that came before their log entry. Bounded in bytes; a file's entry lives `ttlMs` after its last segment. */
export class MemoryPool {
  readonly #files = new Map<DataRoot, Entry>();
  readonly #clock: Clock;
  readonly #options: MemoryPoolOptions;
  #bytes = 0;

  constructor(clock: Clock, options: MemoryPoolOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  has(root: DataRoot): boolean {
    this.#expire();
    return this.#files.has(root);
  }

  /** Bytes held. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Keeps a segment; the same one twice is fine. Throws the spec's text when the pool is full. */
  add(root: DataRoot, fileSize: number, segment: CheckedSegment): void {
    this.#expire();
    const entry = this.#files.get(root) ?? { fileSize, segments: new Map(), expiresAt: 0 };
    if (!entry.segments.has(segment.index)) {
      if (this.#bytes + segment.data.length > this.#options.maxBytes) {
        throw serverError(RPC_TEXT.poolFull(Math.floor(this.#options.maxBytes / BYTES_PER_SECTOR)));
      }
      // A copy: the caller's buffer may be a slice of a much larger request body.
      entry.segments.set(segment.index, {
        ...segment,
        data: segment.data.slice(),
        siblings: segment.siblings.slice(),
      });
      this.#bytes += segment.data.length;
    }
    entry.expiresAt = this.#clock.monotonic() + this.#options.ttlMs;
    this.#files.set(root, entry);
  }

  /** Takes a file's segments out of the pool. */
  take(root: DataRoot): CheckedSegment[] {
    const entry = this.#files.get(root);
    if (!entry) return [];
    this.#drop(root, entry);
    return [...entry.segments.values()];
  }

  #expire(): void {
    const now = this.#clock.monotonic();
    for (const [root, entry] of this.#files) if (entry.expiresAt <= now) this.#drop(root, entry);
  }

  #drop(root: DataRoot, entry: Entry): void {
    this.#files.delete(root);
    for (const segment of entry.segments.values()) this.#bytes -= segment.data.length;
  }
}
