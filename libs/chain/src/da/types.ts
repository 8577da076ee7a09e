import type { Address, Hash32 } from '@cairn/base';
import type { Batch, BlobHeader, EpochSchedule } from '@cairn/quorum';
import type { ConfirmedAt, FoundBlob } from './confirmed.ts';

/** Where the DA service lives on a chain. */
export type DaContracts = {
  registry: Address;
  entrance: Address;
  vault: Address;
  challenges: Address;
};

/** What the contracts were deployed with (design/da-protocol.md section 8). Blocks, seconds, wei. */
export type DaParameters = EpochSchedule & {
  chainId: number;
  confirmBlocks: number;
  retentionSeconds: number;
  slackSeconds: number;
  membersMin: number;
  effectivePerQuorum: number;
  voteUnitWei: bigint;
};

export type DaBlock = { number: number; hash: Hash32; timestamp: number };

export type DaMember = {
  index: number;
  operator: Address;
  /** Contract that holds its key for good. */
  record: Address;
  /** Key in EIP-2537 form, 128 bytes. */
  publicKey: Uint8Array;
  weight: number;
  weightBefore: number;
  /** `host:port` as registered now. */
  endpoint: string;
};

export type DaQuorum = {
  epoch: number;
  quorum: number;
  totalWeight: number;
  members: readonly DaMember[];
  isOpen: boolean;
};

/** An epoch whose seed is captured. Final once its reveal window is over. */
export type DaEpoch = {
  epoch: number;
  seed: Hash32;
  mix: Hash32;
  quorums: readonly DaQuorum[];
};

export type DaAccount = {
  balanceWei: bigint;
  /** Part of the balance that is on its way out. */
  pendingWei: bigint;
};

/** A blob that was confirmed and paid for, as the chain's own data show it. */
export type ConfirmedBlob = {
  key: Hash32;
  header: BlobHeader;
  batch: Batch;
  /** Members that did not sign. */
  absentees: readonly number[];
  /** What `checkCertificate` takes. */
  lookup: Uint8Array;
  block: number;
  txHash: Hash32;
};

/** What a confirmed batch left in the log. */
export type DaBatchConfirmed = {
  kind: 'confirmed';
  batchHash: Hash32;
  epoch: number;
  quorum: number;
  root: Hash32;
  blobs: number;
  block: number;
  txHash: Hash32;
};
/** A blob of a confirmed batch that was charged, or not and why. */
export type DaBlobCharged = { kind: 'charged'; blobKey: Hash32; amountWei: bigint; block: number };
export type DaBlobRejected = { kind: 'rejected'; blobKey: Hash32; reason: number; block: number };
/** A challenge; `raw` is what `answer` and `fail` take. */
export type DaChallengeOpened = {
  kind: 'challenge';
  id: Hash32;
  operator: Address;
  blobKey: Hash32;
  member: number;
  position: number;
  openedBlock: number;
  deadline: number;
  bondWei: bigint;
  raw: unknown;
  block: number;
};
/** Its end: what the member was paid out of the bond, or what it lost. */
export type DaChallengeClosed =
  | { kind: 'answered'; id: Hash32; paidWei: bigint; block: number }
  | { kind: 'failed'; id: Hash32; slashedWei: bigint; block: number };
export type DaEvent =
  | DaBatchConfirmed
  | DaBlobCharged
  | DaBlobRejected
  | DaChallengeOpened
  | DaChallengeClosed;

export interface DaReader {
  readonly contracts: DaContracts;
  /** Read once. */
  parameters(): Promise<DaParameters>;
  head(): Promise<DaBlock>;
  /** Newest block that cannot be taken back. */
  finalized(): Promise<number>;
  block(number: number): Promise<DaBlock | undefined>;
  /** A block's header as the registry takes it; throws `CHAIN_HEADER` when it does not hash to the block's hash. */
  header(number: number): Promise<{ headerRlp: Uint8Array; mixHash: Hash32 }>;
  /** `mix(epoch)` over the reveals so far. */
  mix(epoch: number): Promise<Hash32>;
  /** Undefined while the seed is not captured. */
  epoch(epoch: number): Promise<DaEpoch | undefined>;
  /** The epoch whose quorums serve at a block (its own, or one of the two before when none opened since). */
  serving(block: number): Promise<DaEpoch | undefined>;
  account(account: Address): Promise<DaAccount>;
  isNonceSpent(account: Address, nonce: bigint): Promise<boolean>;
  /** Unix seconds until which a key may sign for an account; 0 when it may not. */
  sessionKeyUntil(account: Address, key: Address): Promise<number>;
  pricePerByteSecond(): Promise<bigint>;
  operator(operator: Address): Promise<{
    record: Address;
    isActive: boolean;
    isJailed: boolean;
    votes: number;
    lastReveal: number;
  }>;
  votesAt(operator: Address, block: number): Promise<number>;
  /**
   * The confirmation of a blob, newest blocks first; undefined when there is none. Throws `CHAIN_BLOB_INDIRECT` when its
   * transaction does not show the header.
   */
  findBlob(key: Hash32): Promise<ConfirmedBlob | undefined>;
  /** What the contracts owe an account and have not paid out: parts of fees, and of challenges. Wei. */
  credits(account: Address): Promise<{ fees: bigint; answers: bigint }>;
  /** Where others reach an operator, as it announced it. */
  endpoint(operator: Address): Promise<string>;
  /** Bond of the next challenge against an operator at the newest block's base fee. Wei. */
  challengeBond(operator: Address): Promise<bigint>;
  /** Whether a challenge waits for its answer or failure. */
  isChallengeOpen(id: Hash32): Promise<boolean>;
  /** Verdict of `checkCertificate` on a lookup. */
  checkCertificate(lookup: Uint8Array): Promise<number>;
  /** A confirmed blob by commitment, epoch and quorum, from logs and calldata of the blocks that can have it. */
  confirmedBlob(at: ConfirmedAt): Promise<FoundBlob>;
  /** Events of blocks [from, to], in order. */
  events(range: { fromBlock: number; toBlock: number }): Promise<DaEvent[]>;
  /** The same of one transaction. */
  eventsOf(txHash: Hash32): Promise<DaEvent[]>;
}
