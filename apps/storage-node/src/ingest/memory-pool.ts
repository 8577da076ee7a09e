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
type Entry = { segments: Map<number, CheckedSegment>; expiresAt: number };
/** A root does not say how many bytes the file has (trailing zeros), so only root and size together name one. */
type FileKey = `${DataRoot}/${number}`;

export type MemoryPoolOptions = { maxBytes: number; ttlMs: number };

/** Segments that came before their log entry. Bounded in bytes; a file's entry lives `ttlMs` after its last segment. */
export class MemoryPool {
  readonly #files = new Map<FileKey, Entry>();
  readonly #clock: Clock;
  readonly #options: MemoryPoolOptions;
  #bytes = 0;

  constructor(clock: Clock, options: MemoryPoolOptions) {
    this.#clock = clock;
    this.#options = options;
  }

  has(root: DataRoot, fileSize: number): boolean {
    this.#expire();
    return this.#files.has(`${root}/${fileSize}`);
  }

  /** Bytes held. */
  get bytes(): number {
    this.#expire();
    return this.#bytes;
  }

  /** Keeps a segment; the same one twice is fine. Throws the spec's text when the pool is full. */
  add(root: DataRoot, fileSize: number, segment: CheckedSegment): void {
    this.#expire();
    const key: FileKey = `${root}/${fileSize}`;
    const entry = this.#files.get(key) ?? { segments: new Map(), expiresAt: 0 };
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
    this.#files.set(key, entry);
  }

  /** Takes a file's segments out of the pool. */
  take(root: DataRoot, fileSize: number): CheckedSegment[] {
    this.#expire();
    const key: FileKey = `${root}/${fileSize}`;
    const entry = this.#files.get(key);
    if (!entry) return [];
    this.#drop(key, entry);
    return [...entry.segments.values()];
  }

  #expire(): void {
    const now = this.#clock.monotonic();
    for (const [key, entry] of this.#files) if (entry.expiresAt <= now) this.#drop(key, entry);
  }

  #drop(key: FileKey, entry: Entry): void {
    this.#files.delete(key);
    for (const segment of entry.segments.values()) this.#bytes -= segment.data.length;
  }
}
