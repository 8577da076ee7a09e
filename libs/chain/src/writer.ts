import {
  type Address,
  CodedError,
  type Hash32,
  type Hex,
  parseAddress,
  parseHash32,
  type TxSeq,
} from '@cairn/base';
import { formatEther } from 'viem';
import { type ChainAccount, openAccount } from './account.ts';
import { fixedPriceMarketAbi } from './generated/fixed-price-market-abi.ts';
import { flowAbi } from './generated/flow-abi.ts';
import { decodeSubmissions } from './reader.ts';
import { sendFrom } from './sender.ts';
import type { Submission, SubmissionNodeLike } from './types.ts';

/** One file to submit: bytes, and the subtrees of its padded tree. */
export type FileToSubmit = { size: number; nodes: readonly SubmissionNodeLike[]; tags?: Hex };

export type SubmitResult = {
  txHash: Hash32;
  blockNumber: number;
  seqs: TxSeq[];
  startSectors: number[];
  feeWei: bigint;
};

/** Where a transaction of submissions stands: on the chain, waiting for a block, or nowhere (a reorg dropped it). */
export type SubmissionState =
  | { state: 'mined'; submissions: Submission[] }
  | { state: 'pending' }
  | { state: 'unknown' };

/** Sends submissions from one account. */
export interface FlowWriter {
  readonly address: Address;
  pricePerSector(): Promise<bigint>;
  balance(): Promise<bigint>;
  /** Asks again for a transaction that was sent: a reorg may have moved or dropped it. */
  transactionState(txHash: Hash32): Promise<SubmissionState>;
  /**
   * Submits files in one transaction (`batchSubmit` for more than one) with the exact fee and waits for its receipt.
   * Throws `CHAIN_INSUFFICIENT_FUNDS`, `CHAIN_REVERTED`, `CHAIN_UNREACHABLE`, `CHAIN_WRONG_CHAIN_ID`, `CHAIN_TX_LOST`.
   * Calls: eth_chainId, eth_call, eth_getBalance, eth_estimateGas, eth_sendRawTransaction, eth_getTransactionReceipt.
   */
  submit(
    files: readonly FileToSubmit[],
    options?: { signal?: AbortSignal | undefined; onSent?: ((txHash: Hash32) => void) | undefined },
  ): Promise<SubmitResult>;
}

export type FlowWriterOptions = {
  flow: Address;
  /** When given, another chain is refused before anything is signed. */
  chainId?: number | undefined;
  receiptTimeoutMs?: number | undefined;
} & (
  | { rpcUrl: string; privateKey: Hex; pollMs?: number | undefined }
  /** An account that has other senders too. */
  | { account: ChainAccount }
);

/** Sectors that a decomposition covers, and pays for. */
export function sectorsOf(nodes: readonly { height: number }[]): number {
  return nodes.reduce((sum, node) => sum + 2 ** node.height, 0);
}

export function createFlowWriter(options: FlowWriterOptions): FlowWriter {
  const { flow } = options;
  const account =
    'account' in options
      ? options.account
      : openAccount({ ...options, pollMs: options.pollMs ?? 100 });
  const { address, rpcUrl, client, guard } = account;
  const sender = sendFrom(account, options.receiptTimeoutMs ?? 120_000);
  let market: Address | undefined;

  const pricePerSector = async (): Promise<bigint> => {
    market ??= parseAddress(
      await client.readContract({ address: flow, abi: flowAbi, functionName: 'market' }),
    );
    return client.readContract({
      address: market,
      abi: fixedPriceMarketAbi,
      functionName: 'pricePerSector',
    });
  };
  const checkFunds = async (fee: bigint): Promise<void> => {
    const [balance, gasPrice] = await Promise.all([
      client.getBalance({ address }),
      client.getGasPrice(),
    ]);
    // A submission takes 130k to 470k gas; refuse early when even the fee and a small one cannot be paid.
    const needed = fee + gasPrice * 150_000n;
    if (balance >= needed) return;
    throw new CodedError({
      code: 'CHAIN_INSUFFICIENT_FUNDS',
      kind: 'exhausted',
      message: `account ${address} has ${formatEther(balance)} and needs about ${formatEther(needed)} (fee ${formatEther(fee)} and gas)`,
      hint: 'fund the account, or use another key with --key-file',
      details: {
        address,
        balance: balance.toString(),
        needed: needed.toString(),
        fee: fee.toString(),
      },
    });
  };

  return {
    address,
    pricePerSector: () => guard(pricePerSector),
    balance: () => sender.balance(),
    transactionState: (hash) =>
      guard(async () => {
        const found = await account.state(hash);
        if (found.state !== 'mined') return found;
        return { state: 'mined', submissions: decodeSubmissions(found.receipt.logs, flow) };
      }),
    submit: (files, { signal, onSent } = {}) =>
      guard(async () => {
        signal?.throwIfAborted();
        const chainId = await client.getChainId();
        if (options.chainId !== undefined && options.chainId !== chainId) {
          throw new CodedError({
            code: 'CHAIN_WRONG_CHAIN_ID',
            kind: 'invalid',
            message: `${rpcUrl} is chain ${chainId}, the network is on chain ${options.chainId}`,
            hint: 'use the RPC of the chain that the storage nodes follow',
            details: { expected: options.chainId, actual: chainId },
          });
        }
        const price = await pricePerSector();
        const feeWei = price * files.reduce((sum, file) => sum + BigInt(sectorsOf(file.nodes)), 0n);
        await checkFunds(feeWei);
        const submissions = files.map((file) => ({
          data: {
            length: BigInt(file.size),
            tags: file.tags ?? ('0x' as Hex),
            nodes: file.nodes.map((node) => ({ root: node.root, height: BigInt(node.height) })),
          },
          submitter: address,
        }));
        const receipt = await sender.send(
          {
            address: flow,
            abi: flowAbi,
            value: feeWei,
            ...(submissions.length === 1
              ? { functionName: 'submit', args: submissions }
              : { functionName: 'batchSubmit', args: [submissions] }),
          },
          { signal, onSent },
        );
        const hash = parseHash32(receipt.transactionHash);
        const found = decodeSubmissions(receipt.logs, flow);
        if (found.length !== files.length) {
          throw new CodedError({
            code: 'CHAIN_REVERTED',
            kind: 'conflict',
            message: `transaction ${hash} was mined without its submissions`,
            details: { hash, submissions: found.length },
          });
        }
        return {
          txHash: hash,
          blockNumber: Number(receipt.blockNumber),
          seqs: found.map((s) => s.seq),
          startSectors: found.map((s) => s.startSector),
          feeWei,
        };
      }),
  };
}
