import type { Address, Hash32, Hex, TxSeq } from '@cairn/base';

export type SubmissionNodeLike = { root: Hash32; height: number };

/** One `Submit` event. */
export type Submission = {
  sender: Address;
  /** Keccak-256 of the node roots. */
  identity: Hash32;
  seq: TxSeq;
  /** First sector in the flow. */
  startSector: number;
  /** Sectors of the padded file. */
  sectors: number;
  /** Bytes of the file. */
  size: number;
  tags: Hex;
  nodes: SubmissionNodeLike[];
  txHash: Hash32;
  blockNumber: number;
  blockHash: Hash32;
  logIndex: number;
};

export type BlockRef = { number: number; hash: Hash32 };
export type BlockHeader = BlockRef & { parentHash: Hash32; timestamp: number };

/** What of the chain a node needs. Every call throws `CHAIN_UNREACHABLE` when the RPC does not answer. */
export interface ChainReader {
  chainId(): Promise<number>;
  head(tag?: 'latest' | 'finalized'): Promise<BlockHeader>;
  /** Undefined when the chain has no such block (any more). */
  block(number: number): Promise<BlockHeader | undefined>;
  /** `Submit` events of blocks [fromBlock, toBlock], in order. */
  submissions(range: { fromBlock: number; toBlock: number }): Promise<Submission[]>;
  flowRootByTxSeq(seq: number): Promise<Hash32>;
  /** The account that signed a transaction, and the block it stands in; undefined while no block has it. */
  transactionSender(txHash: Hash32): Promise<{ sender: Address; blockHash: Hash32 } | undefined>;
  /** True when there is code at the flow address. */
  hasFlow(): Promise<boolean>;
}
