/*
 * Brings the DA service of a fresh chain to its first open quorum by mining blocks as they are needed, instead of waiting an
 * epoch of real time: operators join, the snapshot passes, they reveal, the epoch begins.
 */
import { type EpochSchedule, epochAt, epochStart, seedBlock, snapshotBlock } from '@cairn/quorum';
import { waitFor } from './net.ts';

/** What is asked of the chain: part of `DaReader`, which this package cannot name since chain's own tests use it. */
type EpochReader = {
  parameters(): Promise<EpochSchedule>;
  head(): Promise<{ number: number }>;
  operator(operator: never): Promise<{ isActive: boolean }>;
  epoch(
    epoch: number,
  ): Promise<{ quorums: readonly { members: readonly unknown[] }[] } | undefined>;
};

export type BringUpOptions = {
  rpc: (method: string, params?: unknown[]) => Promise<unknown>;
  reader: EpochReader;
  /** Operators that are about to join by themselves. */
  operators: readonly string[];
  timeoutMs?: number | undefined;
  /** Seconds between blocks that are mined at once; without it they carry the same time. */
  blockSeconds?: number | undefined;
  /** Called when the operators have joined, with the blocks still to be mined: from here on the clock must not jump. */
  onJoined?: ((blocksLeft: number) => Promise<void>) | undefined;
  signal?: AbortSignal | undefined;
};

/** Pause between blocks of a reveal window: its few blocks must last until everybody has looked at the chain. */
const REVEAL_PACE_MS = 1000;

/** Resolves with the epoch that serves now. Leaves automatic mining off. */
export async function bringUpDa(options: BringUpOptions): Promise<number> {
  const { rpc, reader, operators, timeoutMs = 60_000 } = options;
  const schedule = await reader.parameters();
  const mine = async (count: number): Promise<void> => {
    const seconds = options.blockSeconds;
    if (count > 0)
      await rpc('anvil_mine', [
        `0x${count.toString(16)}`,
        ...(seconds === undefined ? [] : [`0x${seconds.toString(16)}`]),
      ]);
  };
  /** Mines a block whenever a transaction waits, at most one every `paceMs`, until `isDone`. */
  const serve = (what: string, isDone: () => Promise<boolean>, paceMs = 0): Promise<true> => {
    let minedAt = Number.NEGATIVE_INFINITY;
    return waitFor(
      async () => {
        options.signal?.throwIfAborted();
        if (await isDone()) return true;
        const { pending } = (await rpc('txpool_status')) as { pending: string };
        if (Number(pending) === 0 || performance.now() - minedAt < paceMs) return undefined;
        await mine(1);
        minedAt = performance.now();
        return undefined;
      },
      { timeoutMs, what, intervalMs: 30 },
    );
  };
  await rpc('evm_setAutomine', [false]);
  await serve('operators to join', async () => {
    const entries = await Promise.all(
      operators.map((operator) => reader.operator(operator as never)),
    );
    return entries.every(({ isActive }) => isActive);
  });
  let head = (await reader.head()).number;
  // Joining counts at the snapshot: take the first epoch whose snapshot is still to come.
  let epoch = (epochAt(schedule, head) ?? 0) + 1;
  if (snapshotBlock(schedule, epoch) <= head) epoch++;
  const window = seedBlock(schedule, epoch) + 1;
  await options.onJoined?.(epochStart(schedule, epoch) - window);
  await mine(window - head);
  await serve(
    'operators to reveal',
    async () => {
      const found = await reader.epoch(epoch);
      const revealed = found?.quorums.reduce((sum, quorum) => sum + quorum.members.length, 0) ?? 0;
      return revealed >= operators.length;
    },
    REVEAL_PACE_MS,
  );
  head = (await reader.head()).number;
  await mine(epochStart(schedule, epoch) - head);
  return epoch;
}
