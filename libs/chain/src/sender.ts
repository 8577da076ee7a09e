/*
 * Sends contract calls from one account. Calls are simulated first, so that what would revert costs nothing; nonces are
 * given out one at a time, so that several calls may wait for their blocks side by side.
 */
import {
  type Address,
  CodedError,
  type Hash32,
  type Hex,
  parseAddress,
  parseHash32,
} from '@cairn/base';
import {
  type Abi,
  createPublicClient,
  createWalletClient,
  http,
  type TransactionReceipt,
  WaitForTransactionReceiptTimeoutError,
} from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { chainError } from './errors.ts';

export type ContractCall = {
  address: Address;
  abi: Abi;
  functionName: string;
  args: readonly unknown[];
  value?: bigint | undefined;
};
export type SendOptions = {
  signal?: AbortSignal | undefined;
  /** Called when the transaction is out. */
  onSent?: ((hash: Hash32) => void) | undefined;
};
export interface TransactionSender {
  readonly address: Address;
  /**
   * Resolves with the receipt of a successful transaction. Throws `CHAIN_REVERTED` (in the simulation or mined),
   * `CHAIN_INSUFFICIENT_FUNDS`, `CHAIN_UNREACHABLE`, `CHAIN_TX_LOST` (no receipt in time).
   */
  send(call: ContractCall, options?: SendOptions): Promise<TransactionReceipt>;
  balance(): Promise<bigint>;
}

export type TransactionSenderOptions = {
  rpcUrl: string;
  privateKey: Hex;
  pollMs?: number | undefined;
  receiptTimeoutMs?: number | undefined;
};

export function createTransactionSender(options: TransactionSenderOptions): TransactionSender {
  const { rpcUrl } = options;
  const account = privateKeyToAccount(options.privateKey);
  const transport = http(rpcUrl, { timeout: 15_000, retryCount: 2 });
  const client = createPublicClient({
    transport,
    pollingInterval: options.pollMs ?? 200,
    cacheTime: 0,
  });
  const wallet = createWalletClient({ account, transport });
  /** The last call that took a nonce; the next one starts after it. */
  let turn: Promise<unknown> = Promise.resolve();

  const broadcast = async (call: ContractCall, signal?: AbortSignal): Promise<Hash32> => {
    signal?.throwIfAborted();
    const { request } = await client.simulateContract({ ...call, account } as never);
    const gas = await client.estimateContractGas({ ...call, account } as never);
    const nonce = await client.getTransactionCount({
      address: account.address,
      blockTag: 'pending',
    });
    signal?.throwIfAborted();
    return parseHash32(
      await wallet.writeContract({
        ...(request as object),
        chain: null,
        nonce,
        // What others do in between may cost more than the state that was estimated on.
        gas: (gas * 5n) / 4n,
      } as never),
    );
  };

  return {
    address: parseAddress(account.address),
    async send(call, { signal, onSent } = {}) {
      const mine = turn.then(() => broadcast(call, signal));
      turn = mine.catch(() => {});
      try {
        const hash = await mine;
        onSent?.(hash);
        const receipt = await client.waitForTransactionReceipt({
          hash,
          timeout: options.receiptTimeoutMs ?? 60_000,
        });
        if (receipt.status !== 'success')
          throw new CodedError({
            code: 'CHAIN_REVERTED',
            kind: 'conflict',
            message: `transaction ${hash} was mined and failed`,
            details: { hash, functionName: call.functionName },
          });
        return receipt;
      } catch (error) {
        if (error instanceof WaitForTransactionReceiptTimeoutError)
          throw new CodedError({
            code: 'CHAIN_TX_LOST',
            kind: 'timeout',
            message: `no receipt of ${call.functionName} came in time`,
            cause: error,
          });
        if (signal?.aborted) throw signal.reason;
        throw chainError(error, rpcUrl);
      }
    },
    balance: () => client.getBalance({ address: account.address }),
  };
}
