/*
 * Directory metadata: one extra file per directory, `magic(32) ‖ version(2, big-endian) ‖ JSON` (storage-rpc section 12).
 * Version 1 and 2 are read, 2 is written.
 */
import { bytesToHex, concatBytes, hexToBytes } from '@cairn/base';
import { type DirectoryFolder, invalidTree, treeFromJson, treeToJson } from './directory-tree.ts';

/** keccak256("0g-storage-client-dir-codec"). */
export const DIRECTORY_MAGIC = '0xa8795aa6b5ee8997448d47d3135f70f45e2d3502f8002edeef242ebd0458e7f5';
export const DIRECTORY_HEADER_BYTES = 34;
/** Largest metadata file that is read, in bytes. */
export const DIRECTORY_BYTES_MAX = 64 * 1024 * 1024;
const VERSION = 2;

/** True when the bytes begin as directory metadata does. */
export function isDirectoryHeader(bytes: Uint8Array): boolean {
  return (
    bytes.length >= DIRECTORY_HEADER_BYTES && bytesToHex(bytes.subarray(0, 32)) === DIRECTORY_MAGIC
  );
}

/** The metadata file of a tree; its root is the directory's handle. Entries are sorted on the way. */
export function encodeDirectory(tree: DirectoryFolder): Uint8Array {
  const bytes = treeToJson(tree, 'directory');
  if (bytes.length + DIRECTORY_HEADER_BYTES > DIRECTORY_BYTES_MAX)
    throw invalidTree('directory', `${bytes.length} bytes is more than a directory may have`);
  return concatBytes(hexToBytes(DIRECTORY_MAGIC), Uint8Array.of(0, VERSION), bytes);
}

/** Reads a metadata file. Throws `PROTOCOL_DIRECTORY` on anything that is not one. */
export function decodeDirectory(bytes: Uint8Array): DirectoryFolder {
  if (!isDirectoryHeader(bytes))
    throw invalidTree('directory', 'it does not begin with the magic number');
  if (bytes.length > DIRECTORY_BYTES_MAX)
    throw invalidTree('directory', `${bytes.length} bytes is too much`);
  const version = (bytes[32]! << 8) | bytes[33]!;
  if (version !== 1 && version !== 2)
    throw invalidTree('directory', `version ${version} is not known`);
  return treeFromJson(bytes.subarray(DIRECTORY_HEADER_BYTES), 'directory');
}
