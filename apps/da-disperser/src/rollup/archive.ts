/*
 * Copies the blobs of rollups into the storage lane, so that they can be read after the members have dropped their rows. What is to
 * be copied is on disk before the rollup gets its certificate; the copying goes on behind, also after a restart. A blob that this
 * process no longer has is read back from the members.
 *
 *   archived   blob key → header, file root once the storage nodes have it
 *
 * What comes back from the archive is encoded again and must give the commitment, so neither this table nor a storage node can
 * serve a wrong byte.
 */
import { bytesToHex, type Hash32, hexToBytes, type Logger } from '@cairn/base';
import { FRAME_HEADER_BYTES } from '@cairn/erasure';
import {
  type BlobHeader,
  blobKey,
  type Domain,
  decodeHeader,
  encodeHeader,
  type Lookup,
} from '@cairn/quorum';
import { BytesSink, bytesSource, type StorageClient } from '@cairn/sdk';
import type { Database } from '@cairn/store';
import type { BlobSource, PayloadSource } from './blob-source.ts';
import type { BlobLane } from './lane.ts';

export const ARCHIVE_MIGRATION: string = `CREATE TABLE archived (
   blob_key BLOB PRIMARY KEY,
   header BLOB NOT NULL,
   root BLOB
 ) STRICT, WITHOUT ROWID;
 CREATE INDEX to_archive ON archived (blob_key) WHERE root IS NULL;`;

/** Blobs copied in one round. */
const ROUND_MAX = 16;

type Row = { blob_key: Buffer; header: Buffer };

/** Which blobs are, or are to be, in the storage lane. */
export class ArchiveIndex {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
  }

  /** Durable when it returns. */
  add(key: Hash32, header: BlobHeader): void {
    this.#db
      .prepare('INSERT OR IGNORE INTO archived (blob_key, header) VALUES (?, ?)')
      .run(hexToBytes(key), encodeHeader(header));
  }

  /** Some of the blobs that wait for their copy; any, so that one that fails does not hold up the others. */
  waiting(limit: number): { key: Uint8Array; header: BlobHeader }[] {
    return this.#db
      .prepare<[number], Row>(
        'SELECT blob_key, header FROM archived WHERE root IS NULL ORDER BY random() LIMIT ?',
      )
      .all(limit)
      .map((row) => ({ key: row.blob_key, header: decodeHeader(new Uint8Array(row.header)) }));
  }

  get waitingCount(): number {
    const row = this.#db
      .prepare<[], { count: number }>('SELECT count(*) AS count FROM archived WHERE root IS NULL')
      .get();
    return row?.count ?? 0;
  }

  setRoot(key: Uint8Array, root: string): void {
    this.#db.prepare('UPDATE archived SET root = ? WHERE blob_key = ?').run(hexToBytes(root), key);
  }

  rootOf(key: Hash32): string | undefined {
    const row = this.#db
      .prepare<[Uint8Array], { root: Buffer | null }>(
        'SELECT root FROM archived WHERE blob_key = ?',
      )
      .get(hexToBytes(key));
    return row?.root ? bytesToHex(row.root) : undefined;
  }
}

/** A lane whose blobs are noted for the archive before their certificates are given out. */
export function archivingLane(
  lane: BlobLane,
  { index, entrance }: { index: ArchiveIndex; entrance: Domain },
): BlobLane {
  return {
    async disperse(payload, signal): Promise<Lookup> {
      const lookup = await lane.disperse(payload, signal);
      index.add(blobKey(entrance, lookup.header), lookup.header);
      return lookup;
    },
  };
}

export type ArchiverDeps = {
  index: ArchiveIndex;
  source: BlobSource;
  /** Opened when there is something to copy: storage nodes may start after us. */
  storage: () => Promise<StorageClient>;
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
    for (const { key, header } of this.#deps.index.waiting(ROUND_MAX)) {
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
    const { index, source, storage, log } = this.#deps;
    const rows = await source.dataRows(header);
    const payload = rows.slice(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + header.length);
    const { root } = await (await storage()).upload(bytesSource(payload), { signal });
    index.setRoot(key, root);
    log.info({ blobKey: bytesToHex(key), root, bytes: payload.length }, 'blob archived');
  }
}

/** Payloads out of the storage lane. */
export function archivedPayloads(
  index: ArchiveIndex,
  storage: () => Promise<StorageClient>,
): PayloadSource {
  return {
    name: 'archive',
    async find(header, key, signal) {
      const root = index.rootOf(key);
      if (!root) return undefined;
      const sink = new BytesSink(header.length);
      await (await storage()).download(root, sink, { signal });
      return sink.bytes;
    },
  };
}
