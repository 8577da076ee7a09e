import type { Address, Hash32 } from '@cairn/base';
import { describe, expect, it } from 'vitest';
import {
  BatchBuilder,
  CONTROL,
  memorySource,
  NO_ACCOUNT,
  type ReplayOutcome,
  replayBatch,
} from '../src/index.ts';
import { MemoryView } from './memory-view.ts';

const A = `0x${'00'.repeat(30)}f2bd` as Hash32;
const B = `0x${'00'.repeat(30)}f2be` as Hash32;
const UNWATCHED = `0x${'00'.repeat(30)}dead` as Hash32;
const admin = `0x${'a1'.repeat(20)}` as Address;
const writer = `0x${'b2'.repeat(20)}` as Address;
const other = `0x${'c3'.repeat(20)}` as Address;
const key = (text: string): Uint8Array => new TextEncoder().encode(text);
const value = key('value');

/** A stream with an admin, a writer and a special key of `other`. */
function settled(): MemoryView {
  const view = new MemoryView();
  view.watched.add(A).add(B);
  return view
    .give(A, CONTROL.grantAdmin, admin)
    .give(A, CONTROL.grantWriter, writer)
    .give(A, CONTROL.setKeySpecial, NO_ACCOUNT, '76')
    .give(A, CONTROL.grantSpecialWriter, other, '76');
}
function run(
  view: MemoryView,
  sender: Address,
  builder: BatchBuilder,
  streamIds: Hash32[] = [A],
): ReplayOutcome {
  return replayBatch(view, { sender, streamIds, data: memorySource(builder.build().bytes) });
}
const resultOf = (outcome: ReplayOutcome): string =>
  outcome.kind === 'commit' ? 'Commit' : outcome.result;
const batch = (version?: number): BatchBuilder => new BatchBuilder(version);

describe('the order of checks', () => {
  it('a sender without any right is refused before the data is looked at', () => {
    const data = memorySource(Uint8Array.of(1));
    const stranger = `0x${'dd'.repeat(20)}` as Address;
    expect(replayBatch(settled(), { sender: stranger, streamIds: [A], data })).toEqual({
      kind: 'refused',
      result: 'SenderNoWritePermission',
    });
  });

  it('reads are checked before writes are parsed, writes before controls', () => {
    const view = settled();
    view.versions.set(A + Buffer.from('k').toString('hex'), 9);
    const bytes = batch(5).read(A, key('k')).build().bytes;
    const cut = new Uint8Array(300).fill(0xff);
    cut.set(bytes.subarray(0, 8 + 4 + 35 + 1));
    const outcome = replayBatch(view, { sender: admin, streamIds: [A], data: memorySource(cut) });
    expect(resultOf(outcome)).toBe('VersionConfliction');
  });

  it.each([
    ['a read of an unwatched stream', batch().read(UNWATCHED, key('k')).set(A, key('k'), value)],
    ['a write outside of the tags', batch().set(B, key('k'), value)],
    ['a control outside of the tags', batch().control({ op: CONTROL.renounceAdmin, streamId: B })],
  ])('%s is TagsMismatch', (_, builder) => {
    expect(resultOf(run(settled(), admin, builder))).toBe('TagsMismatch');
  });

  it('a read of a watched stream outside of the tags is fine', () => {
    const builder = batch().read(B, key('k')).set(A, key('k'), value);
    expect(resultOf(run(settled(), admin, builder))).toBe('Commit');
  });
});

describe('conflicts', () => {
  it.each([
    ['a newer read', batch(4).read(A, key('k')).set(A, key('x'), value), 'VersionConfliction'],
    ['a newer write', batch(4).set(A, key('k'), value), 'VersionConfliction'],
    ['the same version', batch(5).read(A, key('k')).set(A, key('k'), value), 'Commit'],
    ['no check', batch().set(A, key('k'), value), 'Commit'],
    ['a key nobody wrote', batch(0).set(A, key('new'), value), 'Commit'],
  ] as const)('%s', (_, builder, result) => {
    const view = settled();
    view.versions.set(A + Buffer.from('k').toString('hex'), 5);
    expect(resultOf(run(view, admin, builder))).toBe(result);
  });

  it('what txSeq 0 wrote cannot be told from what was never written', () => {
    const view = settled();
    view.versions.set(A + Buffer.from('k').toString('hex'), 0);
    expect(resultOf(run(view, admin, batch(0).set(A, key('k'), value)))).toBe('Commit');
  });
});

