// Bringing up epochs on a chain of numbers alone: which blocks are mined, and what happens when somebody misses a window.
import { epochAt, revealWindow } from '@cairn/quorum';
import { expect, it } from 'vitest';
import { bringUpDa } from '../src/da.ts';

const SCHEDULE = {
  genesisBlock: 0,
  epochBlocks: 30,
  lookaheadBlocks: 12,
  seedDelayBlocks: 2,
  revealWindowBlocks: 8,
};

/** Two operators; the second reveals from its `prompt`-th window on, and strangers fill every block until then. */
function chainOf(prompt: number) {
  let head = 5;
  const calls: [method: string, ...params: unknown[]][] = [];
  const windows = new Set<number>();
  const revealed = (epoch: number): number => {
    if (head >= revealWindow(SCHEDULE, epoch).start) windows.add(epoch);
    return windows.size >= prompt ? 2 : 1;
  };
  return {
    calls,
    head: () => head,
    options: {
      operators: ['a', 'b'],
      revealPaceMs: 0,
      blockSeconds: 1,
      rpc: async (method: string, params: unknown[] = []) => {
        calls.push([method, ...params]);
        if (method === 'anvil_mine') head += Number(params[0]);
        return method === 'txpool_status' ? { pending: '0x1' } : undefined;
      },
      reader: {
        parameters: async () => SCHEDULE,
        head: async () => ({ number: head }),
        operator: async () => ({ isActive: true }),
        epoch: async (epoch: number) => ({
          quorums: [{ members: Array.from({ length: revealed(epoch) }) }],
        }),
      },
    },
  };
}

it('ends at the first block of an epoch whose operators have all revealed', async () => {
  const chain = chainOf(1);
  const epoch = await bringUpDa(chain.options);
  expect(epochAt(SCHEDULE, chain.head())).toBe(epoch);
  expect(epochAt(SCHEDULE, chain.head() - 1)).toBe(epoch - 1);
  const mined = chain.calls.filter(([method]) => method === 'anvil_mine');
  expect(mined.every(([, , seconds]) => seconds === '0x1')).toBe(true);
});

it('takes the next epoch when the window was used up by others, without moving the clock ahead', async () => {
  const first = await bringUpDa(chainOf(1).options);
  const chain = chainOf(2);
  const epoch = await bringUpDa(chain.options);
  expect(epoch).toBeGreaterThan(first);
  expect(epochAt(SCHEDULE, chain.head())).toBe(epoch);
  expect(chain.calls.findLast(([method]) => method === 'anvil_mine')).toHaveLength(2);
});

it('gives up after three epochs', async () => {
  await expect(bringUpDa(chainOf(9).options)).rejects.toThrow('missed the reveal windows of 3');
});
