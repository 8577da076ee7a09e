import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isCodedError } from '@cairn/base';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadKernels, referenceKernels, segmentRootsOf } from '../src/index.ts';
import { startHashPool } from '../src/node/hash-pool.ts';
import { createHashPool, type HashPool } from '../src/node/index.ts';

const SEGMENT = 262_144;
const kernels = await loadKernels();
const bytes = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => i * 3 + (i >> 9));
const leavesOf = (length: number): number => Math.ceil((((length - 1) % SEGMENT) + 1) / 256);

describe('hash pool', () => {
  const directory = mkdtempSync(join(tmpdir(), 'cairn-hash-pool-'));
  let pool: HashPool;
  beforeAll(async () => {
    pool = await createHashPool({ threads: 2, queueMax: 4 });
  });
  afterAll(async () => {
    await pool.close();
    rmSync(directory, { recursive: true });
  });

  it('gives the roots the reference gives, for whole, short and padded last segments', async () => {
    const data = bytes(SEGMENT * 2 + 1000);
    for (const lastLeafCount of [4, 8, 1024]) {
      expect(await pool.segmentRoots(data, { lastLeafCount })).toEqual(
        segmentRootsOf(referenceKernels(), data, lastLeafCount),
      );
    }
    expect(await pool.segmentRoots(bytes(0), { lastLeafCount: 1 })).toEqual(new Uint8Array(0));
    expect(await pool.segmentRoots(bytes(1), { lastLeafCount: 1 })).toEqual(
      segmentRootsOf(referenceKernels(), bytes(1), 1),
    );
  });

  it.each([SEGMENT * 16, SEGMENT * 41 + 5, SEGMENT * 64 - 255])(
    'puts the slices of %d bytes back in order, from memory, shared memory and a file',
    async (length) => {
      const data = bytes(length);
      const lastLeafCount = leavesOf(length);
      const expected = segmentRootsOf(kernels, data, lastLeafCount);
      expect(await pool.segmentRoots(data, { lastLeafCount })).toEqual(expected);

      const shared = new Uint8Array(new SharedArrayBuffer(length + 3), 3);
      shared.set(data);
      expect(await pool.segmentRoots(shared, { lastLeafCount })).toEqual(expected);

      const path = join(directory, `${length}`);
      writeFileSync(path, data);
      let progress = 0;
      const onProgress = (n: number): void => {
        progress += n;
      };
      const whole = { start: 0, end: length, lastLeafCount, onProgress };
      expect(await pool.fileSegmentRoots(path, whole)).toEqual(expected);
      expect(progress).toBe(length);
      const rest = { start: SEGMENT * 7, end: length, lastLeafCount };
      expect(await pool.fileSegmentRoots(path, rest)).toEqual(expected.subarray(32 * 7));
    },
  );

  it('asserts lengths that cannot be meant', async () => {
    const reject = async (call: Promise<unknown>): Promise<void> =>
      expect(call).rejects.toThrow('assertion failed');
    await reject(pool.segmentRoots(bytes(257), { lastLeafCount: 1 }));
    await reject(pool.segmentRoots(bytes(256), { lastLeafCount: 1025 }));
    await reject(pool.fileSegmentRoots('x', { start: 1, end: 2, lastLeafCount: 1 }));
    await reject(pool.fileSegmentRoots('x', { start: SEGMENT, end: 2, lastLeafCount: 1 }));
  });

  it('refuses calls beyond its queue and serves those it took', async () => {
    const data = bytes(SEGMENT);
    const calls = Array.from({ length: 6 }, () => pool.segmentRoots(data, { lastLeafCount: 1024 }));
    await expect(pool.segmentRoots(data, { lastLeafCount: 1024 })).rejects.toMatchObject({
      code: 'KERNELS_QUEUE_FULL',
      kind: 'exhausted',
    });
    const expected = segmentRootsOf(kernels, data, 1024);
    for (const roots of await Promise.all(calls)) expect(roots).toEqual(expected);
  });

  it('a small call overtakes the rest of a big one', async () => {
    const order: string[] = [];
    const big = pool
      .segmentRoots(new Uint8Array(SEGMENT * 256), { lastLeafCount: 1024 })
      .then(() => order.push('big'));
    const small = pool
      .segmentRoots(bytes(SEGMENT), { lastLeafCount: 1024 })
      .then(() => order.push('small'));
    await Promise.all([big, small]);
    expect(order).toEqual(['small', 'big']);
  });

  it('a cancelled call rejects with the reason at once, waiting or running, and harms no other', async () => {
    const data = bytes(SEGMENT * 32);
    const abort = new AbortController();
    const { signal } = abort;
    const reason = new Error('changed my mind');
    await expect(
      pool.segmentRoots(data, { lastLeafCount: 1024, signal: AbortSignal.abort(reason) }),
    ).rejects.toBe(reason);
    const cancelled = Array.from({ length: 3 }, () =>
      pool.segmentRoots(data, { lastLeafCount: 1024, signal }),
    );
    const other = pool.segmentRoots(data, { lastLeafCount: 1024 });
    abort.abort(reason);
    for (const result of await Promise.allSettled(cancelled))
      expect(result).toEqual({ status: 'rejected', reason });
    expect(await other).toEqual(segmentRootsOf(kernels, data, 1024));
  });

  it('says what is wrong with a file', async () => {
    await expect(
      pool.fileSegmentRoots(join(directory, 'absent'), { start: 0, end: 10, lastLeafCount: 1 }),
    ).rejects.toMatchObject({ code: 'KERNELS_READ_FAILED', kind: 'not_found' });
    await expect(
      pool.fileSegmentRoots(directory, { start: 0, end: 10, lastLeafCount: 1 }),
    ).rejects.toMatchObject({ code: 'KERNELS_READ_FAILED', kind: 'unavailable' });
    const path = join(directory, 'short');
    writeFileSync(path, bytes(1000));
    await expect(
      pool.fileSegmentRoots(path, { start: 0, end: 1001, lastLeafCount: 4 }),
    ).rejects.toMatchObject({ code: 'KERNELS_FILE_CHANGED', kind: 'conflict' });
  });

  it('rejects what is in flight when it closes, and everything after', async () => {
    const closing = await createHashPool({ threads: 1 });
    const calls = [1, 2, 3].map(() =>
      closing.segmentRoots(bytes(SEGMENT), { lastLeafCount: 1024 }),
    );
    const results = Promise.allSettled(calls);
    await Promise.all([closing.close(), closing.close()]);
    for (const result of await results)
      expect(result).toMatchObject({ reason: { code: 'KERNELS_POOL_CLOSED', kind: 'cancelled' } });
    await expect(closing.segmentRoots(bytes(1), { lastLeafCount: 1 })).rejects.toMatchObject({
      code: 'KERNELS_POOL_CLOSED',
    });
  });
});

describe('a thread that dies', () => {
  const entry = new URL('./support/crashing-worker.ts', import.meta.url);

  it.each([1, 2])('fails its own call and is replaced (way %d)', async (how) => {
    await using pool = await startHashPool({ threads: 1 }, entry);
    const bad = bytes(256);
    bad[0] = how;
    const good = bytes(256);
    const calls = [good, bad, good].map((data) => pool.segmentRoots(data, { lastLeafCount: 1 }));
    const [first, second, third] = await Promise.allSettled(calls);
    expect(first).toMatchObject({ status: 'fulfilled' });
    expect(third).toMatchObject({ status: 'fulfilled' });
    const reason = second?.status === 'rejected' ? second.reason : undefined;
    expect(isCodedError(reason, 'KERNELS_WORKER_DIED')).toBe(true);
    expect(reason.cause?.message).toBe(how === 1 ? 'out of luck' : undefined);
  });

  it('a pool whose threads cannot start says so', async () => {
    const stillborn = new URL('./support/stillborn-worker.ts', import.meta.url);
    await expect(startHashPool({ threads: 2 }, stillborn)).rejects.toMatchObject({
      code: 'KERNELS_WORKER_DIED',
      cause: { message: 'cannot start' },
    });
  });
});
