/*
 * Bundles: many small files in one, each of which can be read and proven by itself (docs/bundles.md).
 *
 *   0      magic 32 B = keccak256("cairn-bundle-v1")
 *   32     u32 big-endian: bytes of the index
 *   36     index: the tree as JSON, files with sizes and without roots
 *   …      zeros up to a multiple of 256
 *   …      the files, in the order of the index (entries by name, folders where they stand); each begins at a multiple of 256,
 *          zeros in between, none after the last
 *
 * The index names no places: they follow from the sizes, so there are none that overlap or point outside. One submission, one fee, one
 * root; a member is a range of the bundle, proven by the segments it touches. Sectors are 256 bytes: small members share no leaf.
 */
import { bytesToHex, concatBytes, type DataRoot, hexToBytes } from '@cairn/base';
import { BYTES_PER_SECTOR } from './constants.ts';
import {
  type DirectoryEntry,
  type DirectoryFile,
  type DirectoryFolder,
  invalidTree,
  sortedEntries,
  treeFromJson,
  treeToJson,
} from './directory-tree.ts';

/** keccak256("cairn-bundle-v1"). */
export const BUNDLE_MAGIC = '0xa151bcd1781e50d6c40c1ceb8bf36319db09509983074814c3f6ac74ec1299b2';
export const BUNDLE_HEADER_BYTES = 36;
/** Largest index, in bytes. */
export const BUNDLE_INDEX_BYTES_MAX = 64 * 1024 * 1024;

export type BundleLayout = {
  /** Header, index and padding: what stands before the first member. */
  head: Uint8Array;
  /** Bytes of the whole bundle. */
  size: number;
  /** Files with bytes, in order, each with its first byte in the bundle. */
  members: { file: DirectoryFile; start: number }[];
};

/** Bytes of the index, or undefined when the bytes do not begin as a bundle does. Throws `PROTOCOL_BUNDLE` for an impossible length. */
export function bundleIndexBytes(head: Uint8Array): number | undefined {
  if (head.length < BUNDLE_HEADER_BYTES || bytesToHex(head.subarray(0, 32)) !== BUNDLE_MAGIC)
    return undefined;
  const bytes = new DataView(head.buffer, head.byteOffset).getUint32(32);
  if (bytes === 0 || bytes > BUNDLE_INDEX_BYTES_MAX)
    throw invalidTree('bundle', `an index of ${bytes} bytes`);
  return bytes;
}

/** Where everything of a tree's bundle stands. Throws `PROTOCOL_BUNDLE` when names are impossible or the index is too long. */
export function layoutBundle(tree: DirectoryFolder): BundleLayout {
  const index = treeToJson(tree, 'bundle');
  if (index.length > BUNDLE_INDEX_BYTES_MAX)
    throw invalidTree('bundle', `an index of ${index.length} bytes`);
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, index.length);
  const head = new Uint8Array(aligned(BUNDLE_HEADER_BYTES + index.length));
  head.set(concatBytes(hexToBytes(BUNDLE_MAGIC), length, index));
  const { members, end } = placeMembers(tree, index.length);
  // Nothing follows an index without members, not even its padding.
  return members.length === 0
    ? { head: head.subarray(0, BUNDLE_HEADER_BYTES + index.length), size: end, members }
    : { head, size: end, members };
}

/**
 * The tree of a bundle from its first bytes: header and whole index. Files get the bundle's root and their place in it. Throws
 * `PROTOCOL_BUNDLE` when it is no bundle, or its sizes do not add up to that of the file.
 */
export function decodeBundle(
  head: Uint8Array,
  bundle: { root: DataRoot; size: number },
): DirectoryFolder {
  const indexBytes = bundleIndexBytes(head);
  if (indexBytes === undefined)
    throw invalidTree('bundle', 'it does not begin with the magic number');
  const indexEnd = BUNDLE_HEADER_BYTES + indexBytes;
  if (head.length < indexEnd) throw invalidTree('bundle', 'the index is cut off');
  const tree = treeFromJson(head.subarray(BUNDLE_HEADER_BYTES, indexEnd), 'bundle');
  const { members, end } = placeMembers(tree, indexBytes);
  if (end !== bundle.size)
    throw invalidTree('bundle', `its files take ${end} bytes, it has ${bundle.size}`);
  for (const { file, start } of members) {
    file.roots = [bundle.root];
    file.start = start;
  }
  return tree;
}

const aligned = (bytes: number): number => Math.ceil(bytes / BYTES_PER_SECTOR) * BYTES_PER_SECTOR;

/** Places of all files with bytes, and the end of the last one. Throws when they leave the exact numbers (2^53). */
function placeMembers(
  tree: DirectoryFolder,
  indexBytes: number,
): { members: BundleLayout['members']; end: number } {
  const members: BundleLayout['members'] = [];
  let end = BUNDLE_HEADER_BYTES + indexBytes;
  const visit = (entry: DirectoryEntry): void => {
    if (entry.type === 'directory') for (const child of sortedEntries(entry)) visit(child);
    if (entry.type !== 'file' || entry.size === 0) return;
    const start = aligned(end);
    end = start + entry.size;
    if (!Number.isSafeInteger(end)) throw invalidTree('bundle', 'its files are too large');
    members.push({ file: entry, start });
  };
  visit(tree);
  return { members, end };
}
