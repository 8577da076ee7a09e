/*
 * One account at one JSON-RPC endpoint: what every sender of transactions needs before it has anything of its own. Senders that
 * share one of these never take the same nonce.
 */
import {
  type Address,
  CodedError,
  type Hash32,
  type Hex,
  isAbortError,
  parseAddress,
  unlessAborted,
} from '@cairn/base';
import {
  type Account,
  createPublicClient,
  createWalletClient,
  http,
  type PublicClient,
  TransactionNotFoundError,
  type TransactionReceipt,
  TransactionReceiptNotFoundError,
  type Transport,
  WaitForTransactionReceiptTimeoutError,
  type WalletClient,
} from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { chainError } from './errors.ts';

export type AccountOptions = {
  rpcUrl: string;
  privateKey: Hex;
  /** Pause between looks for a receipt. */
  pollMs: number;
  /** How long one request may take; 15 s by default. */
  timeoutMs?: number | undefined;
  /** Times a request that nobody answered is made again; 2 by default. */
  retries?: number | undefined;
};

/** Where a transaction stands: in a block, waiting for one, or nowhere (the RPC dropped it, or a reorg did). */
export type TransactionState =
  | { state: 'mined'; receipt: TransactionReceipt }
  | { state: 'pending' }
  | { state: 'unknown' };

export type ChainAccount = {
  address: Address;
  rpcUrl: string;
  /** What viem signs with. */
  signer: Account;
  client: PublicClient<Transport>;
  wallet: WalletClient<Transport, undefined, Account>;
  /** Runs what takes the account's next nonce and sends it, after all that came before have theirs. */
  inTurn<T>(send: () => Promise<T>): Promise<T>;
  /** Runs it, and turns what viem throws into our errors; the reason of an aborted signal stays as it is. */
  guard<T>(run: () => Promise<T>): Promise<T>;
  /**
   * Waits for the block; a signal ends the wait. Throws `CHAIN_REVERTED` for a transaction that was mined and failed,
   * `CHAIN_TX_LOST` when no receipt came in time.
   */
  receipt(
    hash: Hash32,
    options: { timeoutMs: number; signal?: AbortSignal | undefined },
  ): Promise<TransactionReceipt>;
  state(hash: Hash32): Promise<TransactionState>;
};

export function openAccount(options: AccountOptions): ChainAccount {
  const { rpcUrl, pollMs } = options;
  const signer = privateKeyToAccount(options.privateKey);
  const transport = http(rpcUrl, {
    batch: { batchSize: 50, wait: 0 },
    timeout: options.timeoutMs ?? 15_000,
    retryCount: options.retries ?? 2,
  });
  const client = createPublicClient({ transport, pollingInterval: pollMs, cacheTime: 0 });
  /** The last one that took a nonce. */
  let turn: Promise<unknown> = Promise.resolve();
  return {
    address: parseAddress(signer.address),
    rpcUrl,
    signer,
    client,
    wallet: createWalletClient({ account: signer, transport }),
    inTurn(send) {
      const mine = turn.then(send);
      turn = mine.catch(() => {});
      return mine;
    },
    async guard(run) {
      try {
        return await run();
      } catch (error) {
        throw isAbortError(error) ? error : chainError(error, rpcUrl);
      }
    },
    async receipt(hash, { timeoutMs, signal }) {
      const receipt = await unlessAborted(
        client.waitForTransactionReceipt({ hash, timeout: timeoutMs }),
        signal,
      ).catch((error: unknown) => {
        throw error instanceof WaitForTransactionReceiptTimeoutError ? lost(hash, error) : error;
      });
      if (receipt.status === 'success') return receipt;
      throw new CodedError({
        code: 'CHAIN_REVERTED',
        kind: 'conflict',
        message: `transaction ${hash} was mined and failed`,
        details: { hash },
      });
    },
    async state(hash) {
      try {
        return { state: 'mined', receipt: await client.getTransactionReceipt({ hash }) };
      } catch (error) {
        if (!(error instanceof TransactionReceiptNotFoundError)) throw error;
      }
      try {
        await client.getTransaction({ hash });
        return { state: 'pending' };
      } catch (error) {
        if (!(error instanceof TransactionNotFoundError)) throw error;
        return { state: 'unknown' };
      }
    },
  };
}

function lost(hash: Hash32, cause: Error): CodedError {
  return new CodedError({
    code: 'CHAIN_TX_LOST',
    kind: 'timeout',
    message: `no receipt of transaction ${hash} came in time`,
    details: { hash },
    cause,
  });
}
