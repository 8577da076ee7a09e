import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom, silentLogger } from '@cairn/base';
import { faultSeeds } from '@cairn/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Database, MemoryDisk, openDatabase, SegmentStore } from '../src/index.ts';
import { SCHEMA } from './support.ts';

const SEGMENT = 262_144;
let dir: string;
let db: Database;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'cairn-store-'));
  db = openDatabase(join(dir, 'node.db'), SCHEMA);
});
afterEach(() => {
  db.close();
  rmSync(dir, { recursive: true, force: true });
});
const bytes = (length: number, seed: number): Uint8Array => seededRandom(seed).bytes(length);
const openOn = (disk?: MemoryDisk, maxSegments?: number): Promise<SegmentStore> =>
  SegmentStore.open({ db, log: silentLogger, disk }, { dir, segmentsPerVolume: 4, maxSegments });

describe.each([
  ['files', false],
  ['memory disk', true],
])('segment store on %s', (_, simulated) => {
  const make = (): Promise<SegmentStore> => openOn(simulated ? new MemoryDisk() : undefined);

  it('gives back what was written, whole or in part, and nothing else', async () => {
    const store = await make();
    const data = bytes(SEGMENT, 1);
    await store.write([
      { segmentIndex: 9, startSector: 0, data },
      { segmentIndex: 10, startSector: 100, data: data.subarray(0, 768) },
    ]);
    expect(await store.read(9, 0, 1024)).toEqual(data);
    expect(await store.read(9, 5, 18)).toEqual(data.subarray(5 * 256, 18 * 256));
    expect(await store.read(10, 100, 103)).toEqual(data.subarray(0, 768));
    expect(await store.read(10, 99, 103)).toBeUndefined();
    expect(await store.read(11, 0, 1)).toBeUndefined();
    expect(store.presentSectors(10)).toBe(3);
    await store.close();
  });

  it('neighbours in one 4 KiB block come and go alone', async () => {
    const store = await make();
    for (let sector = 0; sector < 16; sector++)
      await store.write([{ segmentIndex: 0, startSector: sector, data: bytes(256, sector + 1) }]);
    await store.remove([{ segmentIndex: 0, startSector: 3, endSector: 6 }]);
    await store.write([{ segmentIndex: 0, startSector: 4, data: bytes(256, 99) }]);
    for (let sector = 0; sector < 16; sector++) {
      const expected =
        sector === 4
          ? bytes(256, 99)
          : sector === 3 || sector === 5
            ? undefined
            : bytes(256, sector + 1);
      expect(await store.read(0, sector, sector + 1)).toEqual(expected);
    }
    await store.close();
  });

  it('the same bytes again are fine, other bytes are a conflict', async () => {
    const store = await make();
    await store.write([{ segmentIndex: 1, startSector: 0, data: bytes(512, 1) }]);
    await store.write([{ segmentIndex: 1, startSector: 0, data: bytes(512, 1) }]);
    await expect(
      store.write([{ segmentIndex: 1, startSector: 1, data: bytes(512, 2) }]),
    ).rejects.toMatchObject({ code: 'STORE_CONFLICT' });
    expect(await store.read(1, 0, 2)).toEqual(bytes(512, 1));
    await store.close();
  });

  it('a failing commit fails alone and slots are reused after removal', async () => {
    const store = await make();
    const results = await Promise.allSettled([
      store.write([{ segmentIndex: 1, startSector: 0, data: bytes(256, 1) }]),
      store.write([{ segmentIndex: 2, startSector: 0, data: bytes(256, 2) }], () => {
        throw new Error('no');
      }),
      store.write([{ segmentIndex: 3, startSector: 0, data: bytes(256, 3) }]),
    ]);
    expect(results.map((r) => r.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(store.has(2, 0, 1)).toBe(false);
    const before = store.stats().segments;
    await store.remove([{ segmentIndex: 1, startSector: 0, endSector: 1024 }]);
    await store.write([{ segmentIndex: 50, startSector: 0, data: bytes(256, 5) }]);
    expect(store.stats().segments).toBe(before);
    expect(await store.read(50, 0, 1)).toEqual(bytes(256, 5));
    expect(await store.read(3, 0, 1)).toEqual(bytes(256, 3));
    await store.close();
  });
});

describe('faults', () => {
  it.each(faultSeeds(20))(
    'a power cut at any step loses nothing acknowledged (seed %d)',
    async (seed) => {
      const random = seededRandom(seed);
      const disk = new MemoryDisk(seed);
      const acknowledged = new Map<string, Uint8Array>();
      let countdown = 10 + Math.floor(random.next() * 80);
      disk.beforeOperation = () => {
        if (--countdown <= 0) throw new Error('power cut');
      };
      let store = await openOn(disk);
      await Promise.allSettled(
        Array.from({ length: 60 }, async (_, i) => {
          const [segmentIndex, startSector] = [
            Math.floor(random.next() * 6),
            Math.floor(random.next() * 60) * 16 + (i % 16),
          ];
          const key = `${segmentIndex}/${startSector}`;
          const data = bytes(256, segmentIndex * 10_000 + startSector + 1);
          await store.write([{ segmentIndex, startSector, data }]);
          acknowledged.set(key, data);
        }),
      );
      await store.close().catch(() => {});
      disk.crash();
      disk.beforeOperation = () => {};
      store = await openOn(disk);
      for (const [key, data] of acknowledged) {
        const [segmentIndex, sector] = key.split('/').map(Number) as [number, number];
        expect(await store.read(segmentIndex, sector, sector + 1), key).toEqual(data);
      }
      expect(store.stats().quarantined).toBe(0);
      await store.close();
    },
  );

  it('a full disk refuses the write, keeps the rest, and goes on when there is room', async () => {
    const disk = new MemoryDisk();
    const store = await openOn(disk);
    await store.write([{ segmentIndex: 0, startSector: 0, data: bytes(SEGMENT, 1) }]);
    disk.capacityBytes = disk.usedBytes();
    await expect(
      store.write([{ segmentIndex: 1, startSector: 0, data: bytes(SEGMENT, 2) }]),
    ).rejects.toMatchObject({ code: 'STORE_DISK_FULL' });
    expect(store.has(1, 0, 1)).toBe(false);
    expect(await store.read(0, 0, 1024)).toEqual(bytes(SEGMENT, 1));
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    await store.write([{ segmentIndex: 1, startSector: 0, data: bytes(SEGMENT, 2) }]);
    expect(await store.read(1, 0, 1024)).toEqual(bytes(SEGMENT, 2));
    await store.close();
  });

  it('bit rot is found, quarantined, never served, and can be written again', async () => {
    const disk = new MemoryDisk();
    const store = await openOn(disk);
    await store.write([{ segmentIndex: 0, startSector: 0, data: bytes(SEGMENT, 1) }]);
    disk.flipBit(disk.paths()[0]!, 5 * 4096 + 7);
    expect(await store.read(0, 0, 80)).toEqual(bytes(SEGMENT, 1).subarray(0, 80 * 256));
    await expect(store.read(0, 0, 1024)).rejects.toMatchObject({
      code: 'STORE_CHECKSUM',
      details: { blocks: [5] },
    });
    expect(await store.read(0, 0, 1024)).toBeUndefined();
    expect(store.stats().quarantined).toBe(1);
    await store.write([{ segmentIndex: 0, startSector: 0, data: bytes(SEGMENT, 1) }]);
    expect(await store.read(0, 0, 1024)).toEqual(bytes(SEGMENT, 1));
    await store.close();
  });

  it('refuses more segments than its limit, and a second process on the same database', async () => {
    const store = await openOn(undefined, 2);
    await store.write([
      { segmentIndex: 0, startSector: 0, data: bytes(256, 1) },
      { segmentIndex: 1, startSector: 0, data: bytes(256, 1) },
    ]);
    await expect(
      store.write([{ segmentIndex: 2, startSector: 0, data: bytes(256, 1) }]),
    ).rejects.toMatchObject({ code: 'STORE_LIMIT' });
    expect(() => openDatabase(join(dir, 'node.db'), SCHEMA)).toThrowError(
      expect.objectContaining({ code: 'STORE_LOCKED' }),
    );
    await store.close();
  });
});