describe('permissions', () => {
  it('the first committed batch makes its sender the admin, with nobody as operator', () => {
    const view = new MemoryView();
    view.watched.add(A);
    const outcome = run(view, other, batch().set(A, key('k'), value));
    expect(outcome).toMatchObject({
      kind: 'commit',
      controls: [{ op: CONTROL.grantAdmin, account: other, operator: NO_ACCOUNT }],
    });
    view.apply(3, outcome);
    expect(resultOf(run(view, writer, batch().set(A, key('k'), value)))).toBe(
      'SenderNoWritePermission',
    );
  });

  it.each([
    ['an admin, a normal key', admin, 'k', 'Commit'],
    ['an admin, a special key', admin, 'v', 'Commit'],
    ['a writer, a normal key', writer, 'k', 'Commit'],
    ['a writer, a special key', writer, 'v', `WritePermissionDenied: stream: ${A}, key: v`],
    ['a special writer, its key', other, 'v', 'Commit'],
    ['a special writer, another key', other, 'k', `WritePermissionDenied: stream: ${A}, key: k`],
  ])('%s: %s', (_, sender, name, result) => {
    expect(resultOf(run(settled(), sender, batch().set(A, key(name), value)))).toBe(result);
  });

  it.each([
    ['no UTF-8', new Uint8Array([0xff, 0xfe]), 'UNKNOWN'],
    ['40 characters of 3 bytes', key('€'.repeat(40)), '€'.repeat(32)],
    ['33 characters of 2 units', key('😀'.repeat(33)), '😀'.repeat(32)],
  ])('a refused key of %s is printed by its first 32 characters', (_, name, shown) => {
    expect(resultOf(run(settled(), other, batch().set(A, name, value)))).toBe(
      `WritePermissionDenied: stream: ${A}, key: ${shown}`,
    );
  });

  const by = (op: (typeof CONTROL)[keyof typeof CONTROL], k?: string, account?: Address) =>
    batch().control({
      op,
      streamId: A,
      ...(k === undefined ? {} : { key: key(k) }),
      ...(account === undefined ? {} : { account }),
    });
  it.each([
    ['grantAdmin', by(CONTROL.grantAdmin, undefined, `0x${'dd'.repeat(20)}` as Address), [admin]],
    ['renounceAdmin', by(CONTROL.renounceAdmin), [admin, writer, other]],
    ['setKeySpecial', by(CONTROL.setKeySpecial, 'k'), [admin]],
    ['setKeyNormal', by(CONTROL.setKeyNormal, 'v'), [admin]],
    ['grantWriter', by(CONTROL.grantWriter, undefined, other), [admin, writer]],
    ['revokeWriter', by(CONTROL.revokeWriter, undefined, writer), [admin]],
    ['renounceWriter', by(CONTROL.renounceWriter), [admin, writer, other]],
    ['grantSpecialWriter', by(CONTROL.grantSpecialWriter, 'v', writer), [admin, other]],
    ['revokeSpecialWriter', by(CONTROL.revokeSpecialWriter, 'v', other), [admin]],
    ['renounceSpecialWriter', by(CONTROL.renounceSpecialWriter, 'v'), [admin, writer, other]],
  ] as const)('%s is for those who may', (_, builder, allowed) => {
    for (const sender of [admin, writer, other]) {
      const result = resultOf(run(settled(), sender, builder));
      if ((allowed as readonly Address[]).includes(sender)) expect(result).toBe('Commit');
      else expect(result).toMatch(/^AccessControlPermissionDenied: operation: [A-Z_]+, stream: /);
    }
  });

  it('within a batch the last operation about a role counts, except that granting admin overrides nothing', () => {
    const controls = (builder: BatchBuilder): string[] => {
      const outcome = run(settled(), admin, builder);
      if (outcome.kind !== 'commit') throw new Error(outcome.result);
      return outcome.controls.map(({ op, account }) => `${op} ${account}`);
    };
    const about = (op: 0x20 | 0x21 | 0x00, account: Address) => ({ op, streamId: A, account });
    expect(controls(batch().control(about(0x20, other)).control(about(0x21, other)))).toEqual([
      `33 ${other}`,
    ]);
    expect(
      controls(
        batch()
          .control({ op: CONTROL.renounceAdmin, streamId: A })
          .control(about(0x00, admin))
          .control(about(0x00, other))
          .control(about(0x00, other)),
      ),
    ).toEqual([`1 ${admin}`, `0 ${other}`]);
  });

  it('a creator that renounces at once leaves a stream without an admin, which is not new', () => {
    const view = new MemoryView();
    view.watched.add(A);
    const builder = batch()
      .set(A, key('k'), value)
      .control({ op: CONTROL.renounceAdmin, streamId: A });
    view.apply(1, run(view, other, builder));
    expect(view.isNew(A)).toBe(false);
    expect(resultOf(run(view, other, batch().set(A, key('k'), value)))).toBe(
      'SenderNoWritePermission',
    );
  });

  it('a key that is written twice keeps its last value', () => {
    const twice = batch().set(A, key('a'), key('1')).build().bytes;
    // The builder would keep one: doubled by hand.
    const entry = twice.slice(16, 16 + 32 + 3 + 1 + 8);
    const data = new Uint8Array([
      ...twice.subarray(0, 12),
      ...[0, 0, 0, 2],
      ...entry,
      ...entry,
      ...key('12'),
      ...[0, 0, 0, 0],
    ]);
    const outcome = replayBatch(settled(), {
      sender: admin,
      streamIds: [A],
      data: memorySource(data),
    });
    if (outcome.kind !== 'commit') throw new Error(outcome.result);
    expect(outcome.writes).toHaveLength(1);
    const [write] = outcome.writes;
    expect(data.slice(write!.valueStart, write!.valueEnd)).toEqual(key('2'));
  });
});
