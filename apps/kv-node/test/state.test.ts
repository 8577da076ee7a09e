import { type Hash32, silentLogger } from '@cairn/base';
import { BatchBuilder } from '@cairn/kv';
import { WATCHED } from '@cairn/testkit';
import { describe, expect, it } from 'vitest';
import { Walker } from '../src/read/walker.ts';
import { valueMethods } from '../src/rpc/values.ts';
import { PART_BYTES } from '../src/store/value-table.ts';
import { applyConfiguredStreams } from '../src/streams.ts';
import { batchOf, key, nodeWith, STREAM } from './support.ts';

const { signal } = new AbortController();
const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('reading', () => {
  it('gives any slice of values in a row and in parts', async () => {
    const sizes = [1, 512, 513, PART_BYTES, PART_BYTES + 1, 3 * PART_BYTES - 1];
    const builder = new BatchBuilder();
    const values = sizes.map((size) => new Uint8Array(size).map((_, i) => (i * 31 + size) & 255));
    for (const [i, value] of values.entries()) builder.set(STREAM, key(`v${i}`), value);
    const { node } = await nodeWith(builder);
    const methods = valueMethods({
      state: node.state,
      walker: new Walker(node.state),
      maxQueryBytes: 262_144,
    });
    for (const [i, value] of values.entries())
      for (const start of [0, 1, 511, 512, PART_BYTES - 1, PART_BYTES, value.length])
        for (const length of [0, 1, 2, PART_BYTES, 262_144]) {
          if (start > value.length) continue;
          const params = [STREAM, base64(`v${i}`), start, length];
          const found = (await methods.kv_getValue!(params, { signal })) as { data: string };
          const wanted = value.subarray(start, start + length);
          expect(Buffer.from(found.data, 'base64').equals(wanted)).toBe(true);
        }
  });

  it('walks past deleted keys at once now and in steps in the past', async () => {
    const many = new BatchBuilder();
    for (let i = 0; i < 3000; i++)
      many.set(STREAM, key(`k${String(i).padStart(5, '0')}`), key('v'));
    const gone = new BatchBuilder();
    for (let i = 1; i < 2999; i++) gone.delete(STREAM, key(`k${String(i).padStart(5, '0')}`));
    const { node, chain } = await nodeWith(many, gone);
    chain.add([undefined]); // so that version 1 is the past
    await node.follow();
    const walker = new Walker(node.state);
    const stream = node.state.streamName(STREAM);
    for (const version of [1, 2]) {
      const next = { key: key('k00000'), direction: 'next', isInclusive: false } as const;
      const found = await walker.find(stream, { ...next, version, signal });
      expect(new TextDecoder().decode(found!.key)).toBe('k02999');
      // An inclusive seek that lands on a deleted key goes on behind it instead of round and round.
      const seek = { key: key('k00007'), direction: 'prev', isInclusive: true } as const;
      const before = await walker.find(stream, { ...seek, version, signal });
      expect(new TextDecoder().decode(before!.key)).toBe('k00000');
    }
    const all = await walker.find(stream, {
      key: key('k00000'),
      direction: 'next',
      isInclusive: false,
      version: 0,
      signal,
    });
    expect(new TextDecoder().decode(all!.key)).toBe('k00001');
  });
});

describe('the set of streams', () => {
  const other = `0x${'ee'.repeat(32)}` as Hash32;
  const write = (): BatchBuilder => new BatchBuilder().set(STREAM, key('a'), key('1'));

  it('one that is new in the configuration restarts replay, one that left it is dropped', async () => {
    const { node } = await nodeWith(write());
    const { state } = node;
    applyConfiguredStreams(state, WATCHED, silentLogger);
    expect(state.log.applied()).toBe(1); // nothing changed
    applyConfiguredStreams(state, [STREAM, other], silentLogger);
    expect(state.streams.all().map(({ streamId }) => streamId)).toEqual([STREAM, other]);
    expect(state.log.progress()).toBeUndefined();
    expect(state.values.at(state.streamName(STREAM), key('a'), 9)).toBeUndefined();
    await node.follow();
    await node.replay();
    expect(state.values.at(state.streamName(STREAM), key('a'), 9)?.size).toBe(1);
  });

  it('one that is added while running begins with the next submission', async () => {
    const late = (): BatchBuilder => new BatchBuilder().set(other, key('a'), key('1'));
    const { node, chain } = await nodeWith(write(), late());
    const { state } = node;
    expect(state.batches.result(1)).toBeUndefined();
    state.streams.add(other, state.log.nextSeq()!, 'runtime');
    chain.add([batchOf(late())]);
    await node.follow();
    await node.replay();
    expect(state.batches.result(1)).toBeUndefined();
    expect(state.batches.result(2)).toBe('Commit');
  });

  it('a dropped one is gone at once, with what waits for it; its rows go in slices', async () => {
    const builder = new BatchBuilder();
    for (let i = 0; i < 5000; i++) builder.set(STREAM, key(`k${i}`), new Uint8Array(600));
    const { node, chain } = await nodeWith(builder);
    const { state } = node;
    chain.add([batchOf(write())]);
    await node.follow();
    expect(state.log.applied()).toBe(1);
    expect(state.drop(STREAM)).toBe(true);
    expect(state.drop(STREAM)).toBe(false);
    expect(state.log.applied()).toBe(2);
    expect(() => state.streamName(STREAM)).toThrow(/does not watch/);
    let slices = 0;
    while (state.purge()) slices++;
    expect(slices).toBeGreaterThan(5);
    for (const table of ['value', 'value_part', 'live', 'control', 'root'])
      expect(state.db.prepare(`SELECT count(*) AS n FROM ${table}`).get()).toEqual({ n: 0 });
    // Watched anew, it begins empty.
    state.streams.add(STREAM, 2, 'runtime');
    expect(state.roleView(9).isNew(STREAM)).toBe(true);
  });

  it('is bounded', async () => {
    const { node } = await nodeWith();
    const id = (n: number): Hash32 => `0x${n.toString(16).padStart(64, '0')}` as Hash32;
    for (let i = 0; i < 6; i++) node.state.streams.add(id(i), 0, 'runtime');
    expect(() => node.state.streams.add(id(99), 0, 'runtime')).toThrow(/takes no more/);
  });
});
