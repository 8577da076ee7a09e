/*
 * What a miner needs of the chain, through one JSON-RPC endpoint and one account. Reads are eth_call; `computeWorkerContext` and
 * `queryContextAtPosition` are state-changing and called all the same: they answer as if due contexts had been made.
 */
import {
  type Address,
  bytesToHex,
  CodedError,
  type Hash32,
  type Hex,
  parseAddress,
  parseHash32,
  positionFromBigint,
} from '@cairn/base';
import { encodeFunctionData, parseEventLogs, zeroAddress } from 'viem';
import { openAccount } from './account.ts';
import { chainError } from './errors.ts';
import { chunkRewardsAbi } from './generated/chunk-rewards-abi.ts';
import { flowAbi } from './generated/flow-abi.ts';
import { poraMineAbi } from './generated/pora-mine-abi.ts';
import { stakeVaultAbi } from './generated/stake-vault-abi.ts';

/** `computeWorkerContext`, converted. `poraTarget` is 0 while the id may not answer. */
export type ChainWork = {
  context: {
    epoch: number;
    mineStart: number;
    flowRoot: Hash32;
    flowLength: number;
    blockDigest: Hash32;
    digest: Hash32;
  };
  poraTarget: bigint;
  subtaskDigest: Hash32;
  maxShards: bigint;
};

/** A range of the flow that one context seals: sectors [start, end). */
export type ChainSealContext = { start: number; end: number; digest: Hash32 };

/** The answer as it goes out; positions in sectors, 4,096 sealed bytes. */
export type ChainAnswer = {
  contextDigest: Hash32;
  nonce: Hash32;
  minerId: Hash32;
  range: { startPosition: number; mineLength: number; shardId: bigint; shardMask: bigint };
  recallPosition: number;
  sealOffset: number;
  sealedContextDigest: Hash32;
  sealedData: Uint8Array;
  merkleProof: readonly Hash32[];
};

export type MineParameters = {
  targetMineBlocks: number;
  subtaskCount: number;
  subtaskInterval: number;
};

export type SentTransaction = {
  hash: Hash32;
  nonce: number;
  /** Limit. */
  gas: bigint;
  maxFeePerGas: bigint;
  maxPriorityFeePerGas: bigint;
};
/** Mined, waiting for a block, or nowhere: the RPC dropped it, or a reorg did. */
export type TransactionOutcome =
  | { state: 'mined'; isSuccess: boolean }
  | { state: 'pending' | 'unknown' };

/**
 * Every call throws `CHAIN_UNREACHABLE` when the RPC does not answer, `CHAIN_REVERTED` (with `errorName`) when the contract
 * refuses, `CHAIN_INSUFFICIENT_FUNDS` when the account cannot pay.
 */
export interface MineChain {
  readonly account: Address;
  poraVersion(): Promise<number>;
  isPaused(): Promise<boolean>;
  parameters(): Promise<MineParameters>;
  work(minerId: Hash32): Promise<ChainWork>;
  blockNumber(): Promise<number>;
  /** Undefined while no context covers the position: its epoch has not ended. */
  sealContextAt(position: number): Promise<ChainSealContext | undefined>;
  /** The recorded range of a context; empty when the chain does not know the digest. */
  sealRange(digest: Hash32): Promise<{ start: number; end: number }>;
  beneficiary(minerId: Hash32): Promise<Address | undefined>;
  /** Ids that this account registered and that pay to it, oldest first. */
  ownIds(fromBlock: number): Promise<Hash32[]>;
  /** Registers an id for this account, with whatever of the bond is missing. A signal ends the wait for the block. */
  requestId(seed: bigint, signal?: AbortSignal): Promise<Hash32>;
  /** Throws `CHAIN_REVERTED` when the answer would not be accepted now. */
  checkAnswer(answer: ChainAnswer): Promise<void>;
  /** Sends an answer; with `replacing`, again under the same nonce for at least an eighth more. */
  sendAnswer(answer: ChainAnswer, replacing?: SentTransaction): Promise<SentTransaction>;
  /** Puts nothing in the place of a transaction that must not be mined any more. */
  cancel(replacing: SentTransaction): Promise<SentTransaction>;
  /** Nonce of this account's next transaction: those below it are in blocks. */
  nextNonce(): Promise<number>;
  outcome(hash: Hash32): Promise<TransactionOutcome>;
  /** Wei credited by the reward contract and not withdrawn. */
  owed(): Promise<bigint>;
  balance(): Promise<bigint>;
  /** Pays out what is owed; the hash once a block has it. */
  withdraw(): Promise<Hash32>;
}

export type MineChainOptions = {
  rpcUrl: string;
  flow: Address;
  mine: Address;
  privateKey: Hex;
  pollMs?: number | undefined;
  timeoutMs?: number | undefined;
  /** Most that a unit of gas may cost; beyond it nothing is sent. */
  maxFeePerGas?: bigint | undefined;
};

