// Directories by path: the metadata file names the roots of what lies below it (spec/storage-rpc.md 8.1 and 12).
import type { DataRoot } from '@cairn/base';
import {
  type DirectoryEntry,
  type DirectoryFolder,
  decodeDirectory,
  findEntry,
  isDirectoryHeader,
} from '@cairn/protocol';
import { BytesSink, type StorageClient } from '@cairn/sdk';
import { GATEWAY, Refusal } from './envelope.ts';

const CACHE_BYTES_MAX = 32 * 1024 * 1024;
/** Largest metadata file that the gateway reads for a stranger. */
export const METADATA_BYTES_MAX = 16 * 1024 * 1024;
const HEADER_BYTES = 34;

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
    if (file.size <= HEADER_BYTES) throw notADirectory();
    // A large file that is no directory costs its first bytes only.
    const head = await this.#bytes(file.root, HEADER_BYTES, signal);
    if (!isDirectoryHeader(head)) throw notADirectory();
    if (file.size > METADATA_BYTES_MAX)
      throw new Refusal(GATEWAY.tooLarge, { actual: file.size, max: METADATA_BYTES_MAX });
    const folder = decodeDirectory(await this.#bytes(file.root, file.size, signal));
    this.#remember(file.root, folder, file.size);
    return folder;
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
