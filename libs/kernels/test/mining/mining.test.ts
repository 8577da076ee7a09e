// Mining kernels: the PoRA vectors (checked against upstream's Solidity), RFC 7693, then every backend against the reference.
import { readFileSync } from 'node:fs';
import { bytesToHex, concatBytes, hexToBytes } from '@cairn/base';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import {
  type Kernels,
  LOAD_BYTES,
  type LoadSearch,
  referenceKernels,
  SCRATCHPAD_BYTES,
  SEAL_BYTES,
  SEALS_PER_LOAD,
} from '../../src/index.ts';
import { backends, testBytes } from '../support/backends.ts';

type SealVector = { startSector: number; patternSeed: number } & Record<
  'firstMask' | 'sealedFirst32' | 'sealedSecond32' | 'sealedLast32' | 'sealedKeccak256',
  string
>;
type PadVector = {
  rangeDigest: string;
  padSeed: string;
  scratchPad: Record<'first64' | 'bytes4096to4160' | 'last64' | 'keccak256', string>;
  recallSeed: string;
  mixExample: { sealOffset: number; poraOutput: string };
};
type Vectors = {
  seal: { minerId: string; sealedContextDigest: string; vectors: SealVector[] };
  scratchpad: Record<'minerId' | 'nonce' | 'contextDigest' | 'subtaskDigest', string> & {
    vectors: PadVector[];
  };
  answers: Record<
    | 'minerId'
    | 'nonce'
    | 'subtaskDigest'
    | 'rangeDigest'
    | 'padSeed'
    | 'scratchPadKeccak256'
    | 'recallSeed',
    string
  >[];
};

const vectors = JSON.parse(
  readFileSync(new URL('../vectors/mining.json', import.meta.url), 'utf8'),
) as Vectors;
const reference = referenceKernels().mining;
const EVERYTHING = new Uint8Array(32).fill(0xff);

function pattern(size: number, seed: number): Uint8Array {
  return Uint8Array.from(
    { length: size },
    (_, i) => i * 31 + (i >> 8) * 17 + (i >> 16) * 7 + 5 + seed,
  );
}

/** The first mask of a seal: K(minerId, digest, u256(start sector)). */
function maskOf(kernels: Kernels, minerId: string, digest: string, startSector: number) {
  const position = new Uint8Array(32);
  new DataView(position.buffer).setUint32(28, startSector);
  return kernels.keccak256(concatBytes(hexToBytes(minerId), hexToBytes(digest), position));
}

