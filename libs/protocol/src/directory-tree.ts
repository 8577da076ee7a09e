/*
 * A tree of files, folders and links as JSON: what directory metadata and bundles have in common (storage-rpc section 12).
 * Names come from strangers: a decoded tree holds none that could leave its folder.
 */
import { CodedError, type DataRoot } from '@cairn/base';
import { z } from 'zod';

const DEPTH_MAX = 128;
/** Entries of one tree. */
const TREE_ENTRIES_MAX = 1_000_000;

export type DirectoryFile = {
  type: 'file';
  name: string;
  /** Roots of its parts in order; none when it is empty. */
  roots: DataRoot[];
  /** Plaintext bytes. */
  size: number;
  /** First byte in the stream of the roots, for a member of a bundle; absent: the file is all of the stream. */
  start?: number | undefined;
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
    entries: z.array(rawNode).max(TREE_ENTRIES_MAX).nullish(),
  }),
);

/** Where the bytes of files are: under roots of their own, or in the stream that the tree stands in. */
export type TreeKind = 'directory' | 'bundle';

/** The error of a tree that is not one: `PROTOCOL_DIRECTORY` or `PROTOCOL_BUNDLE`. */
export function invalidTree(kind: TreeKind, message: string, cause?: unknown): CodedError {
  return new CodedError({
    code: kind === 'bundle' ? 'PROTOCOL_BUNDLE' : 'PROTOCOL_DIRECTORY',
    kind: 'invalid',
    message: `${kind === 'bundle' ? 'bundle' : 'directory metadata'}: ${message}`,
    cause,
  });
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
export function checkEntryName(name: string, kind: TreeKind = 'directory'): string {
  if (name === '' || name === '.' || name === '..' || /[/\\\0]/.test(name))
    throw invalidTree(kind, `${JSON.stringify(name)} is not the name of an entry`);
  return name;
}

/** JSON of a tree, UTF-8. Entries are sorted on the way; a bundle's files have a size and no roots. */
export function treeToJson(tree: DirectoryFolder, kind: TreeKind): Uint8Array {
  const raw = (entry: DirectoryEntry, isTop: boolean): RawNode => {
    const name = isTop ? '/' : checkEntryName(entry.name, kind);
    // The order of keys is part of the format: equal trees must have equal roots.
    if (entry.type === 'symbolic') return { name, type: entry.type, link: entry.link };
    if (entry.type === 'file')
      return {
        name,
        type: entry.type,
        ...(kind === 'directory' && entry.roots.length > 0 ? { roots: entry.roots } : {}),
        ...(entry.size > 0 ? { size: entry.size } : {}),
      };
    const entries = sortedEntries(entry).map((child) => raw(child, false));
    return { name, type: entry.type, ...(entries.length > 0 ? { entries } : {}) };
  };
  return new TextEncoder().encode(JSON.stringify(raw(tree, true)));
}

/** The entries of a folder in the order of the format. */
export function sortedEntries(folder: DirectoryFolder): DirectoryEntry[] {
  return [...folder.entries].sort((a, b) => compareNames(a.name, b.name));
}

/** Reads the JSON of a tree. Throws what `invalidTree` makes on anything that is not one. */
export function treeFromJson(bytes: Uint8Array, kind: TreeKind): DirectoryFolder {
  let parsed: unknown;
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    checkNesting(text, kind);
    parsed = JSON.parse(text);
  } catch (error) {
    if (error instanceof CodedError) throw error;
    throw invalidTree(kind, 'it is not JSON', error);
  }
  const result = rawNode.safeParse(parsed);
  if (!result.success) throw invalidTree(kind, result.error.issues[0]?.message ?? 'wrong shape');
  let count = 0;
  const file = (node: RawNode, name: string): DirectoryFile => {
    const roots = (node.roots ?? (node.hash ? [node.hash] : [])).map(
      (hex) => hex.toLowerCase() as DataRoot,
    );
    const size = node.size ?? 0;
    if (kind === 'directory' && roots.length === 0 && size > 0)
      throw invalidTree(kind, `${name} has a size but no root`);
    if (kind === 'bundle' && roots.length > 0) throw invalidTree(kind, `${name} has a root`);
    return { type: 'file', name, roots, size };
  };
  const entry = (node: RawNode, name: string): DirectoryEntry => {
    if (++count > TREE_ENTRIES_MAX)
      throw invalidTree(kind, `more than ${TREE_ENTRIES_MAX} entries`);
    if (node.type === 'symbolic') return { type: 'symbolic', name, link: node.link ?? '' };
    if (node.type === 'file') return file(node, name);
    const entries = (node.entries ?? []).map((child) =>
      entry(child, checkEntryName(child.name, kind)),
    );
    if (new Set(entries.map((child) => child.name)).size !== entries.length)
      throw invalidTree(kind, `${name} names an entry twice`);
    return { type: 'directory', name, entries };
  };
  const top = entry(result.data, '/');
  if (top.type !== 'directory') throw invalidTree(kind, 'the top is not a directory');
  return top;
}

/** Bounds the nesting before the parser recurses. */
function checkNesting(text: string, kind: TreeKind): void {
  let depth = 0;
  let isString = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (isString) {
      if (char === '\\') i++;
      else if (char === '"') isString = false;
    } else if (char === '"') isString = true;
    else if (char === '{' || char === '[') {
      if (++depth > 2 * DEPTH_MAX) throw invalidTree(kind, `deeper than ${DEPTH_MAX} folders`);
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
