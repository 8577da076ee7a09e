// Bits that flip in the index: whatever SQLite and the store make of them, no byte is ever given out under a place it was not
// written to.
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { seededRandom, silentLogger } from '@cairn/base';
import { faultCount, faultSeed, noteFaults } from '@cairn/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openDatabase, SegmentStore } from '../src/index.ts';
import { bytesAt, SCHEMA, writesOf } from './support.ts';

/** Every second segment is stored, so that an index that moved by a bit names one that is not. */
const STORED = Array.from({ length: 24 }, (_, i) => 2 * i);
/** Places that are asked for: the stored ones and where a flipped bit of a small index may lead. */
const ASKED = Array.from({ length: 256 }, (_, i) => i);
const SECTORS = 32;

let dir: string;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'cairn-index-rot-'));
  const db = openDatabase(join(dir, 'node.db'), SCHEMA);
  const store = await SegmentStore.open({ db, log: silentLogger }, { dir, segmentsPerVolume: 100 });
  for (const segmentIndex of STORED)
    await store.write(writesOf([{ segmentIndex, startSector: 0, endSector: SECTORS }]));
  await store.close();
  db.pragma('wal_checkpoint(TRUNCATE)');
  db.close();
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

type Outcome = 'refused to open' | 'found' | 'without effect';

/** Opens a copy of the store with one bit of the index flipped and reads everything. Throws when a byte is wrong. */
async function tryFlip(at: number, bit: number, trial: string): Promise<Outcome> {
  mkdirSync(trial);
  symlinkSync(join(dir, 'volumes'), join(trial, 'volumes'));
  const path = join(trial, 'node.db');
  copyFileSync(join(dir, 'node.db'), path);
  const bytes = readFileSync(path);
  bytes[at]! ^= 1 << bit;
  writeFileSync(path, bytes);
  let db: ReturnType<typeof openDatabase> | undefined;
  let store: SegmentStore | undefined;
  try {
    db = openDatabase(path, SCHEMA);
    store = await SegmentStore.open(
      { db, log: silentLogger },
      { dir: trial, segmentsPerVolume: 100 },
    );
  } catch {
    db?.close();
    return 'refused to open';
  }
  let isFound = false;
  try {
    for (const segmentIndex of ASKED) {
      const isStored = segmentIndex % 2 === 0 && segmentIndex < 48;
      let found: Uint8Array | undefined;
      try {
        found = await store.read(segmentIndex, 0, SECTORS);
      } catch {
        isFound = true; // said to be damaged
        continue;
      }
      if (!found) isFound ||= isStored;
      else if (!isStored) throw new Error(`segment ${segmentIndex} was never stored`);
      else if (Buffer.compare(found, bytesAt(segmentIndex, 0, SECTORS)) !== 0)
        throw new Error(`segment ${segmentIndex} has other bytes`);
    }
    return isFound ? 'found' : 'without effect';
  } finally {
    await store.close();
    db.close();
    rmSync(trial, { recursive: true, force: true });
  }
}

it('a bit flipped anywhere in the index is found, or changes nothing', async ({ task }) => {
  const count = faultCount(300);
  const random = seededRandom(faultSeed() ?? 1);
  // Most of a small database is empty pages, where a flip means nothing: bytes that say something are hit.
  const index = readFileSync(join(dir, 'node.db'));
  const used = [...index.keys()].filter((at) => index[at] !== 0);
  const outcomes: Record<Outcome, number> = { 'refused to open': 0, found: 0, 'without effect': 0 };
  const wrong: string[] = [];
  for (let i = 0; i < count; i++) {
    const at = used[Math.floor(random.next() * used.length)]!;
    const bit = Math.floor(random.next() * 8);
    try {
      outcomes[await tryFlip(at, bit, join(dir, `trial-${i}`))]++;
    } catch (error) {
      wrong.push(`byte ${at} bit ${bit}: ${String(error)}`);
    }
  }
  noteFaults(task, count, ...Object.entries(outcomes).map(([name, n]) => `${n} ${name}`));
  expect(wrong).toEqual([]);
  expect(outcomes.found).toBeGreaterThan(0);
});