describe.each([{ name: 'reference', load: async () => referenceKernels() }, ...backends])(
  'mining on $name',
  ({ load }) => {
    let kernels: Kernels;
    beforeEach(async () => {
      kernels = await load();
    });

    it('seals and unseals the vectors', () => {
      const { minerId, sealedContextDigest, vectors: seals } = vectors.seal;
      const data = concatBytes(...seals.map(({ patternSeed }) => pattern(SEAL_BYTES, patternSeed)));
      const masks = concatBytes(
        ...seals.map(({ startSector }) =>
          maskOf(kernels, minerId, sealedContextDigest, startSector),
        ),
      );
      const sealed = kernels.mining.seal(data, masks);
      for (const [i, vector] of seals.entries()) {
        const one = sealed.subarray(SEAL_BYTES * i, SEAL_BYTES * (i + 1));
        expect(bytesToHex(masks.subarray(32 * i, 32 * i + 32))).toBe(vector.firstMask);
        expect(bytesToHex(one.subarray(0, 32))).toBe(vector.sealedFirst32);
        expect(bytesToHex(one.subarray(32, 64))).toBe(vector.sealedSecond32);
        expect(bytesToHex(one.subarray(-32))).toBe(vector.sealedLast32);
        expect(bytesToHex(kernels.keccak256(one))).toBe(vector.sealedKeccak256);
      }
      expect(kernels.mining.unseal(sealed, masks)).toEqual(data);
    });

    it('makes the pads, recall seeds and qualities of the vectors', () => {
      const { minerId, nonce, subtaskDigest, contextDigest, vectors: pads } = vectors.scratchpad;
      const inputs = concatBytes(
        ...pads.flatMap(({ rangeDigest }) =>
          [minerId, nonce, subtaskDigest, rangeDigest].map(hexToBytes),
        ),
      );
      const padSeeds = kernels.mining.blake2b512Many(inputs, 128);
      const made = kernels.mining.scratchpads(padSeeds);
      const load = new Uint8Array(LOAD_BYTES);
      for (const [i, vector] of pads.entries()) {
        const padSeed = padSeeds.subarray(64 * i, 64 * i + 64);
        const pad = made.pads.subarray(SCRATCHPAD_BYTES * i, SCRATCHPAD_BYTES * (i + 1));
        expect(bytesToHex(padSeed)).toBe(vector.padSeed);
        expect(bytesToHex(pad.subarray(0, 64))).toBe(vector.scratchPad.first64);
        expect(bytesToHex(pad.subarray(4096, 4160))).toBe(vector.scratchPad.bytes4096to4160);
        expect(bytesToHex(pad.subarray(-64))).toBe(vector.scratchPad.last64);
        expect(bytesToHex(kernels.keccak256(pad))).toBe(vector.scratchPad.keccak256);
        expect(bytesToHex(made.recallSeeds.subarray(32 * i, 32 * i + 32))).toBe(vector.recallSeed);

        const { sealOffset, poraOutput } = vector.mixExample;
        const mask = maskOf(kernels, minerId, contextDigest, 16_384);
        load.set(kernels.mining.seal(pattern(SEAL_BYTES, 9), mask), SEAL_BYTES * sealOffset);
        const search = { load, pad, padSeed, target: hexToBytes(poraOutput) };
        const hit = kernels.mining.searchLoad(search).find((one) => one.sealIndex === sealOffset);
        expect(hit?.quality).toEqual(search.target);
        // One below its quality, the seal misses.
        const target = search.target.slice();
        for (let at = 31; target[at]!-- === 0; at--);
        const below = kernels.mining.searchLoad({ ...search, target });
        expect(below.some((one) => one.sealIndex === sealOffset)).toBe(false);
      }
    });

    it('makes the pads of the answers upstream accepted, side by side', () => {
      const words = vectors.answers.flatMap((answer) =>
        [answer.minerId, answer.nonce, answer.subtaskDigest, answer.rangeDigest].map(hexToBytes),
      );
      const padSeeds = kernels.mining.blake2b512Many(concatBytes(...words), 128);
      const { pads, recallSeeds } = kernels.mining.scratchpads(padSeeds);
      for (const [i, answer] of vectors.answers.entries()) {
        const pad = pads.subarray(SCRATCHPAD_BYTES * i, SCRATCHPAD_BYTES * (i + 1));
        expect(bytesToHex(padSeeds.subarray(64 * i, 64 * i + 64))).toBe(answer.padSeed);
        expect(bytesToHex(kernels.keccak256(pad))).toBe(answer.scratchPadKeccak256);
        expect(bytesToHex(recallSeeds.subarray(32 * i, 32 * i + 32))).toBe(answer.recallSeed);
      }
    });

    it('hashes BLAKE2b of "abc" (RFC 7693 appendix A)', () => {
      expect(bytesToHex(kernels.mining.blake2b512Many(new TextEncoder().encode('abc'), 3))).toBe(
        '0xba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923',
      );
    });
  },
);

