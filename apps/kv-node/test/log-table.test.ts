// The queue of batches: what is remembered of its front must be what the table has.
import type { Address, Hash32 } from '@cairn/base';
import { loadKernels } from '@cairn/kernels';
import { openDatabase } from '@cairn/store';
import { describe, expect, it } from 'vitest';
import { KvState } from '../src/store/kv-state.ts';
import type { PendingBatch } from '../src/store/log-table.ts';
import { MIGRATIONS } from '../src/store/schema.ts';
import { hashOf } from './simulation.ts';

const kernels = await loadKernels();
const batch = (seq: number, name = 'first'): PendingBatch => ({
  seq,
  root: hashOf(`root ${seq}`),
  size: 256,
  startSector: 1,
  txHash: hashOf(`tx ${seq} ${name}`),
  sender: `0x${'a1'.repeat(20)}` as Address,
  streamIds: [`0x${'f2'.repeat(32)}` as Hash32],
  block: seq,
});
function queueOf(count: number): { state: KvState; seqs(limit: number): number[] } {
  const state = new KvState(openDatabase(':memory:', MIGRATIONS), kernels, { maxStreams: 8 });
  for (let seq = 0; seq < count; seq++) state.log.addPending(batch(seq));
  return { state, seqs: (limit) => state.log.pending(limit).map(({ seq }) => seq) };
}

describe('the queue of batches', () => {
  it('is given in order, over many reads, while heads are taken and others come', () => {
    const { state, seqs } = queueOf(150);
    for (let seq = 0; seq < 150; seq++) {
      expect(seqs(16)).toEqual(
        Array.from({ length: Math.min(16, 160 - seq) }, (_, i) => seq + i).filter(
          (one) => one < (seq > 100 ? 160 : 150),
        ),
      );
      state.log.removePending(seq);
      if (seq === 100) for (let more = 150; more < 160; more++) state.log.addPending(batch(more));
    }
    expect(seqs(1000)).toEqual(Array.from({ length: 10 }, (_, i) => 150 + i));
  });

  it('is as before after a transaction that failed', () => {
    const { state, seqs } = queueOf(3);
    expect(seqs(8)).toEqual([0, 1, 2]);
    expect(() =>
      state.transaction(() => {
        state.log.removePending(0);
        state.log.addPending(batch(3));
        expect(seqs(8)).toEqual([1, 2, 3]);
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(seqs(8)).toEqual([0, 1, 2]);
  });

  it('forgets what a reorg, a removal in the middle and a reset take away', () => {
    const { state, seqs } = queueOf(5);
    expect(seqs(5)).toHaveLength(5);
    state.log.removePending(2);
    expect(seqs(5)).toEqual([0, 1, 3, 4]);
    state.log.addBlocks([{ number: 1, hash: hashOf('block'), nextSeq: 3 }]);
    state.log.revert(1);
    state.log.addPending(batch(3, 'other'));
    expect(state.log.pending(5).at(-1)).toEqual(batch(3, 'other'));
    expect(seqs(5)).toEqual([0, 1, 3]);
    state.log.reset();
    expect(seqs(5)).toEqual([]);
  });
});
