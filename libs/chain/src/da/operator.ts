// What an operator, an account or a disperser does on chain: each function makes one call for a `TransactionSender`.
import { type Address, bytesToHex, type Hash32 } from '@cairn/base';
import type { Batch, BlobHeader, Certificate } from '@cairn/quorum';
import type { Hex } from 'viem';
import { daChallengesAbi } from '../generated/da-challenges-abi.ts';
import { daEntranceAbi } from '../generated/da-entrance-abi.ts';
import { daRegistryAbi } from '../generated/da-registry-abi.ts';
import { stakeVaultAbi } from '../generated/stake-vault-abi.ts';
import type { ContractCall } from '../sender.ts';
import type { DaContracts } from './types.ts';

/** EIP-2537 points are fixed arrays of words. */
export function toWords(bytes: Uint8Array): Hex[] {
  return Array.from({ length: bytes.length / 32 }, (_, i) =>
    bytesToHex(bytes.subarray(32 * i, 32 * i + 32)),
  );
}

const vault = (
  { vault: address }: DaContracts,
  functionName: string,
  args: readonly unknown[],
  value?: bigint,
): ContractCall => ({
  address,
  abi: stakeVaultAbi,
  functionName,
  args,
  ...(value === undefined ? {} : { value }),
});
const registry = (
  { registry: address }: DaContracts,
  functionName: string,
  args: readonly unknown[],
): ContractCall => ({
  address,
  abi: daRegistryAbi,
  functionName,
  args,
});
const entrance = (
  { entrance: address }: DaContracts,
  functionName: string,
  args: readonly unknown[],
  value?: bigint,
): ContractCall => ({
  address,
  abi: daEntranceAbi,
  functionName,
  args,
  ...(value === undefined ? {} : { value }),
});

export const stakeCall = (
  contracts: DaContracts,
  operator: Address,
  amountWei: bigint,
): ContractCall => vault(contracts, 'deposit', [operator], amountWei);
export const optInCall = (contracts: DaContracts): ContractCall =>
  vault(contracts, 'optIn', [contracts.registry]);
/** `key` and `possession` in EIP-2537 form. */
export const registerCall = (
  contracts: DaContracts,
  input: { key: Uint8Array; possession: Uint8Array; endpoint: string },
): ContractCall =>
  registry(contracts, 'register', [toWords(input.key), toWords(input.possession), input.endpoint]);
export const setEndpointCall = (contracts: DaContracts, endpoint: string): ContractCall =>
  registry(contracts, 'setEndpoint', [endpoint]);
export const activateCall = (contracts: DaContracts, evicted: Address): ContractCall =>
  registry(contracts, 'activate', [evicted]);
export const captureSeedCall = (
  contracts: DaContracts,
  epoch: number,
  headerRlp: Uint8Array,
): ContractCall => registry(contracts, 'captureSeed', [BigInt(epoch), bytesToHex(headerRlp)]);
export const captureAndRevealCall = (
  contracts: DaContracts,
  input: {
    epoch: number;
    headerRlp: Uint8Array;
    seed: Hash32;
    operator: Address;
    signature: Uint8Array;
  },
): ContractCall =>
  registry(contracts, 'captureAndReveal', [
    BigInt(input.epoch),
    bytesToHex(input.headerRlp),
    input.seed,
    input.operator,
    toWords(input.signature),
  ]);
export const revealCall = (
  contracts: DaContracts,
  input: { epoch: number; seed: Hash32; operator: Address; signature: Uint8Array },
): ContractCall =>
  registry(contracts, 'reveal', [
    BigInt(input.epoch),
    input.seed,
    input.operator,
    toWords(input.signature),
  ]);

export const depositCall = (
  contracts: DaContracts,
  account: Address,
  amountWei: bigint,
): ContractCall => entrance(contracts, 'deposit', [account], amountWei);

const batchArgs = (batch: Batch): unknown => ({
  ...batch,
  referenceBlock: BigInt(batch.referenceBlock),
  expiry: BigInt(batch.expiry),
});
const headerArgs = (header: BlobHeader): unknown => ({ ...header, expiry: BigInt(header.expiry) });

/** `signature` is the certificate's in EIP-2537 form. */
export const confirmBatchCall = (
  contracts: DaContracts,
  input: {
    certificate: Certificate;
    signature: Uint8Array;
    headers: readonly BlobHeader[];
    authorizations: readonly Uint8Array[];
  },
): ContractCall =>
  entrance(contracts, 'confirmBatch', [
    {
      batch: batchArgs(input.certificate.batch),
      signature: toWords(input.signature),
      absentees: [...input.certificate.absentees],
    },
    input.headers.map(headerArgs),
    input.authorizations.map((bytes) => bytesToHex(bytes)),
  ]);

export const claimRewardCall = (
  contracts: DaContracts,
  input: { epoch: number; quorum: number; member: number },
): ContractCall =>
  entrance(contracts, 'claimReward', [
    BigInt(input.epoch),
    BigInt(input.quorum),
    BigInt(input.member),
  ]);

/** Pays out what `DAEntrance` credited: parts of fees. */
export const withdrawCreditCall = (contracts: DaContracts, account: Address): ContractCall =>
  entrance(contracts, 'withdrawCredit', [account]);

/** Pays out what `DAChallenges` credited: answers, and bonds of challenges that were won. */
export const withdrawAnswersCall = (contracts: DaContracts, account: Address): ContractCall => ({
  address: contracts.challenges,
  abi: daChallengesAbi,
  functionName: 'withdraw',
  args: [account],
});

/** A leaf of a confirmed batch, as challenges name it. `absentees` are the certificate's, `siblings` lead to the batch's root. */
export type ConfirmedLeaf = {
  batch: Batch;
  absentees: readonly number[];
  header: BlobHeader;
  index: number;
  siblings: readonly Hash32[];
};

/** Challenges a member for the row at one of its positions; `bondWei` as `bondFor` says, what is over comes back. */
export const challengeCall = (
  contracts: DaContracts,
  input: ConfirmedLeaf & { member: number; position: number; bondWei: bigint },
): ContractCall => ({
  address: contracts.challenges,
  abi: daChallengesAbi,
  functionName: 'challenge',
  args: [
    batchArgs(input.batch),
    [...input.absentees],
    headerArgs(input.header),
    BigInt(input.index),
    [...input.siblings],
    input.member,
    input.position,
  ],
  value: input.bondWei,
});

/** Settles a challenge whose deadline is over, as the event gave it. */
export const failCall = (contracts: DaContracts, challenge: unknown): ContractCall => ({
  address: contracts.challenges,
  abi: daChallengesAbi,
  functionName: 'fail',
  args: [challenge],
});

/** Answers a challenge as the event gave it. */
export const answerCall = (
  contracts: DaContracts,
  challenge: unknown,
  proof: { piece: Uint8Array; piecePath: Uint8Array; rowPath: Uint8Array; rlcRoot: Uint8Array },
): ContractCall => ({
  address: contracts.challenges,
  abi: daChallengesAbi,
  functionName: 'answer',
  args: [
    challenge,
    {
      piece: bytesToHex(proof.piece),
      piecePath: toWords(proof.piecePath),
      rowPath: toWords(proof.rowPath),
      rlcRoot: bytesToHex(proof.rlcRoot),
    },
  ],
});
