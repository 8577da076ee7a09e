// Which blobs are copied, when, and what a kill leaves: over a real queue on disk and a storage lane in memory.
import { join } from 'node:path';
import { bytesToHash32, hexToBytes, seededRandom, silentLogger } from '@cairn/base';
import { DA_SHAPES, encodeBlob } from '@cairn/erasure';
import { loadNodeKernels } from '@cairn/kernels/node';
import { type BlobHeader, blobKey, encodeHeader } from '@cairn/quorum';
import { openDatabase } from '@cairn/store';
import { temporaryFolder } from '@cairn/testkit';
import { beforeEach, expect, it, onTestFinished } from 'vitest';
import { ARCHIVE_TABLE } from '../../src/archive/archive-index.ts';
import { Archiver, archivedPayloads, type OpenStorage } from '../../src/archive/archiver.ts';
import { BlobQueue, MIGRATIONS } from '../../src/queue/blob-queue.ts';
import { keptPayloads } from '../../src/reading/kept-payloads.ts';
import { ENTRANCE, hash } from '../memory-entrance.ts';

const { kernels } = await loadNodeKernels('reference');
const PAYLOAD = seededRandom(5).bytes(900);
const blob = encodeBlob(kernels, PAYLOAD, { version: 0x11, shape: DA_SHAPES[0] });
const address = `0x${'22'.repeat(20)}` as never;
const HEADER: BlobHeader = {
  ...{ version: 0x11, shape: 0, length: 900, rowSize: 64, nonce: 1n, maxFee: 1n },
  ...{ commitment: bytesToHash32(blob.commitment), account: address, disperser: address },
  ...{ epoch: 1, quorum: 0, expiry: 1 },
};
const KEY = hexToBytes(blobKey(ENTRANCE, HEADER));
const ROOT = hash('ab');
const signal = new AbortController().signal;

let dir: string;
let stored: Uint8Array[];
/** What the storage lane answers; its failure where it is an error. */
let lane: { fails?: Error };
let readFromMembers: number;
beforeEach(async () => {
  const folder = await temporaryFolder('cairn-archive-');
  onTestFinished(() => folder[Symbol.asyncDispose]());
  dir = folder.path;
  stored = [];
  lane = {};
  readFromMembers = 0;
});

const storage: OpenStorage = async () => ({
  async upload(source) {
    if (lane.fails) throw lane.fails;
    stored.push(await source.read(0, source.size));
    return { root: ROOT } as never;
  },
  async download(_root, sink) {
    await (sink as { write(at: number, bytes: Uint8Array): unknown }).write(0, stored[0]!);
    return {} as never;
  },
});

let close: (() => void) | undefined;
/** The queue as a start finds it; the one before is closed, as a kill does. */
async function open(): Promise<{ queue: BlobQueue; archiver: Archiver }> {
  close?.();
  const db = openDatabase(join(dir, 'queue.db'), MIGRATIONS);
  close = () => db.close();
  onTestFinished(() => close?.());
  const queue = await BlobQueue.open(db, join(dir, 'payloads'), 4);
  const source = {
    async dataRows() {
      readFromMembers++;
      return blob.rows.slice(0, 1024 * 64);
    },
  };
  const kept = keptPayloads(queue);
  return {
    queue,
    archiver: new Archiver({ queue, kept, source, storage, log: silentLogger }),
  };
}
async function accept(queue: BlobQueue, isArchived: boolean): Promise<void> {
  await queue.accept('a', PAYLOAD, { unixMs: 7, isArchived });
  const header = encodeHeader(HEADER);
  const commitment = hexToBytes(HEADER.commitment);
  queue.setHeader('a', { header, authorization: new Uint8Array(65), key: KEY, commitment });
  const attempt = { header, lookup: new Uint8Array(32), certificate: new Uint8Array(32) };
  queue.confirm('a', attempt, { key: KEY, block: 3 });
}

it('copies a blob that asked for it once it is final, not before, and keeps the root over a restart', async () => {
  const { queue, archiver } = await open();
  await accept(queue, true);
  await archiver.step(signal);
  expect(stored).toEqual([]);
  expect(queue.unarchived).toBe(1);
  queue.finalize(queue.get('a')!);
  expect(queue.archive.get(KEY)).toEqual({ root: undefined });
  // Killed between becoming final and the copy.
  const again = await open();
  expect(again.queue.unarchived).toBe(1);
  await again.archiver.step(signal);
  expect(stored).toEqual([Buffer.from(PAYLOAD)]);
  expect(readFromMembers).toBe(0);
  const third = await open();
  expect(third.queue.archive.get(KEY)).toEqual({ root: ROOT });
  expect(third.queue.unarchived).toBe(0);
  await third.archiver.step(signal);
  expect(stored).toHaveLength(1);
});

it('copies nothing that did not ask, and nothing that failed', async () => {
  const { queue, archiver } = await open();
  await accept(queue, false);
  queue.finalize(queue.get('a')!);
  await queue.accept('b', PAYLOAD, { unixMs: 8, isArchived: true });
  queue.setState('b', 'FAILED', 'no');
  await archiver.step(signal);
  expect(stored).toEqual([]);
  expect(queue.unarchived).toBe(0);
});

it('tells who watches the blob, and tries again after a failure', async () => {
  const { queue, archiver } = await open();
  await accept(queue, true);
  queue.finalize(queue.get('a')!);
  lane.fails = new Error('no storage node answers');
  await expect(archiver.step(signal)).rejects.toThrow('no storage node answers');
  delete lane.fails;
  const told = queue.changed('a', signal);
  await archiver.step(signal);
  await told;
  expect(queue.archive.get(KEY)?.root).toBe(ROOT);
});

it('reads a blob back from the members when the queue has forgotten it; the root outlives the queue', async () => {
  const { queue, archiver } = await open();
  await accept(queue, true);
  queue.finalize(queue.get('a')!);
  await queue.prune(100, 10);
  expect(queue.get('a')).toBeUndefined();
  await archiver.step(signal);
  expect(readFromMembers).toBe(1);
  expect(Buffer.from(stored[0]!).equals(PAYLOAD)).toBe(true);
  const found = await archivedPayloads(queue.archive, storage).find(
    HEADER,
    blobKey(ENTRANCE, HEADER),
    signal,
  );
  expect(Buffer.from(found!).equals(PAYLOAD)).toBe(true);
});

it('takes over the index that an earlier version kept beside the names of rollups, once', async () => {
  const old = openDatabase(join(dir, 'rollup.db'), [ARCHIVE_TABLE]);
  onTestFinished(() => {
    old.close();
  });
  old
    .prepare('INSERT INTO archived VALUES (?, ?, ?)')
    .run(KEY, encodeHeader(HEADER), hexToBytes(ROOT));
  const { queue } = await open();
  queue.archive.adopt(old);
  queue.archive.adopt(old);
  expect(queue.archive.get(KEY)).toEqual({ root: ROOT });
  expect(old.prepare('SELECT count(*) AS n FROM archived').get()).toEqual({ n: 0 });
});
