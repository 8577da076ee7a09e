/*
 * Sends contract calls from one account. Calls are simulated first, so that what would revert costs nothing; nonces are
 * given out one at a time, so that several calls may wait for their blocks side by side.
 */
import { type Address, type Hash32, type Hex, parseHash32 } from '@cairn/base';
import type { Abi, TransactionReceipt } from 'viem';
import { type ChainAccount, openAccount } from './account.ts';

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

const RECEIPT_TIMEOUT_MS = 60_000;

export function createTransactionSender(options: TransactionSenderOptions): TransactionSender {
  const { rpcUrl, privateKey, pollMs = 200 } = options;
  return sendFrom(openAccount({ rpcUrl, privateKey, pollMs }), options.receiptTimeoutMs);
}

/** A sender of an account that has others as well: they take turns. */
export function sendFrom(
  account: ChainAccount,
  receiptTimeoutMs: number = RECEIPT_TIMEOUT_MS,
): TransactionSender {
  const { client, wallet, signer, guard } = account;

  const broadcast = async (call: ContractCall, signal?: AbortSignal): Promise<Hash32> => {
    signal?.throwIfAborted();
    const { request } = await client.simulateContract({ ...call, account: signer } as never);
    const gas = await client.estimateContractGas({ ...call, account: signer } as never);
    const { address } = account;
    const nonce = await client.getTransactionCount({ address, blockTag: 'pending' });
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
    address: account.address,
    send: (call, { signal, onSent } = {}) =>
      guard(async () => {
        const hash = await account.inTurn(() => broadcast(call, signal));
        onSent?.(hash);
        return account.receipt(hash, { timeoutMs: receiptTimeoutMs, signal });
      }),
    balance: () => guard(() => client.getBalance({ address: account.address })),
  };
}
