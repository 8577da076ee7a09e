import { epochAt, epochStart, revealWindow } from '@cairn/quorum';
import { waitFor } from '@cairn/testkit';
import type { DaNetwork } from './da-network.ts';

type Chain = Pick<DaNetwork, 'reader' | 'anvil'>;

/** The next epoch nobody can have revealed for; the chain stands still just before its reveal window. Nobody mines any more. */
export async function beforeReveals({ reader, anvil }: Chain): Promise<number> {
  await anvil.rpc('evm_setIntervalMining', [0]);
  const schedule = await reader.parameters();
  const { number: head } = await reader.head();
  let epoch = epochAt(schedule, head)! + 1;
  while (revealWindow(schedule, epoch).start <= head + 2) epoch++;
  await anvil.mine(revealWindow(schedule, epoch).start - 2 - head);
  return epoch;
}

/** Goes to the start of the next epoch nobody has revealed for: of its blocks only the reveal window passes by the clock. */
export async function toFreshEpoch(network: Chain): Promise<number> {
  const { reader, anvil } = network;
  const epoch = await beforeReveals(network);
  const schedule = await reader.parameters();
  await anvil.rpc('evm_setIntervalMining', [1]);
  const { end } = revealWindow(schedule, epoch);
  const head = async (): Promise<number> => (await reader.head()).number;
  await waitFor(async () => (await head()) >= end, {
    ...{ timeoutMs: 30_000, what: 'the reveal window to pass' },
  });
  await anvil.mine(Math.max(0, epochStart(schedule, epoch) - (await head())));
  return epoch;
}
