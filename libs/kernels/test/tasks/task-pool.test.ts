import { isCodedError } from '@cairn/base';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  hashPieceTrees,
  type KernelTask,
  type PiecesJob,
  referenceKernels,
  splitHashPieceTrees,
} from '../../src/index.ts';
import { createTaskPool, type TaskPool } from '../../src/node/index.ts';
import { startTaskPool } from '../../src/node/task-pool.ts';
import { testBytes } from '../support/backends.ts';

const { sha256 } = referenceKernels();
const shared = (bytes: Uint8Array): Uint8Array => {
  const out = new Uint8Array(new SharedArrayBuffer(bytes.length));
  out.set(bytes);
  return out;
};
/** A job of `count` rows, and the tasks it is cut into. */
function work(count: number, first?: number) {
  const rows = shared(testBytes(320 * count, count));
  if (first !== undefined) rows[0] = first;
  const job: PiecesJob & { out: Uint8Array } = {
    rows,
    rowBytes: 320,
    pieceBytes: 128,
    prefix: 0,
    out: shared(new Uint8Array(32 * count)),
  };
  const check = (): void =>
    expect(job.out).toEqual(shared(hashPieceTrees(sha256, { ...job, out: undefined })));
  return { job, tasks: splitHashPieceTrees(job, 8), check };
}

describe('task pool', () => {
  let pool: TaskPool;
  beforeAll(async () => {
    pool = await createTaskPool({ threads: 2, queueMax: 3 });
  });
  afterAll(() => pool.close());

  it('runs the tasks of many calls, each on its own memory', async () => {
    const works = [1, 2, 50].map((count) => work(count));
    await Promise.all(works.map(({ tasks }) => pool.run(tasks)));
    for (const { check } of works) check();
    await pool.run([]);
  });

  it('asserts shared memory: other memory would be changed in a copy', async () => {
    const { job } = work(1);
    const task: KernelTask = { kind: 'hashPieceTrees', job: { ...job, out: new Uint8Array(32) } };
    await expect(pool.run([task])).rejects.toThrow('assertion failed');
  });

  it('refuses calls beyond its queue and serves those it took', async () => {
    const works = Array.from({ length: 3 }, () => work(40));
    const calls = works.map(({ tasks }) => pool.run(tasks));
    await expect(pool.run(work(1).tasks)).rejects.toMatchObject({
      code: 'KERNELS_QUEUE_FULL',
      kind: 'exhausted',
    });
    await Promise.all(calls);
    for (const { check } of works) check();
  });

  it('a small call overtakes the rest of a big one', async () => {
    // One thread: of two, the one with the small task could be kept waiting by the machine.
    await using single = await createTaskPool({ threads: 1 });
    const order: string[] = [];
    const big = single.run(work(800).tasks).then(() => order.push('big'));
    const small = single.run(work(1).tasks).then(() => order.push('small'));
    await Promise.all([big, small]);
    expect(order).toEqual(['small', 'big']);
  });

  it('a cancelled call rejects with the reason when no thread writes to its memory any more', async () => {
    const reason = new Error('changed my mind');
    const before = AbortSignal.abort(reason);
    await expect(pool.run(work(1).tasks, { signal: before })).rejects.toBe(reason);
    const abort = new AbortController();
    const { job, tasks } = work(800);
    const cancelled = pool.run(tasks, { signal: abort.signal });
    const other = work(9);
    const call = pool.run(other.tasks);
    abort.abort(reason);
    await expect(cancelled).rejects.toBe(reason);
    job.out.fill(0);
    await call;
    other.check();
    // Two threads had a task each at most; both have ended, so nothing was written after the fill.
    expect(job.out.every((byte) => byte === 0)).toBe(true);
  });

  it('rejects what is in flight when it closes, and everything after', async () => {
    const closing = await createTaskPool({ threads: 1 });
    const results = Promise.allSettled([1, 2, 3].map(() => closing.run(work(9).tasks)));
    await Promise.all([closing.close(), closing.close()]);
    for (const result of await results)
      expect(result).toMatchObject({ reason: { code: 'KERNELS_POOL_CLOSED', kind: 'cancelled' } });
    await expect(closing.run(work(1).tasks)).rejects.toMatchObject({ code: 'KERNELS_POOL_CLOSED' });
  });
});

describe('a task thread that dies', () => {
  const entry = new URL('../support/crashing-task-worker.ts', import.meta.url);

  it.each([1, 2])('fails its own call and is replaced (way %d)', async (how) => {
    await using pool = await startTaskPool({ threads: 1 }, entry);
    const [good, bad, last] = [work(3, 0), work(3, how), work(3, 0)];
    const calls = [good, bad, last].map(({ tasks }) => pool.run(tasks));
    const [first, second, third] = await Promise.allSettled(calls);
    expect(first).toMatchObject({ status: 'fulfilled' });
    expect(third).toMatchObject({ status: 'fulfilled' });
    good.check();
    last.check();
    const reason = second?.status === 'rejected' ? second.reason : undefined;
    expect(isCodedError(reason, 'KERNELS_WORKER_DIED')).toBe(true);
    expect(reason.cause?.message).toBe(how === 1 ? 'out of luck' : undefined);
  });

  it('a pool whose threads cannot start says so', async () => {
    const stillborn = new URL('../support/stillborn-worker.ts', import.meta.url);
    await expect(startTaskPool({ threads: 2 }, stillborn)).rejects.toMatchObject({
      code: 'KERNELS_WORKER_DIED',
      cause: { message: 'cannot start' },
    });
  });
});
