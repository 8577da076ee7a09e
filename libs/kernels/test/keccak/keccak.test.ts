import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Kernels, loadKernels, referenceKernels } from '../../src/index.ts';
import { loadNativeKernels, loadNodeKernels } from '../../src/node/index.ts';
import { backends } from '../support/backends.ts';

const reference = referenceKernels();
const native = loadNativeKernels();

describe.each(backends)('$name kernels', ({ load }) => {
  let kernels: Kernels;
  beforeAll(async () => {
    kernels = await load();
  });

  it('hashes the known inputs', () => {
    expect(Buffer.from(kernels.keccak256(new Uint8Array(0))).toString('hex')).toBe(
      'c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470',
    );
    expect(Buffer.from(kernels.keccak256(Buffer.from('abc'))).toString('hex')).toBe(
      '4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45',
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

  it('hashes batches longer than its working memory', async () => {
    await load();
    const input = Uint8Array.from({ length: 9 * 2 ** 20 + 512 }, (_, i) => i * 7 + (i >> 8));
    const last = (hashes: Uint8Array): Uint8Array => hashes.subarray(-32);
    for (const itemBytes of [64, 256]) {
      const hashes = kernels.keccak256Many(input, itemBytes);
      const count = input.length / itemBytes;
      for (let at = 0; at < count; at += Math.floor(count / 61)) {
        const item = input.subarray(at * itemBytes, (at + 1) * itemBytes);
        expect(hashes.subarray(32 * at, 32 * at + 32)).toEqual(reference.keccak256(item));
      }
      expect(last(hashes)).toEqual(reference.keccak256(input.subarray(-itemBytes)));
    }
    const trees = kernels.sectorTreeRoots(input.subarray(512), 1024);
    expect(last(trees)).toEqual(reference.sectorTreeRoots(input.subarray(-262_144), 1024));
    const long = input.subarray(0, 5 * 2 ** 20 + 3);
    expect(kernels.keccak256(long)).toEqual(reference.keccak256(long));
  });

  it('hashes in place, leaves the rest of out alone, and reads shared memory', async () => {
    await load();
    fc.assert(
      fc.property(
        fc.integer({ min: 32, max: 300 }),
        fc.integer({ min: 1, max: 40 }),
        (itemBytes, count) => {
          const shared = new Uint8Array(new SharedArrayBuffer(itemBytes * count + 5), 5);
          shared.forEach((_, i) => {
            shared[i] = i * 11 + itemBytes;
          });
          const expected = reference.keccak256Many(shared, itemBytes);
          const rest = shared.slice(32 * count);
          expect(kernels.keccak256Many(shared, itemBytes, shared)).toBe(shared);
          expect(shared.slice(0, 32 * count)).toEqual(expected);
          expect(shared.slice(32 * count)).toEqual(rest);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('asserts lengths that do not fit', () => {
    expect(() => kernels.keccak256Many(new Uint8Array(5), 2)).toThrow(/whole number/);
    expect(() => kernels.sectorTreeRoots(new Uint8Array(768), 3)).toThrow(/power of two/);
    expect(() => kernels.keccak256Many(new Uint8Array(4), 2, new Uint8Array(63))).toThrow(
      /too short/,
    );
  });
});

describe('loading', () => {
  it('says which backend runs', async () => {
    expect((await loadKernels()).backend).toBe('wasm');
    expect((await loadKernels({ backend: 'native' })).backend).toBe('wasm');
    expect((await loadKernels({ backend: 'reference' })).backend).toBe('reference');
    const best = native.kernels ? 'native' : 'wasm';
    for (const backend of ['auto', 'native'] as const) {
      const loaded = await loadNodeKernels(backend);
      expect(loaded.kernels.backend).toBe(best);
      expect(loaded.why).toContain(best === 'native' ? 'native addon' : 'WebAssembly');
    }
    expect((await loadNodeKernels('wasm')).kernels.backend).toBe('wasm');
  });

  it('two instances do not share memory', async () => {
    const [a, b] = [await loadKernels(), await loadKernels()];
    const first = a.keccak256Many(new Uint8Array(640), 64);
    b.keccak256Many(new Uint8Array(640).fill(1), 64);
    expect(a.keccak256Many(new Uint8Array(640), 64)).toEqual(first);
  });
});
