// The node's own search over a sealed store on disk, with one thread and with all, beside independent processes.
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { assert, silentLogger, systemClock, systemRandom } from '@cairn/base';
import type { KernelBackend, Kernels } from '@cairn/kernels';
import { BYTES_PER_LOAD } from '@cairn/pora';
import { SealedCopy, Search } from '@cairn/storage-node/mine';
import { type MinedId, type MinedRange, sealLoad } from '../fairness/range.ts';
import { median } from '../harness.ts';

const WINDOW_MS = 3000;

/** A sealed store as a node keeps it, with the whole range. */
export async function openSealedStore(
  kernels: Kernels,
  id: MinedId,
  { raw, loads }: MinedRange,
  dir: string,
): Promise<SealedCopy> {
  const store = await SealedCopy.open({ log: silentLogger }, { dir, segmentsPerVolume: 256 });
  for (let load = 0; load < loads; load++) {
    const data = raw.slice(load * BYTES_PER_LOAD, (load + 1) * BYTES_PER_LOAD);
    sealLoad(kernels, id, load, data);
    const run = { start: 0, end: 64, digest: id.contextDigest };
    await store.draft(load).write(run, data, () => {});
  }
  return store;
}

/** Iterations per second of the node's search with so many threads. Nothing wins. */
export async function searchRate(options: {
  store: SealedCopy;
  id: MinedId;
  range: MinedRange;
  backend: KernelBackend;
  threads: number;
}): Promise<number> {
  const { store, id, range, backend, threads } = options;
  let loads = 0;
  const search = new Search(
    {
      random: systemRandom,
      clock: systemClock,
      log: silentLogger,
      onHit: () => {},
      onWorked: (done) => {
        loads += done.loads;
      },
    },
    { threads, cpuPercent: 100, backend },
  );
  search.setTask(id.minerId, {
    minerId: id.minerId,
    work: workOf(id, range),
    range: range.range,
    threshold: 0n,
    dir: store.dir,
    place: (load) => store.place(load),
    onUnsound: (load) => assert(false, `load ${load} is not what was stored`),
  });
  search.start();
  try {
    await systemClock.sleep(1000); // threads load their kernels
    const [before, started] = [loads, performance.now()];
    await systemClock.sleep(WINDOW_MS);
    return (1000 * (loads - before)) / (performance.now() - started);
  } finally {
    await search.stop();
  }
}

function workOf(id: MinedId, { range }: MinedRange) {
  const digest = id.contextDigest;
  return {
    context: {
      epoch: 1,
      mineStart: 0,
      flowRoot: digest,
      flowLength: range.mineLength,
      blockDigest: digest,
      digest,
    },
    poraTarget: 1n,
    subtaskDigest: digest,
    maxShards: 1n,
  };
}

/** Iterations per second of `count` independent processes together. */
export async function processRate(backend: KernelBackend, count: number): Promise<number> {
  const entry = join(import.meta.dirname, 'loop.ts');
  const children = Array.from({ length: count }, () =>
    spawn(process.execPath, ['--conditions=source', entry, '--backend', backend], {
      stdio: ['pipe', 'pipe', 'inherit'],
    }),
  );
  try {
    const rates = children.map((): number[] => []);
    for (const [i, child] of children.entries())
      createInterface({ input: child.stdout }).on('line', (line) => {
        const { perSecond } = JSON.parse(line) as { perSecond?: number };
        if (perSecond !== undefined) rates[i]!.push(perSecond);
      });
    // Seconds in which all of them ran, without the first.
    while (rates.some((list) => list.length < 4)) await systemClock.sleep(100);
    return rates.reduce((sum, list) => sum + median(list.slice(1, 4)), 0);
  } finally {
    await Promise.all(
      children.map((child) => {
        const gone = new Promise((resolve) => child.once('exit', resolve));
        child.stdin.end();
        return gone;
      }),
    );
  }
}

export const CORES: number = availableParallelism();