const GAS_OF_SUBMIT_MAX = 1_500_000n;
const RECEIPT_TIMEOUT_MS = 120_000;

export function createMineChain(options: MineChainOptions): MineChain {
  const { rpcUrl, flow, mine } = options;
  const {
    address,
    signer: account,
    client,
    wallet,
    guard,
    receipt,
    state,
  } = openAccount({
    rpcUrl,
    privateKey: options.privateKey,
    pollMs: options.pollMs ?? 500,
    timeoutMs: options.timeoutMs ?? 10_000,
    retries: 0, // whoever asks comes back by himself
  });
  const mineCall = { address: mine, abi: poraMineAbi } as const;
  const flowCall = { address: flow, abi: flowAbi } as const;
  let reward: Address | undefined;
  const rewardCall = async () => {
    reward ??= parseAddress(await client.readContract({ ...mineCall, functionName: 'reward' }));
    return { address: reward, abi: chunkRewardsAbi } as const;
  };
  /** Fees of now, and when something is replaced at least an eighth above its own: what nodes ask for. */
  const feesFor = async (replacing?: SentTransaction) => {
    const now = await client.estimateFeesPerGas();
    const raised = (value: bigint, before: bigint | undefined): bigint => {
      const least = before === undefined ? 0n : before + before / 8n + 1n;
      return value > least ? value : least;
    };
    const maxFeePerGas = raised(now.maxFeePerGas, replacing?.maxFeePerGas);
    if (options.maxFeePerGas !== undefined && maxFeePerGas > options.maxFeePerGas) {
      throw new CodedError({
        code: 'CHAIN_FEE_LIMIT',
        kind: 'exhausted',
        message: `gas costs ${maxFeePerGas} wei, above the limit of ${options.maxFeePerGas}`,
        details: { maxFeePerGas: maxFeePerGas.toString() },
      });
    }
    const maxPriorityFeePerGas = raised(now.maxPriorityFeePerGas, replacing?.maxPriorityFeePerGas);
    return { maxFeePerGas, maxPriorityFeePerGas };
  };

  /** Limit of gas for an answer: a context that falls due before the transaction is mined costs more than the estimate. */
  const gasFor = async (data: Hex): Promise<bigint> => {
    const estimate = await client.estimateGas({ account, to: mine, data });
    const gas = estimate + estimate / 2n;
    return gas < GAS_OF_SUBMIT_MAX ? gas : GAS_OF_SUBMIT_MAX;
  };

  return {
    account: address,
    poraVersion: () =>
      guard(async () =>
        Number(await client.readContract({ ...mineCall, functionName: 'poraVersion' })),
      ),
    isPaused: () => guard(() => client.readContract({ ...mineCall, functionName: 'paused' })),
    parameters: () =>
      guard(async () => {
        const found = await client.readContract({
          ...mineCall,
          functionName: 'currentParameters',
        });
        const { targetMineBlocks, subtaskCount, subtaskInterval } = found;
        return { targetMineBlocks, subtaskCount, subtaskInterval };
      }),
    work: (minerId) =>
      guard(async () => {
        const { result } = await client.simulateContract({
          ...mineCall,
          functionName: 'computeWorkerContext',
          args: [minerId],
          account: '0x000000000000000000000000000000000000000A',
        });
        const { context } = result;
        return {
          context: {
            epoch: positionFromBigint(context.epoch),
            mineStart: positionFromBigint(context.mineStart),
            flowRoot: parseHash32(context.flowRoot),
            flowLength: positionFromBigint(context.flowLength),
            blockDigest: parseHash32(context.blockDigest),
            digest: parseHash32(context.digest),
          },
          poraTarget: result.poraTarget,
          subtaskDigest: parseHash32(result.subtaskDigest),
          maxShards: result.maxShards,
        };
      }),
    blockNumber: () => guard(async () => Number(await client.getBlockNumber())),
    sealContextAt: (position) =>
      guard(async () => {
        try {
          const { result } = await client.simulateContract({
            ...flowCall,
            functionName: 'queryContextAtPosition',
            args: [BigInt(position)],
            account,
          });
          return {
            start: positionFromBigint(result.start),
            end: positionFromBigint(result.end),
            digest: parseHash32(result.digest),
          };
        } catch (error) {
          const known = chainError(error, rpcUrl);
          if (known.code === 'CHAIN_REVERTED') return undefined;
          throw known;
        }
      }),
    sealRange: (digest) =>
      guard(async () => {
        const { result } = await client.simulateContract({
          ...flowCall,
          functionName: 'contextForAnswer',
          args: [digest],
          account,
        });
        return {
          start: positionFromBigint(result[1].start),
          end: positionFromBigint(result[1].end),
        };
      }),
    beneficiary: (minerId) =>
      guard(async () => {
        const found = await client.readContract({
          ...mineCall,
          functionName: 'beneficiaries',
          args: [minerId],
        });
        return found === zeroAddress ? undefined : parseAddress(found);
      }),
    ownIds: (fromBlock) =>
      guard(async () => {
        const logs = await client.getContractEvents({
          ...mineCall,
          eventName: 'NewMinerId',
          args: { beneficiary: account.address },
          fromBlock: BigInt(fromBlock),
        });
        const ids = logs.map((log) => parseHash32(log.args.minerId));
        const operators = await Promise.all(
          ids.map((id) =>
            client.readContract({ ...mineCall, functionName: 'operatorOf', args: [id] }),
          ),
        );
        return ids.filter((_, i) => operators[i] === account.address);
      }),
    requestId: (seed, signal) =>
      guard(async () => {
        const [vault, bond] = await Promise.all([
          client.readContract({ ...mineCall, functionName: 'stakeVault' }),
          client.readContract({ ...mineCall, functionName: 'idBond' }),
        ]);
        const value = await client.readContract({
          address: vault,
          abi: stakeVaultAbi,
          functionName: 'missingFor',
          args: [account.address, mine, bond],
        });
        const hash = await wallet.writeContract({
          ...mineCall,
          functionName: 'requestMinerId',
          args: [account.address, seed],
          value,
          chain: null,
          account,
        });
        const { logs } = await receipt(parseHash32(hash), {
          timeoutMs: RECEIPT_TIMEOUT_MS,
          signal,
        });
        const [event] = parseEventLogs({
          abi: poraMineAbi,
          eventName: 'NewMinerId',
          logs,
        });
        return parseHash32(event?.args.minerId);
      }),
    checkAnswer: (answer) =>
      guard(async () => {
        await client.simulateContract({
          ...mineCall,
          functionName: 'submit',
          args: [answerToAbi(answer)],
          account,
        });
      }),
    sendAnswer: (answer, replacing) =>
      guard(async () => {
        const data = encodeFunctionData({
          abi: poraMineAbi,
          functionName: 'submit',
          args: [answerToAbi(answer)],
        });
        const [fees, gas, nonce] = await Promise.all([
          feesFor(replacing),
          // What is replaced stands in the pending block, where the same answer would be refused as a replay.
          replacing?.gas ?? gasFor(data),
          replacing?.nonce ??
            client.getTransactionCount({ address: account.address, blockTag: 'pending' }),
        ]);
        const sent = { nonce, gas, ...fees };
        const transaction = { to: mine, data, ...sent, chain: null, account };
        return { hash: parseHash32(await wallet.sendTransaction(transaction)), ...sent };
      }),
    cancel: (replacing) =>
      guard(async () => {
        const { nonce } = replacing;
        const fees = await feesFor(replacing);
        const sent = { nonce, gas: 21_000n, ...fees };
        const transaction = { to: account.address, value: 0n, ...sent, chain: null, account };
        return { hash: parseHash32(await wallet.sendTransaction(transaction)), ...sent };
      }),
    nextNonce: () =>
      guard(() => client.getTransactionCount({ address: account.address, blockTag: 'latest' })),
    outcome: (hash) =>
      guard(async () => {
        const found = await state(hash);
        if (found.state !== 'mined') return found;
        return { state: 'mined', isSuccess: found.receipt.status === 'success' };
      }),
    owed: () =>
      guard(async () =>
        client.readContract({
          ...(await rewardCall()),
          functionName: 'payments',
          args: [account.address],
        }),
      ),
    balance: () => guard(() => client.getBalance({ address: account.address })),
    withdraw: () =>
      guard(async () => {
        const hash = await wallet.writeContract({
          ...(await rewardCall()),
          functionName: 'withdrawPayments',
          args: [account.address],
          chain: null,
          account,
        });
        await receipt(parseHash32(hash), { timeoutMs: RECEIPT_TIMEOUT_MS });
        return parseHash32(hash);
      }),
  };
}

type AbiAnswer = Parameters<
  typeof encodeFunctionData<typeof poraMineAbi, 'submit'>
>[0]['args'] extends readonly [infer Answer]
  ? Answer
  : never;

function answerToAbi(answer: ChainAnswer): AbiAnswer {
  const hex = bytesToHex(answer.sealedData).slice(2);
  const words = Array.from({ length: 128 }, (_, i) => `0x${hex.slice(64 * i, 64 * i + 64)}`);
  return {
    ...answer,
    range: {
      ...answer.range,
      startPosition: BigInt(answer.range.startPosition),
      mineLength: BigInt(answer.range.mineLength),
    },
    recallPosition: BigInt(answer.recallPosition),
    sealOffset: BigInt(answer.sealOffset),
    // The ABI's type is a tuple of 128; the length is asserted by the encoder.
    sealedData: words,
  } as unknown as AbiAnswer;
}
