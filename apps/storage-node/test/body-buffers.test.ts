import { describe, expect, it } from 'vitest';
import { BodyBuffers } from '../src/http/body-buffers.ts';

const KIB = 1024;

describe('body buffers', () => {
  it('are shared memory, at most twice the body, and used again', () => {
    const buffers = new BodyBuffers(KIB * KIB);
    const first = buffers.take(20 * KIB);
    expect(first.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(first.length).toBe(32 * KIB);
    expect(buffers.take(20 * KIB)).not.toBe(first);
    buffers.give(first);
    expect(buffers.keptBytes).toBe(32 * KIB);
    expect(buffers.take(32 * KIB)).toBe(first);
    expect(buffers.keptBytes).toBe(0);
  });

  it('that wait are bounded; a body of another size gets its own', () => {
    const buffers = new BodyBuffers(64 * KIB);
    const taken = [1, 2, 3].map(() => buffers.take(32 * KIB));
    for (const buffer of taken) buffers.give(buffer);
    expect(buffers.keptBytes).toBe(64 * KIB);
    expect(taken).not.toContain(buffers.take(1));
  });
});
