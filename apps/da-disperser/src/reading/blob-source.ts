/*
 * Blobs by certificate, verified whoever gives them: members first (every row is checked), then the bytes this disperser kept,
 * then the archive (both are encoded again and must give the commitment). The last few verified blobs stay in memory, since the
 * inputs of one blob are asked for one after the other.
 */
import {
  CodedError,
  equalBytes,
  errorMessage,
  type Hash32,
  hexToBytes,
  type Logger,
} from '@cairn/base';
import type { DaReader } from '@cairn/chain/da';
import {
  type BlobFormat,
  type EncodedBlob,
  encodeBlobInThreads,
  encodeDataRowsInThreads,
  parseBlobFormat,
} from '@cairn/erasure';
import type { Kernels } from '@cairn/kernels';
import type { TaskPool } from '@cairn/kernels/node';
import { type BlobHeader, blobKey, type Domain } from '@cairn/quorum';
import { type MemberPool, retrieveBlob } from '@cairn/sdk/da';

/** A place that may have a payload. What it gives is checked; undefined when it has nothing. */
export type PayloadSource = {
  name: string;
  find(header: BlobHeader, key: Hash32, signal: AbortSignal): Promise<Uint8Array | undefined>;
};
export type BlobSourceDeps = {
  reader: DaReader;
  members: MemberPool;
  kernels: Kernels;
  threads: TaskPool;
  entrance: Domain;
  /** Asked in order when the members have not got it. */
  fallbacks: readonly PayloadSource[];
  /** Called when a blob was read, with the name of the place it came from. */
  onRead?: ((from: string) => void) | undefined;
  /** Called for each member that failed a read that went well without it. */
  onDropped?: ((lied: boolean) => void) | undefined;
  log: Logger;
};
export type BlobSourceOptions = { cacheBytesMax: number; timeoutMs: number };

export function formatOf(header: BlobHeader): BlobFormat {
  return parseBlobFormat({ ...header, rowBytes: header.rowSize });
}

export class BlobSource {
  readonly #deps: BlobSourceDeps;
  readonly #options: BlobSourceOptions;
  /** Data rows of verified blobs, oldest use first. */
  readonly #cache = new Map<Hash32, Uint8Array>();
  #cacheBytes = 0;
  /** Reads under way, shared by whoever asks for the same blob. Bounded by the server's connections. */
  readonly #reading = new Map<Hash32, Promise<Uint8Array>>();

  constructor(deps: BlobSourceDeps, options: BlobSourceOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** All data rows of a certified blob (a shared view: do not write). Throws what `retrieveBlob` throws. */
  async dataRows(header: BlobHeader): Promise<Uint8Array> {
    const key = blobKey(this.#deps.entrance, header);
    const cached = this.#cache.get(key);
    if (cached) {
      this.#cache.delete(key);
      this.#cache.set(key, cached);
      return cached;
    }
    const running = this.#reading.get(key);
    if (running) return running;
    const reading = this.#read(header, key)
      .then((rows) => {
        this.#keep(key, rows);
        return rows;
      })
      .finally(() => this.#reading.delete(key));
    this.#reading.set(key, reading);
    return reading;
  }

  /** The blob with its trees, to make proofs from. Costs an encoding. */
  async encoded(header: BlobHeader): Promise<EncodedBlob> {
    const { kernels, threads } = this.#deps;
    const format = formatOf(header);
    const data = await this.dataRows(header);
    const signal = AbortSignal.timeout(this.#options.timeoutMs);
    const { length } = header;
    return encodeDataRowsInThreads(kernels, threads, { format, data, length }, signal);
  }

  #keep(key: Hash32, rows: Uint8Array): void {
    const { cacheBytesMax } = this.#options;
    if (rows.length > cacheBytesMax) return;
    this.#cache.set(key, rows);
    this.#cacheBytes += rows.length;
    for (const [oldest, bytes] of this.#cache) {
      if (this.#cacheBytes <= cacheBytesMax) return;
      this.#cache.delete(oldest);
      this.#cacheBytes -= bytes.length;
    }
  }

  async #read(header: BlobHeader, key: Hash32): Promise<Uint8Array> {
    const { log, fallbacks, onRead } = this.#deps;
    const signal = AbortSignal.timeout(this.#options.timeoutMs);
    try {
      const rows = await this.#fromMembers(header, signal);
      onRead?.('members');
      return rows;
    } catch (failure) {
      for (const { name, find } of fallbacks) {
        const rows = await find(header, key, signal)
          .then((payload) => payload && this.#verified(header, payload, signal))
          .catch((error: unknown) => {
            log.warn({ from: name, error: errorMessage(error) }, 'a fallback failed');
            return undefined;
          });
        if (rows) {
          onRead?.(name);
          return rows;
        }
        log.debug({ from: name, blobKey: key }, 'no good copy there');
      }
      throw failure;
    }
  }

  async #fromMembers(header: BlobHeader, signal: AbortSignal): Promise<Uint8Array> {
    const { reader, members, kernels, entrance, log, onDropped } = this.#deps;
    const epoch = await reader.epoch(header.epoch);
    const quorum = epoch?.quorums[header.quorum];
    if (!epoch || !quorum)
      throw new CodedError({
        code: 'ROLLUP_EPOCH_UNKNOWN',
        kind: 'unavailable',
        message: `epoch ${header.epoch} is not known any more`,
      });
    const place = { epoch, quorum };
    const deps = { members, kernels, entrance };
    const { dataRows, dropped } = await retrieveBlob(deps, place, header, { signal });
    for (const { endpoint, reason, lied } of dropped) {
      onDropped?.(lied);
      if (lied) log.warn({ endpoint, reason }, 'a member gave bad rows');
    }
    return dataRows;
  }

  /** Data rows of a payload when it is the blob's. */
  async #verified(
    header: BlobHeader,
    payload: Uint8Array,
    signal: AbortSignal,
  ): Promise<Uint8Array | undefined> {
    const { kernels, threads } = this.#deps;
    if (payload.length !== header.length) return undefined;
    const { version, shape, rowBytes } = formatOf(header);
    const encoded = await encodeBlobInThreads(kernels, threads, payload, {
      version,
      shape,
      signal,
    });
    const isIt = equalBytes(encoded.commitment, hexToBytes(header.commitment));
    return isIt ? encoded.rows.slice(0, shape.dataRows * rowBytes) : undefined;
  }
}
