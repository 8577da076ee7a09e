/*
 * Brings the DA service of a fresh chain to its first open quorum by mining blocks as they are needed, instead of waiting an
 * epoch of real time: operators join, the snapshot passes, they reveal, the epoch begins.
 */
import {
  type EpochSchedule,
  epochAt,
  epochStart,
  revealWindow,
  snapshotBlock,
} from '@cairn/quorum';
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
  /** Least pause between blocks of a reveal window, whose few blocks must last until everybody has looked at the chain. */
  revealPaceMs?: number | undefined;
  /** Seconds between blocks that are mined at once; without it they carry the same time. */
  blockSeconds?: number | undefined;
  /** Called when the operators have joined, with the blocks still to be mined: from here on the clock must not jump. */
  onJoined?: ((blocksLeft: number) => Promise<void>) | undefined;
  signal?: AbortSignal | undefined;
};

const REVEAL_PACE_MS = 1000;
/** Epochs that are tried: somebody may miss a window on a busy machine. */
const EPOCHS_MAX = 3;

/** Resolves with the epoch that serves now. Throws when operators miss the windows of three. Leaves automatic mining off. */
export async function bringUpDa(options: BringUpOptions): Promise<number> {
  const { rpc, reader, operators, timeoutMs = 60_000 } = options;
  const schedule = await reader.parameters();
  let seconds = options.blockSeconds;
  const mine = async (count: number): Promise<void> => {
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
  for (let tries = 0; tries < EPOCHS_MAX; tries++) {
    const { number } = await reader.head();
    // Joining counts at the snapshot: take the first epoch whose snapshot is still to come.
    let epoch = (epochAt(schedule, number) ?? 0) + 1;
    if (snapshotBlock(schedule, epoch) <= number) epoch++;
    const window = revealWindow(schedule, epoch);
    if (tries === 0) await options.onJoined?.(epochStart(schedule, epoch) - window.start);
    else seconds = undefined; // the clock is at the present and must not run ahead
    await mine(window.start - number);
    let hasAll = false;
    await serve(
      'operators to reveal',
      async () => {
        const [found, head] = await Promise.all([reader.epoch(epoch), reader.head()]);
        const revealed = found?.quorums.reduce((sum, quorum) => sum + quorum.members.length, 0);
        hasAll = (revealed ?? 0) >= operators.length;
        return hasAll || head.number >= window.end;
      },
      options.revealPaceMs ?? REVEAL_PACE_MS,
    );
    const head = (await reader.head()).number;
    await mine(Math.max(0, epochStart(schedule, epoch) - head));
    if (hasAll) return epoch;
  }
  throw new Error(`operators missed the reveal windows of ${EPOCHS_MAX} epochs`);
}
