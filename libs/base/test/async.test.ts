import { describe, expect, it } from 'vitest';
import {
  type Clock,
  CodedError,
  findCause,
  forEachLimit,
  isCodedError,
  Loop,
  retry,
  Semaphore,
} from '../src/index.ts';

/** A clock whose sleeps end at once and are written down. */
function recordingClock(): Clock & { sleeps: number[] } {
  const sleeps: number[] = [];
  return {
    sleeps,
    now: () => 0,
    monotonic: () => 0,
    async sleep(ms, signal) {
      signal?.throwIfAborted();
      sleeps.push(ms);
    },
  };
}
const unavailable = (): CodedError =>
  new CodedError({ code: 'T', kind: 'unavailable', message: 'down' });

describe('retry', () => {
  it('doubles its pause up to the bound, with jitter, then gives the last error', async () => {
    const clock = recordingClock();
    let runs = 0;
    const run = retry(
      async () => {
        runs++;
        throw unavailable();
      },
      { attempts: 5, baseDelayMs: 100, maxDelayMs: 300, clock },
    );
    await expect(run).rejects.toMatchObject({ code: 'T' });
    expect(runs).toBe(5);
    for (const [i, base] of [100, 200, 300, 300].entries()) {
      expect(clock.sleeps[i]).toBeGreaterThanOrEqual(base * 0.5);
      expect(clock.sleeps[i]).toBeLessThan(base * 1.5);
    }
  });

  it('does not repeat what cannot succeed', async () => {
    let runs = 0;
    const run = retry(
      async () => {
        runs++;
        throw new CodedError({ code: 'X', kind: 'invalid', message: 'bad' });
      },
      { attempts: 5, baseDelayMs: 1, maxDelayMs: 1, clock: recordingClock() },
    );
    await expect(run).rejects.toMatchObject({ code: 'X' });
    expect(runs).toBe(1);
  });

  it('stops at an aborted signal', async () => {
    const abort = new AbortController();
    const run = retry(
      async () => {
        abort.abort(new Error('enough'));
        throw unavailable();
      },
      { attempts: 5, baseDelayMs: 1, maxDelayMs: 1, clock: recordingClock(), signal: abort.signal },
    );
    await expect(run).rejects.toThrow('enough');
  });
});

describe('Semaphore', () => {
  it('never runs more than its limit and refuses beyond the queue', async () => {
    const semaphore = new Semaphore(2, 3);
    let running = 0;
    let peak = 0;
    const gate = Promise.withResolvers<void>();
    const tasks = Array.from({ length: 5 }, () =>
      semaphore.run(async () => {
        peak = Math.max(peak, ++running);
        await gate.promise;
        running--;
      }),
    );
    await expect(semaphore.run(async () => {})).rejects.toMatchObject({ code: 'BASE_QUEUE_FULL' });
    gate.resolve();
    await Promise.all(tasks);
    expect(peak).toBe(2);
    await semaphore.run(async () => {});
  });
});

describe('forEachLimit', () => {
  it('visits every item once within the limit', async () => {
    const seen: number[] = [];
    let running = 0;
    let peak = 0;
    await forEachLimit(
      Array.from({ length: 20 }, (_, i) => i),
      { limit: 3 },
      async (i) => {
        peak = Math.max(peak, ++running);
        await Promise.resolve();
        seen.push(i);
        running--;
      },
    );
    expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(peak).toBeLessThanOrEqual(3);
  });

  it('throws the first failure and tells the others to stop', async () => {
    let told = 0;
    const run = forEachLimit([1, 2, 3, 4], { limit: 2 }, async (i, signal) => {
      if (i === 1) throw new Error('first');
      await new Promise<void>((_, reject) =>
        signal.addEventListener('abort', () => {
          told++;
          reject(signal.reason);
        }),
      );
    });
    await expect(run).rejects.toThrow('first');
    expect(told).toBe(1);
  });
});

describe('Loop', () => {
  it('trigger runs a fresh iteration, errors do not end it, stop waits for the running one', async () => {
    const errors: unknown[] = [];
    let runs = 0;
    const loop = new Loop(
      async () => {
        runs++;
        if (runs === 2) throw new Error('once');
      },
      { name: 'test', intervalMs: 3_600_000, onError: (e) => errors.push(e) },
    );
    loop.start();
    await loop.trigger();
    const before = runs;
    await loop.trigger();
    await loop.trigger();
    expect(runs).toBeGreaterThanOrEqual(before + 2);
    expect(errors).toHaveLength(1);
    await loop.stop();
    const after = runs;
    await loop.trigger();
    expect(runs).toBe(after);
  });
});

describe('errors', () => {
  it('finds an inner error by code', () => {
    const inner = unavailable();
    const outer = new CodedError({
      code: 'OUTER',
      kind: 'timeout',
      message: 'late',
      cause: new Error('mid', { cause: inner }),
    });
    expect(findCause(outer, (e) => isCodedError(e, 'T'))).toBe(inner);
    expect(findCause(outer, (e) => isCodedError(e, 'NONE'))).toBeUndefined();
  });
});
