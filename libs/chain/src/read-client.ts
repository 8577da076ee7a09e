// What every reader of contracts begins with: a client that batches the calls made together, and our errors for what it throws.
import { createPublicClient, http, type PublicClient, type Transport } from 'viem';
import { chainError } from './errors.ts';

export type ReadClientOptions = {
  rpcUrl: string;
  /** How long one request may take; 10 s by default. */
  timeoutMs?: number | undefined;
};
export type ReadClient = {
  client: PublicClient<Transport>;
  /** Runs it, and turns what viem throws into our errors: `CHAIN_UNREACHABLE`, `CHAIN_REVERTED`. */
  guard<T>(run: () => Promise<T>): Promise<T>;
};

/** Calls of one batch. */
const BATCH_SIZE = 100;

/** Nothing is cached, and nothing tried again: who asks comes back by himself. */
export function openReadClient({ rpcUrl, timeoutMs = 10_000 }: ReadClientOptions): ReadClient {
  const client = createPublicClient({
    transport: http(rpcUrl, {
      batch: { batchSize: BATCH_SIZE, wait: 0 },
      timeout: timeoutMs,
      retryCount: 0,
    }),
    cacheTime: 0,
  });
  return {
    client,
    guard: async (run) => {
      try {
        return await run();
      } catch (error) {
        throw chainError(error, rpcUrl);
      }
    },
  };
}
