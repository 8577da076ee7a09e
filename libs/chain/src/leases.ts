/* Reads from `ChunkRewards` until when each 8 GiB of the flow is paid for, through one JSON-RPC endpoint. */
import { type Address, positionFromBigint } from '@cairn/base';
import { createPublicClient, http } from 'viem';
import { chainError } from './errors.ts';
import { chunkRewardsAbi } from './generated/chunk-rewards-abi.ts';

/** Every call throws `CHAIN_UNREACHABLE` when the RPC does not answer. */
export interface LeaseReader {
  /** Time of the newest block, Unix seconds. */
  time(): Promise<number>;
  /** Ends of the leases of `count` pricing ranges from `first` on, Unix seconds; 0 for a range that nobody paid for yet. */
  leaseEnds(first: number, count: number): Promise<number[]>;
}

export type LeaseReaderOptions = {
  rpcUrl: string;
  reward: Address;
  timeoutMs?: number | undefined;
};

export function createLeaseReader(options: LeaseReaderOptions): LeaseReader {
  const { rpcUrl, reward } = options;
  const client = createPublicClient({
    transport: http(rpcUrl, {
      batch: { batchSize: 100, wait: 0 },
      timeout: options.timeoutMs ?? 10_000,
      retryCount: 0,
    }),
    cacheTime: 0,
  });
  const guard = <T>(run: Promise<T>): Promise<T> =>
    run.catch((error: unknown) => {
      throw chainError(error, rpcUrl);
    });
  const leaseEnd = async (index: number): Promise<number> =>
    positionFromBigint(
      await client.readContract({
        address: reward,
        abi: chunkRewardsAbi,
        functionName: 'rewardDeadline',
        args: [BigInt(index)],
      }),
    );
  return {
    time: () =>
      guard(client.getBlock({ blockTag: 'latest' }).then(({ timestamp }) => Number(timestamp))),
    leaseEnds: (first, count) =>
      guard(Promise.all(Array.from({ length: count }, (_, i) => leaseEnd(first + i)))),
  };
}
