// Directories and bundles by path: the metadata, or the index, names what lies below (spec/storage-rpc.md 8.1 and 12, docs/bundles.md).
import type { DataRoot } from '@cairn/base';
import {
  BUNDLE_HEADER_BYTES,
  bundleIndexBytes,
  DIRECTORY_HEADER_BYTES,
  type DirectoryEntry,
  type DirectoryFolder,
  decodeBundle,
  decodeDirectory,
  findEntry,
  isDirectoryHeader,
} from '@cairn/protocol';
import { BytesSink, type StorageClient } from '@cairn/sdk';
import { GATEWAY, Refusal } from './envelope.ts';

const CACHE_BYTES_MAX = 32 * 1024 * 1024;
/** Largest metadata file that the gateway reads for a stranger. */
export const METADATA_BYTES_MAX = 16 * 1024 * 1024;
const HEADER_BYTES: number = Math.max(BUNDLE_HEADER_BYTES, DIRECTORY_HEADER_BYTES);

/** Reads directories; the newest ones stay in memory, up to 32 MiB of metadata. */
export class FolderReader {
  readonly #client: StorageClient;
  readonly #cache = new Map<DataRoot, { folder: DirectoryFolder; bytes: number }>();
  #cachedBytes = 0;

  constructor(client: StorageClient) {
    this.#client = client;
  }

  /** Throws the refusals `unsupported` and `tooLarge`. */
  async read(
    file: { root: DataRoot; size: number },
    signal: AbortSignal,
  ): Promise<DirectoryFolder> {
    const cached = this.#cache.get(file.root);
    if (cached) {
      this.#cache.delete(file.root);
      this.#cache.set(file.root, cached);
      return cached.folder;
    }
    // A large file that is no directory costs its first bytes only.
    const head = await this.#bytes(file.root, Math.min(HEADER_BYTES, file.size), signal);
    const indexBytes = this.#indexBytes(head);
    const isTree = indexBytes !== undefined || isDirectoryHeader(head);
    if (!isTree) throw notADirectory();
    const bytes = indexBytes === undefined ? file.size : BUNDLE_HEADER_BYTES + indexBytes;
    if (bytes > METADATA_BYTES_MAX)
      throw new Refusal(GATEWAY.tooLarge, { actual: bytes, max: METADATA_BYTES_MAX });
    const metadata = await this.#bytes(file.root, Math.min(bytes, file.size), signal);
    const folder =
      indexBytes === undefined ? decodeDirectory(metadata) : decodeBundle(metadata, file);
    this.#remember(file.root, folder, bytes);
    return folder;
  }

  /** Of a bundle; undefined for anything that does not begin as one. */
  #indexBytes(head: Uint8Array): number | undefined {
    try {
      return bundleIndexBytes(head);
    } catch {
      throw notADirectory(); // the magic, and an index that no bundle has
    }
  }

  async #bytes(root: DataRoot, length: number, signal: AbortSignal): Promise<Uint8Array> {
    const sink = new BytesSink(length);
    await this.#client.download(root, sink, { range: { start: 0, end: length }, signal });
    return sink.bytes;
  }

  #remember(root: DataRoot, folder: DirectoryFolder, bytes: number): void {
    if (this.#cache.has(root)) return;
    this.#cache.set(root, { folder, bytes });
    this.#cachedBytes += bytes;
    for (const [oldest, entry] of this.#cache) {
      if (this.#cachedBytes <= CACHE_BYTES_MAX) return;
      this.#cache.delete(oldest);
      this.#cachedBytes -= entry.bytes;
    }
  }
}

function notADirectory(): Refusal {
  return new Refusal(GATEWAY.unsupported, 'the file is not a directory');
}

/**
 * The entry at a path as it stands in a URL. Each part is decoded by itself, so an encoded slash is part of a name, and no
 * entry has such a name; links are not followed.
 */
export function entryAt(folder: DirectoryFolder, encodedPath: string): DirectoryEntry {
  let at: DirectoryEntry = folder;
  for (const part of encodedPath.split('/')) {
    if (part === '') continue;
    const name = decodePart(part);
    const next: DirectoryEntry | undefined =
      at.type === 'directory' && !name.includes('/') ? findEntry(at, name) : undefined;
    if (!next) throw new Refusal(GATEWAY.pathNotFound);
    at = next;
  }
  return at;
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    throw new Refusal(GATEWAY.invalidParameter, 'the path is not encoded well');
  }
}

/** What a listing says about each entry. */
export function listing(
  folder: DirectoryFolder,
): { name: string; type: DirectoryEntry['type']; size?: number }[] {
  return folder.entries.map((entry) => ({
    name: entry.name,
    type: entry.type,
    ...(entry.type === 'file' ? { size: entry.size } : {}),
  }));
}
