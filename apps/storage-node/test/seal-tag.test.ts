import { bytesToHash32, type Hash32, seededRandom } from '@cairn/base';
import { sealInPlace } from '@cairn/pora';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createSealCodec, decodeSealTag, encodeSealTag, runsWith } from '../src/mine/seal-tag.ts';
import type { SealRun } from '../src/mine/sealed-data.ts';
import { kernels } from './harness.ts';

const hash = (seed: number): Hash32 => bytesToHash32(seededRandom(seed).bytes(32));
const minerId = hash(1);
const run = fc
  .record({ start: fc.nat(63), length: fc.integer({ min: 1, max: 64 }), digest: fc.nat(2) })
  .map(({ start, length, digest }): SealRun => {
    const end = Math.min(64, start + length);
    return { start, end, digest: hash(10 + digest) };
  });
const runs = fc.array(run, { minLength: 1, maxLength: 40 });
const digestsOf = (list: readonly SealRun[]): (Hash32 | undefined)[] =>
  Array.from(
    { length: 64 },
    (_, seal) => list.findLast(({ start, end }) => start <= seal && seal < end)?.digest,
  );

describe('the tag of a sealed segment', () => {
  it('says of every seal what was said of it last, in few runs, and survives its encoding', () => {
    fc.assert(
      fc.property(runs, (added) => {
        const merged = added.reduce<SealRun[]>(runsWith, []);
        expect(digestsOf(merged)).toEqual(digestsOf(added));
        for (const [i, { start, digest }] of merged.entries()) {
          const before = merged[i - 1];
          if (before) expect(before.end < start || before.digest !== digest).toBe(true);
        }
        const decoded = decodeSealTag(encodeSealTag({ minerId, runs: merged }));
        expect(decoded).toEqual({ minerId, runs: merged });
      }),
    );
  });

  it('is refused when it is truncated, too long, out of order or of no seal', () => {
    const good = encodeSealTag({ minerId, runs: [{ start: 3, end: 9, digest: hash(2) }] });
    const changed = (at: number, value: number): Uint8Array => good.with(at, value);
    const double = new Uint8Array([...good, ...good.subarray(32)]);
    const hostile = [
      good.subarray(0, 65),
      good.subarray(0, 32),
      new Uint8Array(0),
      new Uint8Array(32 + 34 * 65),
      changed(32, 9),
      changed(33, 65),
      double,
    ];
    for (const tag of hostile)
      expect(() => decodeSealTag(tag)).toThrowError(
        expect.objectContaining({ code: 'MINE_SEAL_TAG', kind: 'corrupt' }),
      );
  });
});

describe('the codec', () => {
  const raw = seededRandom(3).bytes(64 * 4096);
  const parts: SealRun[] = [
    { start: 0, end: 5, digest: hash(20) },
    { start: 5, end: 40, digest: hash(21) },
    { start: 41, end: 64, digest: hash(22) },
  ];
  const sealed = raw.slice();
  for (const { start, end, digest } of parts)
    sealInPlace(kernels, sealed.subarray(start * 4096, end * 4096), {
      minerId,
      contextDigest: digest,
      startSector: 7 * 1024 + start * 16,
    });
  const tag = encodeSealTag({ minerId, runs: parts });

  it('undoes seals of several contexts, from any block on', async () => {
    let unsealed = 0;
    const codec = createSealCodec(kernels, (bytes) => {
      unsealed += bytes;
    });
    for (const [start, end] of [
      [0, 40],
      [3, 8],
      [39, 40],
      [41, 64],
    ] as const) {
      const data = sealed.slice(start * 4096, end * 4096);
      await codec.decode({ segmentIndex: 7, startBlock: start, tag, data });
      expect(Buffer.compare(data, raw.subarray(start * 4096, end * 4096)), `${start}`).toBe(0);
    }
    expect(unsealed).toBe((40 + 5 + 1 + 23) * 4096);
  });

  it('refuses blocks that the tag says nothing of', () => {
    const data = sealed.slice(39 * 4096, 42 * 4096);
    expect(() =>
      createSealCodec(kernels).decode({ segmentIndex: 7, startBlock: 39, tag, data }),
    ).toThrowError(expect.objectContaining({ code: 'MINE_SEAL_TAG' }));
  });
});
