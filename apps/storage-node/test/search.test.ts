// The search over sealed bytes on a real disk: hits are of bytes that are there, changes stop it, bytes that changed are noticed.
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { bytesToHash32, type Hash32, seededRandom, silentLogger, systemClock } from '@cairn/base';
import { rangeOfShard, SECTORS_PER_LOAD } from '@cairn/pora';
import { temporaryFolder, waitFor } from '@cairn/testkit';
import { describe, expect, it } from 'vitest';
import { SealedCopy } from '../src/mine/sealed-copy.ts';
import { Search, type SearchHit, type SearchTask } from '../src/mine/search.ts';

const LOADS = 8;
const SLOT = 262_144;
const hash = (seed: number): Hash32 => bytesToHash32(seededRandom(seed).bytes(32));
const digest = hash(1);
/** What the search is given stands for sealed bytes: it hashes whatever they are. */
const sealed = seededRandom(2).bytes(LOADS * SLOT);
const deadline = (what: string) => ({ timeoutMs: 20_000, what });

async function setUp(stack: AsyncDisposableStack, readAhead?: boolean) {
  const { path: dir } = stack.use(await temporaryFolder());
  const store = stack.adopt(
    await SealedCopy.open({ log: silentLogger }, { dir, segmentsPerVolume: 4 }),
    (owned) => owned.close(),
  );
  for (let load = 0; load < LOADS; load++) {
    const data = sealed.slice(load * SLOT, (load + 1) * SLOT);
    // Load 5 lacks its first seals.
    const start = load === 5 ? 40 : 0;
    await store
      .draft(load)
      .write({ start, end: 64, digest }, data.subarray(start * 4096), () => {});
  }
  const hits: SearchHit[] = [];
  const unsound: number[] = [];
  const search = new Search(
    {
      random: seededRandom(3),
      clock: systemClock,
      log: silentLogger,
      onHit: (hit) => hits.push(hit),
      onWorked: () => {},
    },
    { threads: 2, cpuPercent: 100, backend: 'wasm', readAhead },
  );
  stack.adopt(search, (owned) => owned.stop());
  const flowLength = LOADS * SECTORS_PER_LOAD;
  const task = (id: number, overrides: Partial<SearchTask> = {}): SearchTask => ({
    minerId: hash(id),
    work: {
      context: {
        epoch: 1,
        mineStart: 0,
        flowRoot: digest,
        flowLength,
        blockDigest: digest,
        digest,
      },
      poraTarget: 1n,
      subtaskDigest: digest,
      maxShards: 1n,
    },
    range: rangeOfShard({ shardId: 0, numShard: 1 }, flowLength),
    threshold: 2n ** 252n, // one seal in sixteen
    dir: store.dir,
    place: (load) => store.place(load),
    onUnsound: (load) => unsound.push(load),
    ...overrides,
  });
  return { search, store, task, hits, unsound, dir };
}

describe('the search', () => {
  it.each([
    ['by themselves', false],
    ['ahead', true],
  ])(
    'reading %s, finds seals of the loads that are held, with the bytes that are stored, and none that is absent',
    async (_, readAhead) => {
      await using stack = new AsyncDisposableStack();
      const { search, task, hits, unsound } = await setUp(stack, readAhead);
      search.setTask(
        hash(4),
        task(4, { place: (load) => (load === 6 ? undefined : task(4).place(load)) }),
      );
      search.start();
      await waitFor(() => hits.length > 2000, deadline('hits'));
      const loads = new Set(hits.map((hit) => hit.loadStart / SECTORS_PER_LOAD));
      expect([...loads].sort()).toEqual([0, 1, 2, 3, 4, 5, 7]);
      for (const { loadStart, sealOffset, sealedData } of hits) {
        const at = (loadStart / SECTORS_PER_LOAD) * SLOT + sealOffset * 4096;
        expect(Buffer.compare(sealedData, sealed.subarray(at, at + 4096))).toBe(0);
        if (loadStart / SECTORS_PER_LOAD === 5) expect(sealOffset).toBeGreaterThanOrEqual(40);
      }
      expect(unsound).toEqual([]);
    },
  );

  it('says nothing of a task that ended, and goes on with the next', async () => {
    await using stack = new AsyncDisposableStack();
    const { search, task, hits } = await setUp(stack);
    search.setTask(hash(4), task(4));
    search.start();
    await waitFor(() => hits.length > 0, deadline('hits'));
    search.setTask(hash(4), undefined);
    const { length } = hits;
    search.setTask(hash(5), task(5));
    await waitFor(
      () => hits.some((hit) => hit.task.minerId === hash(5)),
      deadline('the next task'),
    );
    expect(hits.slice(length).every((hit) => hit.task.minerId === hash(5))).toBe(true);
  });

  it('takes turns between several ids', async () => {
    await using stack = new AsyncDisposableStack();
    const { search, task, hits } = await setUp(stack);
    for (const id of [4, 5, 6]) search.setTask(hash(id), task(id));
    search.start();
    await waitFor(
      () => new Set(hits.map((hit) => hit.task.minerId)).size === 3,
      deadline('hits of all ids'),
    );
  });

  it('drops a load whose bytes are not those that were stored, and names it', async () => {
    await using stack = new AsyncDisposableStack();
    const { search, store, task, hits, unsound, dir } = await setUp(stack);
    const { volume, offset } = store.place(2)!;
    const file = await open(join(dir, 'volumes', `${String(volume).padStart(6, '0')}.vol`), 'r+');
    await file.write(Uint8Array.of(1, 2, 3), 0, 3, offset + 1000);
    await file.close();
    search.setTask(hash(4), task(4));
    search.start();
    await waitFor(() => unsound.length > 2 && hits.length > 100, deadline('the damage'));
    expect(new Set(unsound)).toEqual(new Set([2]));
    expect(hits.some((hit) => hit.loadStart / SECTORS_PER_LOAD === 2)).toBe(false);
    await store.check(2); // quarantines the damaged seal: the others are searched again
    await waitFor(
      () => hits.some((hit) => hit.loadStart / SECTORS_PER_LOAD === 2),
      deadline('the rest of the load'),
    );
    expect(store.has(2, 0)).toBe(false);
  });
});
