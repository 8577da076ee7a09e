import type { Address, Hash32 } from '@cairn/base';
import type { Receipt, SignedReceipt } from '@cairn/protocol';
import type { Submission } from '../types.ts';

/** What StorageCustody was deployed with, and the chain it is on. Seconds and blocks. */
export type CustodyParameters = {
  chainId: number;
  vault: Address;
  maxShards: number;
  maxReceiptSeconds: number;
  lockMarginSeconds: number;
};

/** A provider as the chain knows it. */
export type CustodyProvider = {
  /** Undefined before the first `setSigner`. */
  signer: Address | undefined;
  /** Unix seconds; 0 without a lock. */
  lockedUntil: number;
  stakeWei: bigint;
  /** Opted in, in effect, not leaving. */
  isServing: boolean;
};

/** A challenge as its event told it; handed in again with every later call. */
export type CustodyChallenge = {
  id: Hash32;
  receipt: Receipt;
  openedBlock: number;
  /** Last block in which an answer counts. */
  deadline: number;
  baseFee: bigint;
  bond: bigint;
  challenger: Address;
};
export type CustodyOutcome = { kind: 'answered' } | { kind: 'failed'; slashedWei: bigint };

/** Every call throws `CHAIN_UNREACHABLE` when the RPC does not answer. */
export interface CustodyReader {
  readonly contract: Address;
  parameters(): Promise<CustodyParameters>;
  head(): Promise<{ number: number; timestamp: number }>;
  provider(provider: Address): Promise<CustodyProvider>;
  /** Throws `CHAIN_REVERTED` with the contract's `errorName` when a challenge of this receipt would be refused. */
  checkReceipt(signed: SignedReceipt): Promise<void>;
  bondFor(provider: Address): Promise<bigint>;
  /** The `Submit` event of a file with these subtree roots at `txSeq`; undefined when the chain has none. */
  submission(txSeq: number, nodeRoots: readonly Hash32[]): Promise<Submission | undefined>;
  /** Challenges opened in blocks [fromBlock, toBlock], of one provider or all. */
  opened(range: {
    fromBlock: number;
    toBlock: number;
    provider?: Address | undefined;
  }): Promise<CustodyChallenge[]>;
  /** False once the challenge was answered, failed or reorged away. */
  isOpen(id: Hash32): Promise<boolean>;
  /** Sector of the flow that is asked for; undefined before the draw. */
  sectorOf(challenge: CustodyChallenge): Promise<number | undefined>;
  /** How a challenge ended; undefined while it is open. */
  outcome(challenge: CustodyChallenge): Promise<CustodyOutcome | undefined>;
}
