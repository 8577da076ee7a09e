/*
 * Directory metadata: one extra file per directory, `magic(32) ‖ version(2, big-endian) ‖ JSON` (storage-rpc section 12).
 * Version 1 and 2 are read, 2 is written. Names come from strangers: a decoded tree holds none that could leave its folder.
 */
import { bytesToHex, CodedError, concatBytes, type DataRoot, hexToBytes } from '@cairn/base';
import { z } from 'zod';

/** keccak256("0g-storage-client-dir-codec"). */
export const DIRECTORY_MAGIC = '0xa8795aa6b5ee8997448d47d3135f70f45e2d3502f8002edeef242ebd0458e7f5';
export const DIRECTORY_HEADER_BYTES = 34;
/** Largest metadata file that is read, in bytes. */
export const DIRECTORY_BYTES_MAX = 64 * 1024 * 1024;
const DEPTH_MAX = 128;
const ENTRIES_MAX = 1_000_000;
const VERSION = 2;

export type DirectoryFile = {
  type: 'file';
  name: string;
  /** Roots of its parts in order; none when it is empty. */
  roots: DataRoot[];
  /** Plaintext bytes. */
  size: number;
};
export type DirectoryLink = { type: 'symbolic'; name: string; link: string };
export type DirectoryFolder = { type: 'directory'; name: string; entries: DirectoryEntry[] };
export type DirectoryEntry = DirectoryFile | DirectoryLink | DirectoryFolder;

type RawNode = {
  name: string;
  type: string;
  hash?: string | undefined;
  roots?: string[] | null | undefined;
  size?: number | undefined;
  link?: string | undefined;
  entries?: RawNode[] | null | undefined;
};
const root = z.string().regex(/^0x[0-9a-fA-F]{64}$/);
const rawNode: z.ZodType<RawNode> = z.lazy(() =>
  z.object({
    name: z.string().max(4096),
    type: z.enum(['file', 'directory', 'symbolic']),
    hash: root.optional(),
    roots: z.array(root).max(1_000_000).nullish(),
    size: z.int().min(0).optional(),
    link: z.string().max(65_536).optional(),
    entries: z.array(rawNode).max(ENTRIES_MAX).nullish(),
  }),
);

function invalid(message: string, cause?: unknown): CodedError {
  return new CodedError({
    code: 'PROTOCOL_DIRECTORY',
    kind: 'invalid',
    message: `directory metadata: ${message}`,
    cause,
  });
}

/** True when the bytes begin as directory metadata does. */
export function isDirectoryHeader(bytes: Uint8Array): boolean {
  return (
    bytes.length >= DIRECTORY_HEADER_BYTES && bytesToHex(bytes.subarray(0, 32)) === DIRECTORY_MAGIC
  );
}

/** Order of entries: by the bytes of their UTF-8 names. */
export function compareNames(a: string, b: string): number {
  const encoder = new TextEncoder();
  const [left, right] = [encoder.encode(a), encoder.encode(b)];
  for (let i = 0; i < Math.min(left.length, right.length); i++)
    if (left[i] !== right[i]) return left[i]! - right[i]!;
  return left.length - right.length;
}

/** Throws `PROTOCOL_DIRECTORY` for a name that is empty, `.`, `..`, or holds a separator or NUL. */
export function checkEntryName(name: string): string {
  if (name === '' || name === '.' || name === '..' || /[/\\\0]/.test(name))
    throw invalid(`${JSON.stringify(name)} is not the name of an entry`);
  return name;
}

