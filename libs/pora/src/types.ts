import type { Hash32 } from '@cairn/base';

/** What the flow fixes at the start of an epoch. Lengths and positions are sectors. */
export type MineContext = {
  epoch: number;
  /** Block at which the epoch began. */
  mineStart: number;
  flowRoot: Hash32;
  flowLength: number;
  blockDigest: Hash32;
  /** `EMPTY_HASH` when the epoch cannot be mined. */
  digest: Hash32;
};

/**
 * What a miner claims to hold: every load whose index has `shardId` under `shardMask`, within
 * [startPosition, startPosition + mineLength) sectors. Mask and id are unsigned 64-bit.
 */
export type RecallRange = {
  startPosition: number;
  mineLength: number;
  shardId: bigint;
  shardMask: bigint;
};

/** `PoraMine.PoraAnswer` with positions as numbers and bytes as bytes. */
export type PoraAnswer = {
  contextDigest: Hash32;
  nonce: Hash32;
  minerId: Hash32;
  range: RecallRange;
  /** First sector of the answering seal. */
  recallPosition: number;
  /** Index of that seal in the recalled load, 0..63. */
  sealOffset: number;
  /** Digest of the context whose range holds the seal's last sector. */
  sealedContextDigest: Hash32;
  /** 4,096 bytes as sealed on the miner's disk, before mixing. */
  sealedData: Uint8Array;
  /** Sibling hashes from the seal's node (level 4) up to, not including, the flow root. */
  merkleProof: readonly Hash32[];
};

/** What a miner works on: `PoraMine.computeWorkerContext` when it may mine. */
export type Work = {
  context: MineContext;
  /** Quality to reach by an unsharded miner; smaller is harder. */
  poraTarget: bigint;
  subtaskDigest: Hash32;
  /** Most shards that a range may name. */
  maxShards: bigint;
};

/** Sectors [start, end) that the context with `digest` covers. */
export type SealContext = { start: number; end: number; digest: Hash32 };
