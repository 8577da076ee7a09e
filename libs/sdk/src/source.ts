/** Bytes to upload. `read` may be called from several tasks at once, for any range. */
export interface UploadSource {
  readonly size: number;
  /** Bytes [start, end), a new array or a view that stays unchanged. */
  read(start: number, end: number): Promise<Uint8Array>;
  /** The same into memory that is used again and again; spares the collector 256 KiB a segment. */
  readInto?(start: number, target: Uint8Array): Promise<void>;
  /** Roots of all real segments by a faster way than reading them here (worker threads). */
  segmentRoots?(options: {
    lastLeafCount: number;
    signal?: AbortSignal | undefined;
    onProgress?: ((bytes: number) => void) | undefined;
  }): Promise<Uint8Array>;
}

/** Where downloaded bytes go; ranges arrive in any order, each once. */
export interface DownloadSink {
  write(offset: number, bytes: Uint8Array): Promise<void>;
}

export function bytesSource(bytes: Uint8Array): UploadSource {
  return { size: bytes.length, read: async (start, end) => bytes.subarray(start, end) };
}

/** A browser's File or Blob. */
export function blobSource(blob: Blob): UploadSource {
  return {
    size: blob.size,
    read: async (start, end) => new Uint8Array(await blob.slice(start, end).arrayBuffer()),
  };
}

/** Bytes [start, end) of a source as a source of its own. */
export function sliceSource(source: UploadSource, start: number, end: number): UploadSource {
  if (start === 0 && end === source.size) return source;
  return {
    size: end - start,
    read: (from, to) => source.read(start + from, start + to),
    ...(source.readInto
      ? { readInto: (from, target) => source.readInto!(start + from, target) }
      : {}),
  };
}

/** Collects a download in memory. */
export class BytesSink implements DownloadSink {
  readonly bytes: Uint8Array;
  readonly #origin: number;

  constructor(length: number, origin = 0) {
    this.bytes = new Uint8Array(length);
    this.#origin = origin;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.bytes.set(bytes, offset - this.#origin);
  }
}
