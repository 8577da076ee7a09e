import type { Address, DataRoot, Hash32 } from '@cairn/base';
import { z } from 'zod';

// JSON shapes of the `zgs_*` and `indexer_*` namespaces (spec/storage-rpc.md sections 2, 4, 7).

export const hash32Schema = z
  .string()
  .regex(/^0x[0-9a-fA-F]{64}$/)
  .transform((s) => s.toLowerCase() as Hash32);
export const dataRootSchema = hash32Schema.transform((s) => s as unknown as DataRoot);
export const addressSchema = z
  .string()
  .regex(/^0x[0-9a-fA-F]{40}$/)
  .transform((s) => s.toLowerCase() as Address);
const uint = z.int().min(0);

/** Proof of a segment in a file: lemma = [leaf, siblings bottom-up…, root]; path true = left child. */
export type FileProof = { lemma: Hash32[]; path: boolean[] };
/** Proof of a sector in the flow, same layout. */
export type FlowProof = FileProof;
export const fileProofSchema: z.ZodType<FileProof> = z.object({
  lemma: z.array(hash32Schema).max(66),
  path: z.array(z.boolean()).max(64),
});

export type ShardConfig = { shardId: number; numShard: number };
export const shardConfigSchema: z.ZodType<ShardConfig> = z.object({
  shardId: uint,
  numShard: uint.min(1),
});

export type NetworkIdentity = {
  chainId: number;
  flowAddress: Address;
  p2pProtocolVersion: { major: number; minor: number; build: number };
};

export type NodeStatus = {
  connectedPeers: number;
  logSyncHeight: number;
  logSyncBlock: Hash32;
  nextTxSeq: number;
  networkIdentity: NetworkIdentity;
};

export type TransactionInfo = {
  streamIds: string[];
  data: number[];
  dataMerkleRoot: DataRoot;
  /** [height + 1, root] of each submission node. */
  merkleNodes: [number, Hash32][];
  startEntryIndex: number;
  size: number;
  seq: number;
};

export type FileInfo = {
  tx: TransactionInfo;
  finalized: boolean;
  isCached: boolean;
  uploadedSegNum: number;
  pruned: boolean;
};

/** A segment as JSON-RPC carries it: `data` is padded base64 of the unpadded segment bytes. */
export type SegmentWithProof = {
  root: DataRoot;
  data: string;
  index: number;
  proof: FileProof;
  fileSize: number;
};

const transactionSchema = z.object({
  streamIds: z.array(z.string()),
  data: z.array(z.number()),
  dataMerkleRoot: dataRootSchema,
  merkleNodes: z.array(z.tuple([uint, hash32Schema])),
  startEntryIndex: uint,
  size: uint,
  seq: uint,
});
export const fileInfoSchema: z.ZodType<FileInfo> = z.object({
  tx: transactionSchema,
  finalized: z.boolean(),
  isCached: z.boolean(),
  uploadedSegNum: uint,
  pruned: z.boolean(),
}) as z.ZodType<FileInfo>;
export const nodeStatusSchema: z.ZodType<NodeStatus> = z.object({
  connectedPeers: uint,
  logSyncHeight: uint,
  logSyncBlock: hash32Schema,
  nextTxSeq: uint,
  networkIdentity: z.object({
    chainId: uint,
    flowAddress: addressSchema,
    p2pProtocolVersion: z.object({ major: uint, minor: uint, build: uint }),
  }),
});

export type ShardedNode = {
  url: string;
  config: ShardConfig;
  /** Milliseconds, integer. */
  latency: number;
  /** Unix seconds of the last check; 0 for trusted nodes. */
  since: number;
};
export const shardedNodeSchema: z.ZodType<ShardedNode> = z.object({
  url: z.string(),
  config: shardConfigSchema,
  latency: z.number(),
  since: z.number(),
});
export type ShardedNodes = { trusted: ShardedNode[]; discovered: ShardedNode[] };
export const shardedNodesSchema: z.ZodType<ShardedNodes> = z.object({
  trusted: z
    .array(shardedNodeSchema)
    .nullable()
    .transform((v) => v ?? []),
  discovered: z
    .array(shardedNodeSchema)
    .nullable()
    .transform((v) => v ?? []),
}) as unknown as z.ZodType<ShardedNodes>;

/** Texts that clients match; change none (spec/storage-rpc.md section 4.5). */
export const RPC_TEXT = {
  alreadyFinalized: 'already uploaded and finalized',
  alreadyPruned: 'already pruned',
  sizeMismatch: 'segment file size not matched with tx file size',
  largeUnknown: 'caching of large file when tx is unavailable is not supported',
  fileEmpty: 'file is empty',
  indexOutOfBound: 'index out of bound',
  invalidDataLength: 'invalid data length',
  dataEmpty: 'data is empty',
  duplicate: 'segment has already been uploaded or is being uploaded',
  rootSeqMismatch: 'data root and tx seq not match',
  tooManyWriting: (limit: number): string => `too many data writing: ${limit}`,
  poolFull: (limit: number): string => `exceeds the maximum cached chunks of whole pool: ${limit}`,
  reverted: 'Transaction reverted, please upload again',
  revertedWhile: 'Transaction reverted when uploading segments, please try again',
} as const;
