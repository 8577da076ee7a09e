/*
 * Faults at every point: each disk operation of a seeded script fails once, or is where the power goes; and a real process
 * is killed while it writes. What was acknowledged is there afterwards, what was refused is not, and no byte is wrong.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { seededRandom, silentLogger } from '@cairn/base';
import { faultSeeds, noteFaults } from '@cairn/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Database, MemoryDisk, openDatabase, SegmentStore } from '../src/index.ts';
import {
  bytesAt,
  Model,
  makeScript,
  runStep,
  SCHEMA,
  SEGMENT,
  writesOf,
  xorCodec,
} from './support.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'cairn-crash-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const openDb = (path = ':memory:'): Database => openDatabase(path, SCHEMA);
const openStore = (db: Database, disk?: MemoryDisk): Promise<SegmentStore> =>
  SegmentStore.open(
    { db, log: silentLogger, disk, codec: xorCodec },
    { dir, segmentsPerVolume: 3 },
  );

/** Slots in the index are distinct, and as many as the store counts. */
function slotsAreSound(db: Database, store: SegmentStore): boolean {
  const slots = db.prepare('SELECT slot FROM segment').pluck().all() as number[];
  return new Set(slots).size === slots.length && store.stats().segments === slots.length;
}

describe.each(faultSeeds(3))('script %d', (seed) => {
  const script = makeScript(seed, 24);

  /** Runs the script with `fault` before every disk operation. */
  async function play(fault: (operation: number, name: string, disk: MemoryDisk) => void): Promise<{
    db: Database;
    disk: MemoryDisk;
    store: SegmentStore;
    model: Model;
    operations: number;
  }> {
    const db = openDb();
    const disk = new MemoryDisk(seed);
    const store = await openStore(db, disk);
    const model = new Model();
    let operations = 0;
    disk.beforeOperation = (name) => fault(++operations, name, disk);
    for (const step of script) await runStep(store, step, model);
    disk.beforeOperation = () => {};
    return { db, disk, store, model, operations };
  }

  it('an operation that fails once costs its call, and nothing else', async ({ task }) => {
    const { operations } = await play(() => {});
    noteFaults(task, operations);
    for (let at = 1; at <= operations; at++) {
      const { db, store, model } = await play((operation) => {
        if (operation === at) throw Object.assign(new Error('EIO'), { code: 'EIO' });
      });
      expect(await model.difference(store), `operation ${at}`).toBeUndefined();
      expect(slotsAreSound(db, store), `operation ${at}`).toBe(true);
      expect(store.stats().quarantined).toBe(0);
      await store.close();
      db.close();
    }
  });

  it('a sync that fails and loses what it should have written costs its calls, and nothing else', async ({
    task,
  }) => {
    // What Linux does: pages whose writing failed count as clean, and their bytes may be gone.
    const syncs: number[] = [];
    await play((operation, name) => {
      if (name === 'datasync') syncs.push(operation);
    });
    noteFaults(task, syncs.length);
    for (const at of syncs) {
      const { db, store, model } = await play((operation, _, disk) => {
        if (operation !== at) return;
        disk.crash();
        throw Object.assign(new Error('EIO'), { code: 'EIO' });
      });
      expect(await model.difference(store), `operation ${at}`).toBeUndefined();
      expect(slotsAreSound(db, store), `operation ${at}`).toBe(true);
      expect(store.stats().quarantined).toBe(0);
      await store.close();
      db.close();
    }
  });

  it('a power cut at any operation loses nothing acknowledged and leaves nothing torn', async ({
    task,
  }) => {
    const { operations } = await play(() => {});
    noteFaults(task, operations);
    for (let at = 1; at <= operations; at++) {
      const { db, disk, store, model } = await play((operation) => {
        if (operation >= at) throw new Error('power cut');
      });
      await store.close();
      disk.crash();
      const again = await openStore(db, disk);
      expect(await model.difference(again), `operation ${at}`).toBeUndefined();
      expect(slotsAreSound(db, again), `operation ${at}`).toBe(true);
      // What was torn counts as absent and can be written.
      for (const step of script)
        if (step.kind === 'write') await again.write(writesOf(step.ranges));
      expect(again.stats().quarantined).toBe(0);
      await again.close();
      db.close();
    }
  });
});

describe('slots', () => {
  it('a segment that is removed and written again in one group is found where it is', async () => {
    const path = join(dir, 'node.db');
    let db = openDb(path);
    let store = await openStore(db);
    const whole = { segmentIndex: 1, startSector: 0, endSector: 1024 };
    await store.write(writesOf([whole]));
    // The first call keeps the group waiting; the next two form the next group together.
    const first = store.write(writesOf([{ ...whole, segmentIndex: 2 }]));
    await Promise.all([first, store.remove([whole]), store.write(writesOf([whole]))]);
    await store.write(writesOf([{ ...whole, segmentIndex: 3 }])); // takes the slot that was freed
    await store.close();
    db.close();
    db = openDb(path);
    store = await openStore(db);
    for (const segmentIndex of [1, 2, 3])
      expect(
        Buffer.compare((await store.read(segmentIndex, 0, 1024))!, bytesAt(segmentIndex, 0, 1024)),
      ).toBe(0);
    expect(slotsAreSound(db, store)).toBe(true);
    await store.close();
    db.close();
  });

  it('a call that fails half-way leaves none of its segments', async () => {
    const db = openDb();
    const disk = new MemoryDisk();
    const store = await openStore(db, disk);
    let writes = 0;
    disk.beforeOperation = (name) => {
      if (name === 'write' && ++writes === 2) throw Object.assign(new Error(), { code: 'ENOSPC' });
    };
    const ranges = [1, 2].map((segmentIndex) => ({ segmentIndex, startSector: 0, endSector: 4 }));
    const results = await Promise.allSettled([
      store.write(writesOf(ranges)),
      store.write(writesOf([{ segmentIndex: 3, startSector: 0, endSector: 4 }])),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'fulfilled']);
    expect([1, 2, 3].map((segmentIndex) => store.has(segmentIndex, 0, 4))).toEqual([
      false,
      false,
      true,
    ]);
    expect(slotsAreSound(db, store)).toBe(true);
    await store.write(writesOf(ranges));
    expect(store.stats().segments).toBe(3);
    await store.close();
    db.close();
  });
});

describe('a process that is killed while it writes', () => {
  it.each(faultSeeds(3, 11))('leaves everything it acknowledged (seed %d)', async (seed) => {
    const acknowledgedMin = 1 + Math.floor(seededRandom(seed).next() * 40);
    const child = spawn(
      process.execPath,
      ['--conditions=source', join(import.meta.dirname, 'endless-writer.ts'), dir, String(seed)],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const ended = new Promise((resolve) => child.once('exit', resolve));
    const acknowledged: number[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      acknowledged.push(Number(line));
      if (acknowledged.length === acknowledgedMin) child.kill('SIGKILL');
    }
    await ended;
    const db = openDb(join(dir, 'node.db'));
    const store = await openStore(db);
    expect(acknowledged.length).toBeGreaterThanOrEqual(acknowledgedMin);
    for (const segmentIndex of acknowledged) {
      const found = await store.read(segmentIndex, 0, SEGMENT / 256);
      expect(
        found && Buffer.compare(found, bytesAt(segmentIndex, 0, 1024)),
        `${segmentIndex}`,
      ).toBe(0);
    }
    expect(slotsAreSound(db, store)).toBe(true);
    expect(store.stats().quarantined).toBe(0);
    await store.close();
    db.close();
  });
});