describe.each(backends)('mining on $name equals the reference', ({ load }) => {
  let kernels: Kernels;
  beforeEach(async () => {
    kernels = await load();
  });

  it('for BLAKE2b at every length around the block, any count, unaligned', () => {
    for (let itemBytes = 1; itemBytes <= 300; itemBytes++) {
      const input = testBytes(itemBytes * 3, itemBytes);
      expect(kernels.mining.blake2b512Many(input, itemBytes)).toEqual(
        reference.blake2b512Many(input, itemBytes),
      );
    }
    fc.assert(
      fc.property(
        fc.oneof(fc.integer({ min: 1, max: 520 }), fc.constantFrom(64, 128, 4096, 4224)),
        fc.nat(19),
        fc.nat(7),
        fc.nat(),
        (itemBytes, count, offset, seed) => {
          const input = testBytes(itemBytes * count, seed, offset);
          expect(kernels.mining.blake2b512Many(input, itemBytes)).toEqual(
            reference.blake2b512Many(input, itemBytes),
          );
        },
      ),
      { numRuns: 40 },
    );
  });

  it.each([0, 1, 2, 3, 8, 9, 17])('for %d seals, in place too', (count) => {
    const data = testBytes(SEAL_BYTES * count, count, count % 8);
    const masks = testBytes(32 * count, count + 1, 3);
    const sealed = reference.seal(data, masks);
    expect(kernels.mining.seal(data, masks)).toEqual(sealed);
    expect(kernels.mining.unseal(sealed, masks)).toEqual(data);
    const place = new Uint8Array(new SharedArrayBuffer(data.length + 3), 3);
    place.set(data);
    expect(kernels.mining.seal(place, masks, place)).toBe(place);
    expect(place.slice()).toEqual(sealed);
    kernels.mining.unseal(place, masks, place);
    expect(place.slice()).toEqual(data);
  });

  it.each([0, 1, 2, 5, 8, 9, 11])('for the pads of %d nonces', (count) => {
    const padSeeds = testBytes(64 * count, count, 5);
    const expected = reference.scratchpads(padSeeds);
    expect(kernels.mining.scratchpads(padSeeds)).toEqual(expected);
    const out = {
      pads: testBytes(SCRATCHPAD_BYTES * count + 7, 1, 1),
      recallSeeds: testBytes(32 * count + 7, 2, 1),
    };
    const made = kernels.mining.scratchpads(padSeeds, out);
    expect(made).toEqual(expected);
    expect(made.pads.buffer).toBe(out.pads.buffer);
    expect(out.pads.slice(-7)).toEqual(testBytes(SCRATCHPAD_BYTES * count + 7, 1).slice(-7));
    expect(out.recallSeeds.slice(-7)).toEqual(testBytes(32 * count + 7, 2).slice(-7));
  });

  it('for searches with every, some and no seals present, at several targets', () => {
    const load = testBytes(LOAD_BYTES, 11, 1);
    const pad = testBytes(SCRATCHPAD_BYTES, 12, 3);
    const padSeed = testBytes(64, 13, 5);
    const present = Uint8Array.of(0x01, 0, 0x80, 0xff, 0, 0x10, 0, 0xc0);
    const all = reference.searchLoad({ load, pad, padSeed, target: EVERYTHING });
    expect(all).toHaveLength(SEALS_PER_LOAD);
    const expectHits = (search: LoadSearch, expected: typeof all): void =>
      expect(kernels.mining.searchLoad(search)).toEqual(expected);

    expectHits({ load, pad, padSeed, target: EVERYTHING }, all);
    const bit = (i: number): boolean => ((present[i >> 3]! >> (i & 7)) & 1) === 1;
    const some = all.filter(({ sealIndex }) => bit(sealIndex));
    expectHits({ load, pad, padSeed, target: EVERYTHING, present }, some);
    const none = new Uint8Array(8);
    expectHits({ load, pad, padSeed, target: EVERYTHING, present: none }, []);
    expectHits({ load, pad, padSeed, target: new Uint8Array(32) }, []);

    // The best quality itself, and targets that differ from it in the last byte only.
    const best = all.reduce((a, b) => (bytesToHex(a.quality) < bytesToHex(b.quality) ? a : b));
    const target = best.quality.slice();
    expectHits({ load, pad, padSeed, target }, [best]);
    target[31]!++;
    if (target[31] !== 0) expectHits({ load, pad, padSeed, target }, [best]);
    target[31] = best.quality[31]! - 1;
    if (best.quality[31] !== 0) expectHits({ load, pad, padSeed, target }, []);
  });

  it('for loads read into its own buffers', () => {
    const buffers = kernels.mining.loadBuffers();
    expect(buffers.map(({ length }) => length)).toEqual(Array(8).fill(LOAD_BYTES));
    expect(kernels.mining.loadBuffers()).toBe(buffers);
    const pad = testBytes(SCRATCHPAD_BYTES, 1);
    const padSeed = testBytes(64, 2);
    const target = new Uint8Array(32).fill(0xff, 1);
    target[0] = 0x20;
    for (const [i, buffer] of buffers.entries()) buffer.set(testBytes(LOAD_BYTES, i));
    for (const buffer of [buffers[0]!, buffers[7]!, buffers[3]!]) {
      const hits = kernels.mining.searchLoad({ load: buffer, pad, padSeed, target });
      expect(hits.length).toBeGreaterThan(0);
      expect(hits).toEqual(reference.searchLoad({ load: buffer.slice(), pad, padSeed, target }));
    }
    for (const [i, buffer] of buffers.entries()) expect(buffer).toEqual(testBytes(LOAD_BYTES, i));
  });

  it('and asserts what does not fit', () => {
    const { mining } = kernels;
    expect(() => mining.blake2b512Many(new Uint8Array(5), 2)).toThrow(/whole number/);
    expect(() => mining.seal(new Uint8Array(4095), new Uint8Array(32))).toThrow(/whole number/);
    expect(() => mining.unseal(new Uint8Array(4096), new Uint8Array(31))).toThrow(/mask/);
    expect(() => mining.seal(new Uint8Array(4096), new Uint8Array(32), new Uint8Array(9))).toThrow(
      /too short/,
    );
    expect(() => mining.scratchpads(new Uint8Array(63))).toThrow(/64 bytes/);
    const search = {
      load: new Uint8Array(LOAD_BYTES),
      pad: new Uint8Array(SCRATCHPAD_BYTES),
      padSeed: new Uint8Array(64),
      target: new Uint8Array(32),
    };
    for (const [key, pattern] of [
      ['load', /256 KiB/],
      ['pad', /16 KiB/],
      ['padSeed', /64 bytes/],
      ['target', /32 bytes/],
      ['present', /64 bits/],
    ] as const)
      expect(() => mining.searchLoad({ ...search, [key]: new Uint8Array(3) })).toThrow(pattern);
  });
});
