/* Reads from `ChunkRewards` until when each 8 GiB of the flow is paid for, through one JSON-RPC endpoint. */
import { type Address, positionFromBigint } from '@cairn/base';
import { chunkRewardsAbi } from './generated/chunk-rewards-abi.ts';
import { openReadClient, type ReadClientOptions } from './read-client.ts';

/** Every call throws `CHAIN_UNREACHABLE` when the RPC does not answer. */
export interface LeaseReader {
  /** Time of the newest block, Unix seconds. */
  time(): Promise<number>;
  /** Ends of the leases of `count` pricing ranges from `first` on, Unix seconds; 0 for a range that nobody paid for yet. */
  leaseEnds(first: number, count: number): Promise<number[]>;
}

export type LeaseReaderOptions = ReadClientOptions & { reward: Address };

export function createLeaseReader(options: LeaseReaderOptions): LeaseReader {
  const { client, guard } = openReadClient(options);
  const leaseEnd = async (index: number): Promise<number> =>
    positionFromBigint(
      await client.readContract({
        address: options.reward,
        abi: chunkRewardsAbi,
        functionName: 'rewardDeadline',
        args: [BigInt(index)],
      }),
    );
  return {
    time: () => guard(async () => Number((await client.getBlock()).timestamp)),
    leaseEnds: (first, count) =>
      guard(() => Promise.all(Array.from({ length: count }, (_, i) => leaseEnd(first + i)))),
  };
}
