import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Kernels, loadKernels, referenceKernels } from '../src/index.ts';
import { loadNativeKernels } from '../src/node/index.ts';

const reference = referenceKernels();
const native = loadNativeKernels();
const backends: [string, () => Promise<Kernels>][] = [['wasm', () => loadKernels()]];
if (native.kernels) {
  for (const isa of ['portable', 'avx2', 'avx512', 'neon'] as const) {
    if (native.select(isa)) {
      backends.push([
        `native ${isa}`,
        async () => {
          native.select(isa);
          return native.kernels;
        },
      ]);
    }
  }
}

describe.each(backends)('%s kernels', (_, load) => {
  let kernels: Kernels;
  beforeAll(async () => {
    kernels = await load();
  });

  it('hashes the empty input', () => {
    expect(Buffer.from(kernels.keccak256(new Uint8Array(0))).toString('hex')).toBe(
      'c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470',
    );
  });

  it('equals the reference at every length around the rate', async () => {
    await load();
    for (let length = 0; length <= 409; length++) {
      const input = Uint8Array.from({ length }, (_, i) => i * 7 + length);
      expect(kernels.keccak256(input)).toEqual(reference.keccak256(input));
    }
  });

  it('equals the reference on batches of any count and unaligned views', async () => {
    await load();
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 300 }),
        fc.nat(19),
        fc.nat(7),
        fc.nat(255),
        (itemBytes, count, offset, seed) => {
          const input = Uint8Array.from(
            { length: offset + itemBytes * count },
            (_, i) => i * 31 + seed,
          ).subarray(offset);
          expect(kernels.keccak256Many(input, itemBytes)).toEqual(
            reference.keccak256Many(input, itemBytes),
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  it('equals the reference on trees of every size', async () => {
    await load();
    for (let leaves = 1; leaves <= 1024; leaves *= 2) {
      const input = Uint8Array.from({ length: leaves * 256 * 2 }, (_, i) => i * 13 + (i >> 8));
      expect(kernels.sectorTreeRoots(input, leaves)).toEqual(
        reference.sectorTreeRoots(input, leaves),
      );
    }
  });

  it('asserts lengths that do not fit', () => {
    expect(() => kernels.keccak256Many(new Uint8Array(5), 2)).toThrow(/whole number/);
    expect(() => kernels.sectorTreeRoots(new Uint8Array(768), 3)).toThrow(/power of two/);
    expect(() => kernels.keccak256Many(new Uint8Array(4), 2, new Uint8Array(63))).toThrow(
      /too short/,
    );
  });
});
