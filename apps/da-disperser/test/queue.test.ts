// The queue over a real SQLite file and real payload files; a kill is the file opened again as it lies.
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { seededRandom } from '@cairn/base';
import { openDatabase } from '@cairn/store';
import { temporaryFolder } from '@cairn/testkit';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { BlobQueue, MIGRATIONS } from '../src/queue/blob-queue.ts';

const PAYLOAD = seededRandom(3).bytes(5000);
const attempt = (byte: number) => ({
  header: new Uint8Array(384).fill(byte),
  lookup: new Uint8Array(640).fill(byte),
  certificate: new Uint8Array(512).fill(byte),
});

let dir: string;
beforeEach(async () => {
  const folder = await temporaryFolder('cairn-queue-');
  onTestFinished(() => folder[Symbol.asyncDispose]());
  dir = folder.path;
});
/** Opens the queue; the one opened before is closed, so that the lock is free as after a kill. */
let close: (() => void) | undefined;
async function open(pendingMax = 4): Promise<BlobQueue> {
  close?.();
  const db = openDatabase(join(dir, 'queue.db'), MIGRATIONS);
  close = () => db.close();
  onTestFinished(() => close?.());
  return BlobQueue.open(db, join(dir, 'payloads'), pendingMax);
}

it('has an accepted blob and its bytes after a kill', async () => {
  await (await open()).accept('a', PAYLOAD, { unixMs: 7 });
  const queue = await open();
  const blob = queue.get('a')!;
  expect(blob).toMatchObject({ state: 'PROCESSING', length: PAYLOAD.length });
  expect(await queue.payload(blob)).toEqual(Buffer.from(PAYLOAD));
  expect(queue.inState('PROCESSING').map(({ id }) => id)).toEqual(['a']);
});

it('removes payloads that a kill left without an entry, and half-written ones', async () => {
  await (await open()).accept('a', PAYLOAD, { unixMs: 7 });
  const folder = join(dir, 'payloads');
  await writeFile(join(folder, 'orphan.bin'), PAYLOAD);
  await writeFile(join(folder, 'b.bin.new'), PAYLOAD.subarray(0, 10));
  await open();
  expect(await readdir(folder)).toEqual(['a.bin']);
});

it('refuses beyond its bound, counting those on their way to the disk', async () => {
  const queue = await open(2);
  const outcomes = await Promise.allSettled(
    ['a', 'b', 'c'].map((id) => queue.accept(id, PAYLOAD, { unixMs: 7 })),
  );
  expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected']);
  expect(outcomes[2]).toMatchObject({ reason: { code: 'DISPERSER_BUSY', kind: 'exhausted' } });
  queue.setState('a', 'FAILED', 'why');
  await queue.accept('c', PAYLOAD, { unixMs: 7 });
});

it.each([
  ['shorter', PAYLOAD.subarray(1)],
  ['changed', PAYLOAD.map((byte, i) => (i === 77 ? byte ^ 4 : byte))],
])('does not give out a payload that got %s', async (_what, bytes) => {
  const queue = await open();
  await queue.accept('a', PAYLOAD, { unixMs: 7 });
  await writeFile(join(dir, 'payloads', 'a.bin'), bytes);
  await expect(queue.payload(queue.get('a')!)).rejects.toMatchObject({
    code: 'DISPERSER_PAYLOAD_GONE',
    kind: 'corrupt',
  });
});

it('keeps every certificate that was sent, and the one the chain took', async () => {
  const queue = await open();
  await queue.accept('a', PAYLOAD, { unixMs: 7 });
  queue.noteAttempts([{ id: 'a', ...attempt(1) }]);
  queue.noteAttempts([{ id: 'a', ...attempt(2) }]);
  const reopened = await open();
  const attempts = reopened.attemptsOf('a');
  expect(attempts.map(({ header }) => header[0])).toEqual([1, 2]);
  reopened.confirm('a', attempts[1]!, { key: new Uint8Array(32), block: 40 });
  expect(reopened.get('a')).toMatchObject({
    ...{ state: 'CONFIRMED', block: 40 },
    certificate: Buffer.from(attempt(2).certificate),
    lookup: Buffer.from(attempt(2).lookup),
  });
  expect(reopened.confirmedUpTo(39, 9)).toEqual([]);
  expect(reopened.confirmedUpTo(40, 9)).toHaveLength(1);
});

it('forgets ended blobs with all that belongs to them, and no others', async () => {
  const queue = await open(9);
  const states = ['PROCESSING', 'CONFIRMED', 'FINALIZED', 'FAILED'] as const;
  for (const state of states) {
    await queue.accept(state, PAYLOAD, { unixMs: 10 });
    queue.noteAttempts([{ id: state, ...attempt(1) }]);
    queue.setState(state, state);
  }
  await queue.accept('young', PAYLOAD, { unixMs: 20 });
  queue.setState('young', 'FINALIZED');
  await queue.prune(20, 1);
  await queue.prune(20, 64);
  expect((await readdir(join(dir, 'payloads'))).sort()).toEqual([
    ...['CONFIRMED.bin', 'PROCESSING.bin', 'young.bin'],
  ]);
  expect(queue.get('FAILED')).toBeUndefined();
  expect(queue.attemptsOf('FINALIZED')).toEqual([]);
  expect(queue.attemptsOf('PROCESSING')).toHaveLength(1);
});

it('opens what an earlier format left: its blobs go on, and none of them to an archive', async () => {
  const before = openDatabase(join(dir, 'queue.db'), MIGRATIONS.slice(0, 3));
  before
    .prepare("INSERT INTO blob (id, state, length, accepted_at) VALUES ('a', 'PROCESSING', 3, 7)")
    .run();
  before.close();
  const queue = await open();
  expect(queue.get('a')).toMatchObject({ state: 'PROCESSING', isArchived: false, key: null });
  queue.finalize(queue.get('a')!);
  expect(queue.get('a')).toMatchObject({ state: 'FINALIZED' });
  expect(queue.unarchived).toBe(0);
});
