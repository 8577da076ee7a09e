/*
 * Gossip about files. Every message begins with the time of its sender, so that a replayed one grows stale.
 *
 *   new-file       | u64 seconds | u64 txSeq | 32 B root | u32 shardId | u32 numShard |         finalized at the sender
 *   find-file      the same                                     the sender looks for the file's segments of that shard
 *   announce-file  | u64 seconds | u32 shardId | u32 numShard | u8 addresses | each: u8 length, ASCII multiaddr |
 *                  | u16 files | each: u64 txSeq, 32 B root |                                   the sender holds these
 *
 * The sender is whoever signed the message.
 */
import type { DataRoot } from '@cairn/base';
import type { ShardConfig } from '@cairn/protocol';
import { malformed } from '../errors.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { readShard } from './status.ts';

/** Files that one announcement names; 0G learned to bound this in 2026 (spec/storage-protocol.md, row 24). */
export const ANNOUNCE_FILES_MAX = 256;
export const ANNOUNCE_ADDRESSES_MAX = 8;
export const FILE_MESSAGE_BYTES = 56;
export const GOSSIP_BYTES_MAX: number =
  8 + 8 + 1 + ANNOUNCE_ADDRESSES_MAX * 256 + 2 + ANNOUNCE_FILES_MAX * 40;

export type FileName = { txSeq: number; root: DataRoot };
/** What `new-file` and `find-file` carry. */
export type FileMessage = FileName & { seconds: number; shard: ShardConfig };
export type AnnounceMessage = {
  seconds: number;
  shard: ShardConfig;
  addresses: readonly string[];
  files: readonly FileName[];
};

export function encodeFileMessage(message: FileMessage): Uint8Array {
  return new ByteWriter(FILE_MESSAGE_BYTES)
    .u64(message.seconds)
    .u64(message.txSeq)
    .hash32(message.root)
    .u32(message.shard.shardId)
    .u32(message.shard.numShard)
    .done();
}

/** Throws `P2P_MALFORMED`. */
export function decodeFileMessage(bytes: Uint8Array): FileMessage {
  const reader = new ByteReader(bytes);
  const message = {
    seconds: reader.u64(),
    txSeq: reader.u64(),
    root: reader.hash32() as DataRoot,
    shard: readShard(reader),
  };
  reader.end();
  return message;
}

export function encodeAnnounce(message: AnnounceMessage): Uint8Array {
  const addressBytes = message.addresses.reduce((sum, address) => sum + 1 + address.length, 0);
  const writer = new ByteWriter(8 + 8 + 1 + addressBytes + 2 + 40 * message.files.length)
    .u64(message.seconds)
    .u32(message.shard.shardId)
    .u32(message.shard.numShard)
    .u8(message.addresses.length);
  for (const address of message.addresses) writer.text(address);
  writer.u16(message.files.length);
  for (const { txSeq, root } of message.files) writer.u64(txSeq).hash32(root);
  return writer.done();
}

/** Throws `P2P_MALFORMED`. */
export function decodeAnnounce(bytes: Uint8Array): AnnounceMessage {
  const reader = new ByteReader(bytes);
  const seconds = reader.u64();
  const shard = readShard(reader);
  const addressCount = reader.u8();
  if (addressCount > ANNOUNCE_ADDRESSES_MAX) throw malformed('too many addresses');
  const addresses = Array.from({ length: addressCount }, () => reader.text());
  const fileCount = reader.u16();
  if (fileCount === 0 || fileCount > ANNOUNCE_FILES_MAX)
    throw malformed(`an announcement of ${fileCount} files`);
  const files = Array.from({ length: fileCount }, () => ({
    txSeq: reader.u64(),
    root: reader.hash32() as DataRoot,
  }));
  reader.end();
  return { seconds, shard, addresses, files };
}
