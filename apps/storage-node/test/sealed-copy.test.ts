// What becomes of a sealed copy when its data goes: with a split, with the end of a lease, while nothing mines.
import { type Hash32, seededRandom, silentLogger } from '@cairn/base';
import { openDatabase } from '@cairn/store';
import { temporaryFolder } from '@cairn/testkit';
import { expect, it } from 'vitest';
import { MineControl } from '../src/mine/control.ts';
import { SealedCopy } from '../src/mine/sealed-copy.ts';
import { clearStaleSeals, staleSeals } from '../src/mine/stale-seals.ts';
import { NodeDatabase } from '../src/store/node-database.ts';
import { MIGRATIONS } from '../src/store/schema.ts';
import { kernels } from './harness.ts';

const digest = `0x${'ab'.repeat(32)}` as Hash32;
const seals = (count: number): Uint8Array => seededRandom(count).bytes(count * 4096);

it('seals go with their data, whole loads and parts of them, and the others stay', async () => {
  await using folder = await temporaryFolder();
  const copy = await SealedCopy.open(
    { log: silentLogger },
    { dir: folder.path, segmentsPerVolume: 4 },
  );
  for (const load of [1, 2, 3])
    await copy.draft(load).write({ start: 0, end: 4, digest }, seals(4), () => {});
  await copy.drop(1, 1, 3);
  expect(copy.runs(1)).toEqual([
    { start: 0, end: 1, digest },
    { start: 3, end: 4, digest },
  ]);
  await copy.keepOnly((load) => load === 2, new AbortController().signal);
  expect([1, 2, 3].map((load) => copy.runs(load).length)).toEqual([0, 1, 0]);
  expect([copy.has(1, 0), copy.has(2, 3), copy.has(3, 0)]).toEqual([false, true, false]);
  await copy.close();
});

it('what goes while nothing mines is noted for the next start of mining', async () => {
  const database = new NodeDatabase(openDatabase(':memory:', MIGRATIONS), kernels);
  const control = new MineControl({ database } as never, {} as never);
  expect(staleSeals(database)).toBe(0);
  const gone = [{ segmentIndex: 1, startSector: 0, endSector: 1024 }];
  await control.unseal(gone);
  const seen = staleSeals(database);
  expect(seen).toBe(1);
  // What goes while the copies are looked through is not forgotten.
  await control.unseal(gone);
  clearStaleSeals(database, seen);
  expect(staleSeals(database)).toBe(2);
  clearStaleSeals(database, 2);
  expect(staleSeals(database)).toBe(0);
});
