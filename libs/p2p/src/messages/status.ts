/*
 * The handshake: who is on which network and keeps what. Both sides send it first; a peer of another network is left.
 *
 *   | u16 version | u64 chainId | 20 B flow address | u32 shardId | u32 numShard | u64 nextTxSeq | u16 httpPort |   48 bytes
 */
import { type Address, bytesToHex, hexToBytes, isPowerOfTwo } from '@cairn/base';
import type { ShardConfig } from '@cairn/protocol';
import { malformed } from '../errors.ts';
import { ByteReader, ByteWriter } from './bytes.ts';

/** Version of our messages; peers of another are left. */
export const P2P_VERSION = 2;

export type NetworkIdentity = { chainId: number; flowAddress: Address };
export type PeerStatus = {
  version: number;
  network: NetworkIdentity;
  shard: ShardConfig;
  /** Submissions the peer has seen in the log. */
  nextTxSeq: number;
  /** Port of the peer's binary HTTP route at the address of its connection; 0 when there is none to be reached. */
  httpPort: number;
};

export const STATUS_BYTES = 48;

export function encodeStatus(status: PeerStatus): Uint8Array {
  return new ByteWriter(STATUS_BYTES)
    .u16(status.version)
    .u64(status.network.chainId)
    .bytes(hexToBytes(status.network.flowAddress))
    .u32(status.shard.shardId)
    .u32(status.shard.numShard)
    .u64(status.nextTxSeq)
    .u16(status.httpPort)
    .done();
}

/** Throws `P2P_MALFORMED`. */
export function decodeStatus(bytes: Uint8Array): PeerStatus {
  const reader = new ByteReader(bytes);
  const version = reader.u16();
  const network = { chainId: reader.u64(), flowAddress: bytesToHex(reader.bytes(20)) as Address };
  const shard = readShard(reader);
  const nextTxSeq = reader.u64();
  const httpPort = reader.u16();
  reader.end();
  return { version, network, shard, nextTxSeq, httpPort };
}

export function readShard(reader: ByteReader): ShardConfig {
  const shard = { shardId: reader.u32(), numShard: reader.u32() };
  if (!isPowerOfTwo(shard.numShard) || shard.shardId >= shard.numShard)
    throw malformed(`shard ${shard.shardId}/${shard.numShard}`);
  return shard;
}

export function isSameNetwork(a: NetworkIdentity, b: NetworkIdentity): boolean {
  return a.chainId === b.chainId && a.flowAddress === b.flowAddress;
}
