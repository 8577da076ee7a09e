// Tells of each answer that the chain accepted, as long as the network is up.
import type { Clock, Hex } from '@cairn/base';
import { poraMineAbi } from '@cairn/chain';
import type { DevnetFile } from '@cairn/protocol';
import { createPublicClient, formatEther, http, parseAbiItem } from 'viem';

const POLL_MS = 2000;
/** One line per answer for so many; then every tenth. */
const TOLD_ONE_BY_ONE = 20;
const DISTRIBUTED = parseAbiItem(
  'event DistributeReward(uint256 indexed pricingIndex, address indexed beneficiary, bytes32 indexed minerId, uint256 amount)',
);

/** Runs until the process ends; a chain that is away for a moment is asked again. */
export async function tellAnswers(
  network: DevnetFile,
  say: (text: string) => void,
  clock: Clock,
): Promise<void> {
  const { mine, reward } = network.contracts;
  if (!mine) return;
  const client = createPublicClient({ transport: http(network.rpcUrl), cacheTime: 0 });
  let next = 0n;
  let count = 0;
  for (;;) {
    await clock.sleep(POLL_MS);
    try {
      const head = await client.getBlockNumber();
      if (next === 0n) next = head > 60n ? head - 60n : 0n;
      if (head < next) continue;
      const range = { fromBlock: next, toBlock: head };
      const [answers, rewards] = await Promise.all([
        client.getContractEvents({
          address: mine as Hex,
          abi: poraMineAbi,
          eventName: 'NewSubmission',
          ...range,
        }),
        client.getLogs({ address: reward as Hex, event: DISTRIBUTED, ...range }),
      ]);
      next = head + 1n;
      for (const answer of answers) {
        count++;
        if (count > TOLD_ONE_BY_ONE && count % 10 !== 0) continue;
        const { epoch, minerId } = answer.args;
        const paid = rewards.find((one) => one.transactionHash === answer.transactionHash);
        const amount = paid ? formatEther(paid.args.amount ?? 0n) : '0';
        say(`mined      epoch ${epoch}, miner ${minerId?.slice(0, 10)}, reward ${amount}`);
      }
    } catch {
      // The chain ends with the network; whoever stops it says so.
    }
  }
}
