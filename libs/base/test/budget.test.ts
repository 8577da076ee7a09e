import { describe, expect, it } from 'vitest';
import { Budget } from '../src/index.ts';

const settled = async (promise: Promise<unknown>): Promise<boolean> =>
  Promise.race([
    promise.then(
      () => true,
      () => true,
    ),
    new Promise<boolean>((resolve) => setImmediate(() => resolve(false))),
  ]);

describe('budget', () => {
  it('grants in order and takes back once', async () => {
    const budget = new Budget(10, 10);
    const first = await budget.acquire(6);
    const second = budget.acquire(6);
    const third = budget.acquire(1);
    expect(await settled(second)).toBe(false);
    expect(await settled(third)).toBe(false); // small ones do not overtake
    first();
    first();
    expect(await settled(second)).toBe(true);
    expect(await settled(third)).toBe(true);
    expect(budget.free).toBe(3);
  });

  it('a request above the total runs alone and does not wait for ever', async () => {
    const budget = new Budget(10, 10);
    const small = await budget.acquire(1);
    const huge = budget.acquire(1000);
    expect(await settled(huge)).toBe(false);
    small();
    const release = await huge;
    expect(budget.free).toBe(0);
    release();
    expect(budget.free).toBe(10);
  });

  it('who gives up leaves the queue and does not hold others back', async () => {
    const budget = new Budget(10, 10);
    const held = await budget.acquire(5);
    const abort = new AbortController();
    const large = budget.acquire(10, abort.signal);
    const small = budget.acquire(5);
    abort.abort(new Error('gone'));
    await expect(large).rejects.toThrow('gone');
    (await small)();
    held();
    expect(budget.free).toBe(10);
  });

  it('refuses beyond its queue', async () => {
    const budget = new Budget(1, 1);
    await budget.acquire(1);
    void budget.acquire(1);
    await expect(budget.acquire(1)).rejects.toMatchObject({ code: 'BASE_QUEUE_FULL' });
  });
});
