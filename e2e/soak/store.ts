// The store of one node: every disk operation fails once, or is where the power goes; disks that are full or broken.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { seededRandom } from '@cairn/base';
import { waitFor } from '@cairn/testkit';
import {
  finalized,
  seen,
  segmentIndexes,
  served,
  startSite,
  uploadAll,
  uploadSegment,
} from '../src/site.ts';
import { type FaultRow, Observations, type RowOptions, type Seen } from './row.ts';
import { testRow } from './test-row.ts';

const SEGMENT = 262_144;

type Tracer = { stop(): Promise<void> };

/**
 * Makes system calls of a running process fail with EIO, all of its threads; undefined where strace is missing or may not
 * attach. `calls` is strace's list.
 */
async function failSystemCalls(pid: number, calls: string): Promise<Tracer | undefined> {
  const child = spawn(
    'strace',
    [
      ...['-f', '-qq', '-o', '/dev/null', '-p', String(pid)],
      ...['-e', `trace=${calls}`, '-e', `inject=${calls}:error=EIO`],
    ],
    { stdio: 'ignore' },
  );
  let hasEnded = false;
  const ended = new Promise<void>((resolve) => {
    const end = (): void => {
      hasEnded = true;
      resolve();
    };
    child.once('exit', end).once('error', end);
  });
  const isAttached = await waitFor(
    () => (hasEnded ? 'no' : tracerOf(pid) === child.pid ? 'yes' : undefined),
    { timeoutMs: 10_000, what: 'strace', intervalMs: 10 },
  );
  if (isAttached === 'no') return undefined;
  return {
    async stop() {
      child.kill('SIGTERM'); // strace detaches; the process goes on
      await ended;
    },
  };
}

function tracerOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^TracerPid:\s+(\d+)/m.exec(status)?.[1]);
}

/** A node whose disk answers EIO for a while, again and again: to writes, to syncs, to both. */
async function eio({ size, seed, signal }: RowOptions): Promise<Seen> {
  const observed = new Observations();
  const random = seededRandom(seed);
  await using site = await startSite();
  let node = await site.start('victim');
  const kinds = ['pwrite64', 'fdatasync', 'pwrite64,fdatasync,fsync'];
  let refused = 0;
  for (let round = 0; round < size; round++) {
    signal.throwIfAborted();
    const file = await site.submit(6 * SEGMENT - round, seed * 1000 + round);
    await seen(node, file.seq);
    const acknowledged: number[] = [];
    const before = 1 + Math.floor(random.next() * 3);
    const indexes = segmentIndexes(file);
    const send = async (index: number): Promise<void> => {
      try {
        await uploadSegment(node, file, index);
        acknowledged.push(index);
      } catch {
        refused++;
      }
    };
    for (const index of indexes.slice(0, before)) await send(index);
    const tracer = await failSystemCalls(node.process.pid, kinds[round % kinds.length]!);
    if (!tracer) {
      observed.expect(false, 'strace is missing or may not attach');
      return observed.seen();
    }
    for (const index of indexes.slice(before)) await send(index);
    observed.count++;
    await tracer.stop();
    if (round % 4 === 3) {
      await node.process.stop('SIGKILL');
      node = await site.start('victim');
    }
    for (const index of acknowledged) {
      const answer = await served(node, file, index);
      observed.expect(answer === 'true', `round ${round}: segment ${index} is ${answer}`);
    }
    await uploadAll(node, file);
    await finalized(node, file.seq);
    for (const index of indexes) {
      const answer = await served(node, file, index);
      observed.expect(answer === 'true', `round ${round}, healed: segment ${index} is ${answer}`);
    }
  }
  observed.expect(refused > 0, 'no write was refused: nothing was tried');
  observed.figures.push(`${refused} uploads refused while the disk failed`);
  return observed.seen();
}

const CRASH_TEST = { project: 'unit', file: 'libs/store/test/crash.test.ts' } as const;

export const storeRows: readonly FaultRow[] = [
  testRow({
    ...CRASH_TEST,
    id: 'op-error',
    family: 'store',
    injection:
      'a seeded script on the store over an injected file system; disk operation 1, 2, 3 … fails with EIO, until none is left',
    pass: 'acknowledged is there, refused is not, no byte is wrong, slots are sound',
    size: { full: 60, short: 3 },
    unit: 'failed operations',
    name: 'an operation that fails once',
  }),
  testRow({
    ...CRASH_TEST,
    id: 'op-crash',
    family: 'store',
    injection:
      'the same, with a power cut at operation 1, 2, 3 …; of what was not synced a random half of the 512-byte blocks survives, torn and out of order',
    pass: 'acknowledged is there after the start, nothing torn is served, all can be written',
    size: { full: 60, short: 3 },
    unit: 'power cuts',
    name: 'a power cut at any operation',
  }),
  testRow({
    ...CRASH_TEST,
    id: 'sync-lost',
    family: 'store',
    injection:
      'the same, with a sync that fails and loses a random half of what it should write (as Linux does)',
    pass: 'its calls fail, everything else is as acknowledged',
    size: { full: 100, short: 3 },
    unit: 'failed syncs',
    name: 'a sync that fails and loses',
  }),
  testRow({
    id: 'torn-writes',
    family: 'store',
    injection: 'a power cut under 60 writers at once, unsynced blocks torn and out of order',
    pass: '0 acknowledged sectors lost or changed',
    size: { full: 1000, short: 20 },
    unit: 'power cuts',
    project: 'unit',
    file: 'libs/store/test/segment-store.test.ts',
    name: 'a power cut at any step',
  }),
  testRow({
    ...CRASH_TEST,
    id: 'kill-writer',
    family: 'store',
    injection: 'SIGKILL of a process that writes segments without end',
    pass: '0 acknowledged segments lost or changed',
    size: { full: 60, short: 3 },
    unit: 'kills',
    name: 'a process that is killed while it writes',
  }),
  testRow({
    id: 'disk-full',
    family: 'store',
    injection:
      'a full disk, injected, and a full tmpfs (as root) under a real node; then room again',
    pass: 'uploads are refused by name, what is there is served, uploads go on, also after a SIGKILL',
    size: { full: 1, short: 1 },
    unit: 'full disks',
    project: 'unit',
    file: 'apps/storage-node/test/faults.test.ts',
    name: 'a full disk',
  }),
  {
    id: 'eio',
    family: 'store',
    injection:
      'EIO from write, fdatasync, or both to every thread of a running node (strace), while segments come; every fourth time a SIGKILL after it',
    pass: 'uploads are refused; 0 acknowledged segments lost or changed; all go in afterwards',
    size: { full: 24, short: 3 },
    unit: 'spells of EIO',
    run: eio,
  },
];
