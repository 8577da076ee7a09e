import { concatBytes, systemClock } from '@cairn/base';
import type { Lookup } from '@cairn/quorum';
import { describe, expect, it } from 'vitest';
import { Packer, type PackerOptions } from '../../src/rollup/packer.ts';

const never = new AbortController().signal;
const input = (bytes: number, fill: number): Uint8Array => new Uint8Array(bytes).fill(fill);

/** A lane whose blobs end when the test says so. */
function heldLane(options: Partial<PackerOptions> = {}) {
  const sent: { payload: Uint8Array; signal: AbortSignal; end: (error?: Error) => void }[] = [];
  const packer = new Packer(
    {
      clock: systemClock,
      lane: {
        disperse: (payload, signal) =>
          new Promise((resolve, reject) => {
            const lookup = { index: sent.length } as Lookup;
            signal.addEventListener('abort', () => reject(signal.reason));
            sent.push({ payload, signal, end: (e) => (e ? reject(e) : resolve(lookup)) });
          }),
      },
    },
    {
      ...{ parallelMax: 1, sharedInputBytesMax: 100, sharedBlobBytesMax: 250 },
      ...{ waitingMax: 8, lingerMs: 1 },
      ...options,
    },
  );
  const arrived = async (count: number): Promise<void> => {
    while (sent.length < count) await new Promise((resolve) => setImmediate(resolve));
  };
  return { packer, sent, arrived };
}

describe('inputs that share blobs', () => {
  it('those that come together leave together, each with its own range', async () => {
    const { packer, sent, arrived } = heldLane();
    const inputs = [input(10, 1), input(20, 2), input(5, 3)];
    const placed = Promise.all(inputs.map((one) => packer.put(one, { signal: never })));
    await arrived(1);
    expect(sent[0]!.payload).toEqual(concatBytes(...inputs));
    sent[0]!.end();
    expect((await placed).map(({ offset, length }) => [offset, length])).toEqual([
      [0, 10],
      [10, 20],
      [30, 5],
    ]);
  });

  it('what waits behind a blob under way fills the next one, up to its size, long ones alone', async () => {
    const { packer, sent, arrived } = heldLane();
    const first = packer.put(input(10, 0), { signal: never });
    await arrived(1);
    const rest = [input(100, 1), input(101, 2), input(100, 3), input(100, 4), input(50, 5)].map(
      (one) => packer.put(one, { signal: never }),
    );
    const alone = packer.put(input(1, 6), { signal: never, isAlone: true });
    for (let i = 0; i < 5; i++) {
      await arrived(i + 1);
      sent[i]!.end();
    }
    await Promise.all([first, ...rest, alone]);
    expect(sent.map(({ payload }) => payload.length)).toEqual([10, 250, 101, 100, 1]);
    expect(await rest[4]).toMatchObject({ offset: 200, length: 50 });
  });

  it('one that is given up leaves the others alone; a blob is given up when nobody waits for it', async () => {
    const { packer, sent, arrived } = heldLane();
    const [a, b] = [new AbortController(), new AbortController()];
    const first = packer.put(input(1, 1), { signal: a.signal });
    const second = packer.put(input(1, 2), { signal: b.signal });
    await arrived(1);
    a.abort(new Error('gone'));
    await expect(first).rejects.toThrow('gone');
    expect(sent[0]!.signal.aborted).toBe(false);
    b.abort(new Error('gone too'));
    await expect(second).rejects.toThrow('gone too');
    expect(sent[0]!.signal.aborted).toBe(true);
  });

  it('a failure reaches every input of its blob and no other', async () => {
    const { packer, sent, arrived } = heldLane();
    const first = packer.put(input(1, 1), { signal: never });
    await arrived(1);
    const second = packer.put(input(1, 2), { signal: never });
    sent[0]!.end(new Error('no quorum'));
    await expect(first).rejects.toThrow('no quorum');
    await arrived(2);
    sent[1]!.end();
    expect(await second).toMatchObject({ offset: 0 });
  });

  it('refuses more than may wait, and everything once it stops', async () => {
    const { packer, arrived } = heldLane({ waitingMax: 1 });
    const first = packer.put(input(1, 1), { signal: never });
    await arrived(1);
    const second = packer.put(input(1, 2), { signal: never });
    await expect(packer.put(input(1, 3), { signal: never })).rejects.toMatchObject({
      code: 'ROLLUP_BUSY',
      kind: 'exhausted',
    });
    const ended = Promise.allSettled([first, second]);
    await packer.stop();
    expect((await ended).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });
});
