// SHA-256 kernels: known answers (FIPS 180-4 examples), then every backend against the reference on random shapes.
import { bytesToHex } from '@cairn/base';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Kernels, referenceKernels } from '../../src/index.ts';
import { backends, testBytes, wasmInNode } from '../support/backends.ts';

const reference = referenceKernels().sha256;
const KNOWN: readonly [string, string][] = [
  ['abc', '0xba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  [
    'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq',
    '0x248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
  ],
  ['a'.repeat(1_000_000), '0xcdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0'],
];

describe.each([
  { name: 'reference', load: async () => referenceKernels() },
  wasmInNode,
  ...backends,
])('sha256 on $name', ({ load }) => {
  let kernels: Kernels;
  beforeEach(async () => {
    kernels = await load();
  });

  it.each(KNOWN)('hashes the known input %.12s', (text, digest) => {
    const input = new TextEncoder().encode(text);
    expect(bytesToHex(kernels.sha256.hashMany(input, input.length))).toBe(digest);
    const rest = input.subarray(1);
    const prefixed = kernels.sha256.hashMany(rest, rest.length, { prefix: input[0] });
    expect(bytesToHex(prefixed)).toBe(digest);
  });

  it('equals the reference at every length around the block, with and without a prefix', () => {
    for (let itemBytes = 1; itemBytes <= 200; itemBytes++) {
      const input = testBytes(itemBytes * 3, itemBytes);
      for (const prefix of [undefined, 0, 255])
        expect(kernels.sha256.hashMany(input, itemBytes, { prefix })).toEqual(
          reference.hashMany(input, itemBytes, { prefix }),
        );
    }
  });

  it('equals the reference on batches of any count, unaligned views and shared memory', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constantFrom(16, 64, 1023, 1024, 2048)),
        fc.nat(70),
        fc.nat(7),
        fc.option(fc.nat(255), { nil: undefined }),
        fc.nat(),
        (itemBytes, count, offset, prefix, seed) => {
          const input = testBytes(itemBytes * count, seed, offset);
          const expected = reference.hashMany(input, itemBytes, { prefix });
          expect(kernels.sha256.hashMany(input, itemBytes, { prefix })).toEqual(expected);
          const shared = new Uint8Array(new SharedArrayBuffer(input.length + 3), 3);
          shared.set(input);
          expect(kernels.sha256.hashMany(shared, itemBytes, { prefix })).toEqual(expected);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('hashes pairs, in place too, and leaves the rest of out alone', () => {
    for (const count of [0, 1, 2, 3, 7, 8, 15, 16, 17, 33, 100]) {
      const nodes = testBytes(64 * count + 5, count, 1).subarray(0, 64 * count);
      const expected = reference.hashPairs(nodes);
      expect(kernels.sha256.hashPairs(nodes)).toEqual(expected);
      const rest = nodes.slice(32 * count);
      expect(kernels.sha256.hashPairs(nodes, nodes)).toBe(nodes);
      expect(nodes.slice(0, 32 * count)).toEqual(expected);
      expect(nodes.slice(32 * count)).toEqual(rest);
    }
  });

  it.each([40, 1500])('hashes many items of %d bytes in place', (itemBytes) => {
    const input = testBytes(itemBytes * 50, 9);
    const expected = reference.hashMany(input, itemBytes, { prefix: 1 });
    kernels.sha256.hashMany(input, itemBytes, { prefix: 1, out: input });
    expect(input.subarray(0, 32 * 50)).toEqual(expected);
  });

  it.each([65_536, 65_537])('equals the reference at items of %d bytes', (itemBytes) => {
    const input = testBytes(2 * itemBytes, 5);
    const before = input.slice();
    for (const prefix of [undefined, 7])
      expect(kernels.sha256.hashMany(input, itemBytes, { prefix })).toEqual(
        reference.hashMany(input, itemBytes, { prefix }),
      );
    expect(input).toEqual(before);
  });

  it('asserts what does not fit', () => {
    const { sha256 } = kernels;
    expect(() => sha256.hashMany(new Uint8Array(5), 2)).toThrow(/whole number/);
    expect(() => sha256.hashMany(new Uint8Array(4), 0)).toThrow(/positive/);
    expect(() => sha256.hashMany(new Uint8Array(4), 2, { prefix: 256 })).toThrow(/byte/);
    expect(() => sha256.hashMany(new Uint8Array(4), 2, { out: new Uint8Array(63) })).toThrow(
      /too short/,
    );
    expect(() => sha256.hashPairs(new Uint8Array(63))).toThrow(/whole number/);
  });
});
