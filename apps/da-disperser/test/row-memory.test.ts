import { describe, expect, it, vi } from 'vitest';
import { RowMemory } from '../src/pipeline/row-memory.ts';

describe('memory for rows', () => {
  it('is used again for a blob of about the same length, by one at a time', () => {
    const memory = new RowMemory();
    const first = memory.take(1_000_000);
    const second = memory.take(1_000_000);
    expect(second.buffer).not.toBe(first.buffer);
    memory.give(first);
    memory.give(first); // a second time is nothing: it would be lent twice
    const third = memory.take(990_000);
    expect(third.buffer).toBe(first.buffer);
    expect(third.length).toBe(990_000);
    expect(memory.take(1_000_000).buffer).not.toBe(first.buffer);
  });

  it('is the smallest that has room', () => {
    const memory = new RowMemory();
    const [large, small] = [memory.take(3_000_000), memory.take(1_000_000)];
    memory.give(large);
    memory.give(small);
    expect(memory.take(4_000_000).buffer).not.toBe(large.buffer);
    expect(memory.take(100_000).buffer).toBe(small.buffer);
    expect(memory.take(100_000).buffer).toBe(large.buffer);
  });

  it('is kept up to a bound, and for a while', () => {
    vi.useFakeTimers();
    try {
      const memory = new RowMemory({ keptBytesMax: 2_500_000, keptMs: 100 });
      const taken = Array.from({ length: 4 }, () => memory.take(1_000_000));
      for (const one of taken) memory.give(one);
      expect(memory.keptBytes).toBeLessThanOrEqual(2_500_000);
      expect(memory.keptBytes).toBeGreaterThan(0);
      vi.advanceTimersByTime(100);
      expect(memory.keptBytes).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it('that came from elsewhere is not taken in', () => {
    const memory = new RowMemory();
    memory.give(new Uint8Array(1_000_000));
    expect(memory.keptBytes).toBe(0);
  });
});