/** The metadata file of a tree; its root is the directory's handle. Entries are sorted on the way. */
export function encodeDirectory(tree: DirectoryFolder): Uint8Array {
  const raw = (entry: DirectoryEntry, isTop: boolean): RawNode => {
    const name = isTop ? '/' : checkEntryName(entry.name);
    // The order of keys is part of the format: equal trees must have equal roots.
    if (entry.type === 'symbolic') return { name, type: entry.type, link: entry.link };
    if (entry.type === 'file')
      return {
        name,
        type: entry.type,
        ...(entry.roots.length > 0 ? { roots: entry.roots } : {}),
        ...(entry.size > 0 ? { size: entry.size } : {}),
      };
    const entries = [...entry.entries]
      .sort((a, b) => compareNames(a.name, b.name))
      .map((child) => raw(child, false));
    return { name, type: entry.type, ...(entries.length > 0 ? { entries } : {}) };
  };
  const bytes = new TextEncoder().encode(JSON.stringify(raw(tree, true)));
  if (bytes.length + DIRECTORY_HEADER_BYTES > DIRECTORY_BYTES_MAX)
    throw invalid(`${bytes.length} bytes is more than a directory may have`);
  return concatBytes(hexToBytes(DIRECTORY_MAGIC), Uint8Array.of(0, VERSION), bytes);
}

/** Reads a metadata file. Throws `PROTOCOL_DIRECTORY` on anything that is not one. */
export function decodeDirectory(bytes: Uint8Array): DirectoryFolder {
  if (!isDirectoryHeader(bytes)) throw invalid('it does not begin with the magic number');
  if (bytes.length > DIRECTORY_BYTES_MAX) throw invalid(`${bytes.length} bytes is too much`);
  const version = (bytes[32]! << 8) | bytes[33]!;
  if (version !== 1 && version !== 2) throw invalid(`version ${version} is not known`);
  let parsed: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(
      bytes.subarray(DIRECTORY_HEADER_BYTES),
    );
    checkNesting(text);
    parsed = JSON.parse(text);
  } catch (error) {
    if (error instanceof CodedError) throw error;
    throw invalid('it is not JSON', error);
  }
  const result = rawNode.safeParse(parsed);
  if (!result.success) throw invalid(result.error.issues[0]?.message ?? 'wrong shape');
  let count = 0;
  const entry = (node: RawNode, name: string): DirectoryEntry => {
    if (++count > ENTRIES_MAX) throw invalid(`more than ${ENTRIES_MAX} entries`);
    if (node.type === 'symbolic') return { type: 'symbolic', name, link: node.link ?? '' };
    if (node.type === 'file') {
      const roots = (node.roots ?? (node.hash ? [node.hash] : [])).map(
        (hex) => hex.toLowerCase() as DataRoot,
      );
      const size = node.size ?? 0;
      if (roots.length === 0 && size > 0) throw invalid(`${name} has a size but no root`);
      return { type: 'file', name, roots, size };
    }
    const entries = (node.entries ?? []).map((child) => entry(child, checkEntryName(child.name)));
    if (new Set(entries.map((child) => child.name)).size !== entries.length)
      throw invalid(`${name} names an entry twice`);
    return { type: 'directory', name, entries };
  };
  const top = entry(result.data, '/');
  if (top.type !== 'directory') throw invalid('the top is not a directory');
  return top;
}

/** Bounds the nesting before the parser recurses. */
function checkNesting(text: string): void {
  let depth = 0;
  let isString = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (isString) {
      if (char === '\\') i++;
      else if (char === '"') isString = false;
    } else if (char === '"') isString = true;
    else if (char === '{' || char === '[') {
      if (++depth > 2 * DEPTH_MAX) throw invalid(`deeper than ${DEPTH_MAX} folders`);
    } else if (char === '}' || char === ']') depth--;
  }
}

/** The entry at `a/b/c` below a folder, or undefined. An empty path is the folder itself. */
export function findEntry(folder: DirectoryFolder, path: string): DirectoryEntry | undefined {
  let at: DirectoryEntry | undefined = folder;
  for (const name of path.split('/').filter((part) => part !== '')) {
    if (at?.type !== 'directory') return undefined;
    at = at.entries.find((child) => child.name === name);
  }
  return at;
}

/** Every entry below a folder with its path, folders before what they hold. */
export function* walkDirectory(
  folder: DirectoryFolder,
  prefix = '',
): Generator<{ path: string; entry: DirectoryEntry }> {
  for (const entry of folder.entries) {
    const path = prefix === '' ? entry.name : `${prefix}/${entry.name}`;
    yield { path, entry };
    if (entry.type === 'directory') yield* walkDirectory(entry, path);
  }
}
