/*
 * Copies final blobs into the storage lane as ordinary files, so that they can be read after the members have dropped their rows. It
 * goes on behind, also after a restart: what waits is on disk (`ArchiveIndex`). A payload that this process no longer has is read
 * back from the members.
 *
 * What comes back from the archive is encoded again and must give the commitment (`BlobSource`), so neither the index nor a storage
 * node can serve a wrong byte.
 */
import { bytesToHex, type Hash32, hexToBytes, type Logger } from '@cairn/base';
import { FRAME_HEADER_BYTES } from '@cairn/erasure';
import type { BlobHeader } from '@cairn/quorum';
import { BytesSink, bytesSource, type StorageClient } from '@cairn/sdk';
import type { BlobQueue } from '../queue/blob-queue.ts';
import type { BlobSource, PayloadSource } from '../reading/blob-source.ts';
import type { ArchiveIndex } from './archive-index.ts';

/** Blobs copied in one round. */
const ROUND_MAX = 16;

/** Opened when there is something to copy: storage nodes may start after us. */
export type OpenStorage = () => Promise<Pick<StorageClient, 'upload' | 'download'>>;
export type ArchiverDeps = {
  queue: Pick<BlobQueue, 'archive' | 'archived'>;
  /** Payloads as they were accepted, asked before the members are. */
  kept: PayloadSource;
  source: Pick<BlobSource, 'dataRows'>;
  storage: OpenStorage;
  log: Logger;
};

export class Archiver {
  readonly #deps: ArchiverDeps;

  constructor(deps: ArchiverDeps) {
    this.#deps = deps;
  }

  /** Copies what waits, up to a round's worth. Throws the first failure after having tried the others. */
  async step(signal: AbortSignal): Promise<void> {
    let failure: { error: unknown } | undefined;
    for (const { key, header } of this.#deps.queue.archive.waiting(ROUND_MAX)) {
      try {
        await this.#copy(key, header, signal);
      } catch (error) {
        signal.throwIfAborted();
        failure ??= { error };
      }
    }
    if (failure) throw failure.error;
  }

  async #copy(key: Uint8Array, header: BlobHeader, signal: AbortSignal): Promise<void> {
    const { queue, storage, log } = this.#deps;
    const payload = await this.#payload(key, header, signal);
    const { root } = await (await storage()).upload(bytesSource(payload), { signal });
    queue.archived(key, root);
    log.info({ blobKey: bytesToHex(key), root, bytes: payload.length }, 'blob archived');
  }

  async #payload(key: Uint8Array, header: BlobHeader, signal: AbortSignal): Promise<Uint8Array> {
    const { kept, source } = this.#deps;
    const accepted = await kept
      .find(header, bytesToHex(key) as Hash32, signal)
      .catch(() => undefined); // not on disk any more
    if (accepted) return accepted;
    const rows = await source.dataRows(header);
    return rows.slice(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + header.length);
  }
}

/** Payloads out of the storage lane. */
export function archivedPayloads(index: ArchiveIndex, storage: OpenStorage): PayloadSource {
  return {
    name: 'archive',
    async find(header, key, signal) {
      const root = index.get(hexToBytes(key))?.root;
      if (!root) return undefined;
      const sink = new BytesSink(header.length);
      await (await storage()).download(root, sink, { signal });
      return sink.bytes;
    },
  };
}
