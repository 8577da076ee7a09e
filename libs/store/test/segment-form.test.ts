// Blocks in another form: read as they were written, moved without a moment in which they are lost, judged by their own checksums.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@cairn/base';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Database, MemoryDisk, openDatabase, SegmentStore } from '../src/index.ts';
import { isSlotSound, SlotReader } from '../src/slot-reader.ts';
import { bytesAt, encodeBlocks, encoded, SCHEMA, TAG, writesOf, xorCodec } from './support.ts';

let dir: string;
let db: Database;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'cairn-form-'));
  db = openDatabase(join(dir, 'node.db'), SCHEMA);
});
afterEach(() => {
  db.close();
  rmSync(dir, { recursive: true, force: true });
});
const open = (disk?: MemoryDisk, maxSegments?: number): Promise<SegmentStore> =>
  SegmentStore.open(
    { db, log: silentLogger, disk, codec: xorCodec },
    { dir, segmentsPerVolume: 4, maxSegments },
  );
const whole = { segmentIndex: 5, startSector: 0, endSector: 1024 };
const bytes = bytesAt(5, 0, 1024);
const ALL = { start: 0, end: 64 };

async function writeEncoded(store: SegmentStore): Promise<void> {
  await store.write(writesOf([whole]));
  const base = store.stored(5)!;
  await store.encode({
    segmentIndex: 5,
    base,
    startBlock: 0,
    data: encoded(5, base, ALL),
    tag: TAG,
  });
}

describe('segments in another form', () => {
  it('read as they were written, whole and in part, also after a restart', async () => {
    let store = await open();
    await writeEncoded(store);
    expect(store.encodedIndexes()).toEqual([5]);
    expect(await store.read(5, 0, 1024)).toEqual(bytes);
    expect(await store.read(5, 19, 20)).toEqual(bytes.subarray(19 * 256, 20 * 256));
    await store.close();
    store = await open();
    expect(await store.read(5, 100, 900)).toEqual(bytes.subarray(100 * 256, 900 * 256));
    await store.restore(5, { start: 3, end: 9 });
    await store.restore(5, ALL);
    expect(store.encodedIndexes()).toEqual([]);
    expect(await store.read(5, 0, 1024)).toEqual(bytes);
    await store.close();
  });

  it('are on disk once: the slot of the old form is used again', async () => {
    const disk = new MemoryDisk();
    const store = await open(disk);
    for (let segmentIndex = 0; segmentIndex < 12; segmentIndex++) {
      await store.write(writesOf([{ ...whole, segmentIndex }]));
      await encodeBlocks(store, segmentIndex, { start: 0, end: 1 });
    }
    expect(disk.usedBytes()).toBeLessThanOrEqual(13 * 262_144);
    expect(store.stats().segments).toBe(12);
    await store.close();
  });

  it('go on at the limit of segments, which the slot in between does not count for', async () => {
    const store = await open(undefined, 1);
    await writeEncoded(store);
    await store.restore(5, ALL);
    await expect(store.write(writesOf([{ ...whole, segmentIndex: 6 }]))).rejects.toMatchObject({
      code: 'STORE_LIMIT',
    });
    await store.close();
  });

  it('are refused when what they were made from changed, and when a commit says no', async () => {
    const store = await open();
    await store.write(writesOf([whole]));
    const base = store.stored(5)!;
    const recode = { segmentIndex: 5, base, startBlock: 0, data: encoded(5, base, ALL), tag: TAG };
    await expect(
      store.encode(recode, () => {
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    expect(store.stored(5)!.form).toBeUndefined();
    await store.remove([{ ...whole, startSector: 1000 }]);
    await expect(store.encode(recode)).rejects.toMatchObject({ code: 'STORE_CONFLICT' });
    expect(await store.read(5, 0, 1000)).toEqual(bytes.subarray(0, 1000 * 256));
    await store.close();
  });

  it('take sectors that they had as zeros, equal bytes again, and refuse others', async () => {
    const store = await open();
    await store.write(writesOf([{ ...whole, endSector: 20 }]));
    await encodeBlocks(store, 5, { start: 0, end: 2 });
    await store.write(writesOf([{ ...whole, startSector: 10, endSector: 20 }]));
    await expect(
      store.write([{ segmentIndex: 5, startSector: 3, data: new Uint8Array(256) }]),
    ).rejects.toMatchObject({ code: 'STORE_CONFLICT' });
    expect(store.has(5, 20, 21)).toBe(false); // known to be zero is not stored
    await store.write(writesOf([{ ...whole, startSector: 20, endSector: 30 }]));
    expect(await store.read(5, 0, 30)).toEqual(bytes.subarray(0, 30 * 256));
    await store.close();
  });

  it('lose what rotted, and only that, when they are read or put back', async () => {
    const disk = new MemoryDisk();
    const store = await open(disk);
    await writeEncoded(store);
    const { volume, offset } = store.stored(5)!;
    disk.flipBit(disk.paths()[volume]!, offset + 7 * 4096 + 9);
    disk.flipBit(disk.paths()[volume]!, offset + 50 * 4096);
    await expect(store.read(5, 0, 200)).rejects.toMatchObject({
      code: 'STORE_CHECKSUM',
      details: { blocks: [7] },
    });
    await store.restore(5, ALL);
    expect(store.stats().quarantined).toBe(2);
    expect([7, 50].map((block) => store.has(5, block * 16, block * 16 + 1))).toEqual([
      false,
      false,
    ]);
    expect(await store.read(5, 8 * 16, 50 * 16)).toEqual(bytes.subarray(8 * 4096, 50 * 4096));
    await store.write(writesOf([whole]));
    expect(await store.read(5, 0, 1024)).toEqual(bytes);
    await store.close();
  });

  it('cannot be read without the codec, which is said', async () => {
    let store = await open();
    await writeEncoded(store);
    await store.close();
    store = await SegmentStore.open({ db, log: silentLogger }, { dir, segmentsPerVolume: 4 });
    await expect(store.read(5, 0, 1)).rejects.toMatchObject({ code: 'STORE_FORM' });
    await store.close();
  });
});

describe('a reader beside the store', () => {
  it('reads what is stored and knows when it is not that any more', async () => {
    const store = await open();
    await writeEncoded(store);
    const { form, ...place } = store.stored(5)!;
    const ticket = { ...place, blocks: form!.blocks };
    const reader = new SlotReader({ dir, filesMax: 1 });
    const into = new Uint8Array(262_144);
    expect(await reader.read(ticket, into)).toBe(true);
    expect(isSlotSound(into, ticket)).toBe(true);
    expect(into).toEqual(encoded(5, store.stored(5)!, ALL));
    // The slot is free after the second move, and another segment takes it.
    await store.restore(5, ALL);
    for (const segmentIndex of [6, 7]) await store.write(writesOf([{ ...whole, segmentIndex }]));
    expect(await reader.read(ticket, into)).toBe(true);
    expect(isSlotSound(into, ticket)).toBe(false);
    expect(await reader.read({ ...ticket, volume: 9 }, into)).toBe(false);
    await reader.close();
    await store.close();
  });
});
