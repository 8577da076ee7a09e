import { concatBytes, seededRandom } from '@cairn/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ReedSolomon, type RsLayout, type RsShape } from '../../src/index.ts';
import { encodeRows, interpolate, points } from '../reference.ts';
import { codeOf, faultCount, faultSeed, plainKernels } from '../support.ts';

const { galois } = plainKernels();
const layouts = ['natural', 'leopard-high'] as const;

/** A code word of random data: all rows, and row i of it. */
function codeWord(shape: RsShape, rowBytes: number, seed: number) {
  const code = new ReedSolomon(galois, shape);
  const data = seededRandom(seed).bytes(shape.dataRows * rowBytes);
  const rows = concatBytes(data, code.encode(data, rowBytes));
  const row = (index: number): Uint8Array =>
    rows.subarray(index * rowBytes, (index + 1) * rowBytes);
  const pick = (indices: readonly number[]): Uint8Array => concatBytes(...indices.map(row));
  return { code, data, rows, row, pick };
}

/** All subsets of `size` of 0..count-1. */
function* subsets(count: number, size: number, from = 0): Generator<number[]> {
  if (size === 0) {
    yield [];
    return;
  }
  for (let first = from; first <= count - size; first++)
    for (const rest of subsets(count, size - 1, first + 1)) yield [first, ...rest];
}

describe('encoding', () => {
  it('is what interpolation gives, for both layouts and counts that are no powers of two', () => {
    const counts = [
      [1, 1],
      [1, 3],
      [2, 1],
      [3, 2],
      [3, 5],
      [4, 4],
      [5, 3],
      [6, 7],
      [8, 3],
    ] as const;
    for (const layout of layouts) {
      for (const [dataRows, parityRows] of counts) {
        const shape = { field: 16, layout, dataRows, parityRows } as const;
        const { row, rows } = codeWord(shape, 64, dataRows * 10 + parityRows);
        const data = Array.from({ length: dataRows }, (_, i) => row(i));
        const parity = encodeRows(layout, data, parityRows);
        expect(rows.subarray(dataRows * 64)).toEqual(concatBytes(...parity));
      }
    }
  });

  it('is linear and systematic: the zero word, and sums of words, are words', () => {
    const shape: RsShape = { field: 8, layout: 'natural', dataRows: 5, parityRows: 9 };
    const code = new ReedSolomon(galois, shape);
    const [a, b] = [codeWord(shape, 48, 1), codeWord(shape, 48, 2)];
    expect(code.verify(new Uint8Array(14 * 48), 48)).toBe(true);
    expect(
      code.verify(
        a.rows.map((byte, i) => byte ^ b.rows[i]!),
        48,
      ),
    ).toBe(true);
  });

  it('both layouts are the same code where both counts are one power of two', () => {
    for (const field of [8, 16] as const) {
      const [natural, high] = layouts.map(
        (layout) => codeWord({ field, layout, dataRows: 8, parityRows: 8 }, 64, 3).rows,
      );
      expect(natural).toEqual(high);
    }
  });

  it('verify finds one changed bit in any row', () => {
    for (const layout of layouts) {
      const { code, rows } = codeWord({ field: 16, layout, dataRows: 3, parityRows: 4 }, 64, 4);
      expect(code.verify(rows, 64)).toBe(true);
      for (let at = 0; at < rows.length; at += 17) {
        const changed = rows.slice();
        changed[at]! ^= 1 << (at & 7);
        expect(code.verify(changed, 64)).toBe(false);
      }
    }
  });

  it('shapes beyond the field are a bug of the caller', () => {
    const shapes: RsShape[] = [
      { field: 8, layout: 'natural', dataRows: 129, parityRows: 1 },
      { field: 8, layout: 'leopard-high', dataRows: 128, parityRows: 129 },
      { field: 16, layout: 'natural', dataRows: 32_768, parityRows: 32_769 },
      { field: 16, layout: 'natural', dataRows: 0, parityRows: 4 },
      { field: 16, layout: 'natural', dataRows: 4, parityRows: 0.5 },
    ];
    for (const shape of shapes) expect(() => new ReedSolomon(galois, shape)).toThrow(/assertion/);
    // The largest of each.
    new ReedSolomon(galois, { field: 8, layout: 'natural', dataRows: 128, parityRows: 128 });
    new ReedSolomon(galois, { field: 16, layout: 'natural', dataRows: 32_768, parityRows: 32_768 });
    new ReedSolomon(galois, {
      field: 16,
      layout: 'leopard-high',
      dataRows: 61_440,
      parityRows: 4096,
    });
  });
});

describe('reconstruction', () => {
  it('every loss pattern of small codes: all rows come back from every K of n', ({ task }) => {
    let patterns = 0;
    const counts = [
      [1, 2],
      [2, 2],
      [3, 3],
      [4, 3],
      [3, 5],
      [5, 2],
    ] as const;
    for (const layout of layouts) {
      for (const field of [8, 16] as const) {
        for (const [dataRows, parityRows] of counts) {
          const shape = { field, layout, dataRows, parityRows };
          const { code, rows, pick } = codeWord(shape, 64, dataRows);
          const all = [...Array(dataRows + parityRows).keys()];
          for (const indices of subsets(all.length, dataRows)) {
            const out = code.reconstruct({
              rows: pick(indices),
              indices,
              rowBytes: 64,
              wanted: all,
            });
            expect(out).toEqual(rows);
            patterns++;
          }
        }
      }
    }
    Object.assign(task.meta, { faults: patterns });
  });

  it('random losses of (16,32): every row comes back from any 16', ({ task }) => {
    const count = faultCount(50);
    const random = seededRandom(faultSeed() ?? 1);
    const shape: RsShape = { field: 16, layout: 'natural', dataRows: 16, parityRows: 16 };
    const { code, rows, pick } = codeWord(shape, 64, 16);
    const all = [...Array(32).keys()];
    for (let i = 0; i < count; i++) {
      const keys = all.map(() => random.next());
      const indices = all.toSorted((a, b) => keys[a]! - keys[b]!).slice(0, 16);
      const out = code.reconstruct({ rows: pick(indices), indices, rowBytes: 64, wanted: all });
      expect(Buffer.compare(out, rows), `rows ${indices.join(' ')}`).toBe(0);
    }
    Object.assign(task.meta, { faults: count });
  });

  const shapeArbitrary = fc
    .record({
      field: fc.constantFrom(8 as const, 16 as const),
      layout: fc.constantFrom<RsLayout>(...layouts),
      dataRows: fc.integer({ min: 1, max: 60 }),
      parityRows: fc.integer({ min: 1, max: 60 }),
    })
    .chain((shape) =>
      fc.tuple(
        fc.constant(shape),
        fc.shuffledSubarray([...Array(shape.dataRows + shape.parityRows).keys()], {
          minLength: shape.dataRows,
        }),
        fc.nat(),
      ),
    );

  it('random losses of random codes: missing rows in any order, from K rows or more in any order', () => {
    fc.assert(
      fc.property(shapeArbitrary, ([shape, indices, seed]) => {
        const rowBytes = shape.field === 8 ? 1 + (seed % 70) : 64;
        const { code, rows, pick, data } = codeWord(shape, rowBytes, seed);
        const input = { rows: pick(indices), indices, rowBytes };
        expect(code.reconstruct(input)).toEqual(data);
        const wanted = [...Array(code.rowCount).keys()].toReversed();
        const out = code.reconstruct({ ...input, wanted });
        for (const [i, index] of wanted.entries())
          expect(out.subarray(i * rowBytes, (i + 1) * rowBytes)).toEqual(
            rows.subarray(index * rowBytes, (index + 1) * rowBytes),
          );
      }),
      { numRuns: 80 },
    );
  });

  it('equals interpolation through the rows at hand', () => {
    for (const layout of layouts) {
      const shape: RsShape = { field: 16, layout, dataRows: 5, parityRows: 6 };
      const { code, row, pick } = codeWord(shape, 64, 11);
      const { rows: at, zeros } = points(layout, 5, 6);
      const indices = [9, 2, 10, 5, 7];
      const zero = new Uint8Array(64);
      const expected = interpolate(
        [...indices.map((index) => at[index]!), ...zeros],
        [...indices.map(row), ...zeros.map(() => zero)],
        at,
      );
      const wanted = [...Array(11).keys()];
      const out = code.reconstruct({ rows: pick(indices), indices, rowBytes: 64, wanted });
      expect(out).toEqual(concatBytes(...expected));
    }
  });

  it('one whole block of parity points is a plain change of points', () => {
    const shape: RsShape = { field: 16, layout: 'natural', dataRows: 8, parityRows: 24 };
    const { code, data, pick } = codeWord(shape, 64, 12);
    for (const first of [8, 16, 24]) {
      const block = Array.from({ length: 8 }, (_, i) => first + i);
      // Also among others, and not in order (which takes the general way).
      for (const indices of [
        block,
        [31, 0, ...block].slice(0, first === 24 ? 0 : 10),
        block.toReversed(),
      ]) {
        if (indices.length === 0) continue;
        expect(code.reconstruct({ rows: pick(indices), indices, rowBytes: 64 })).toEqual(data);
      }
    }
  });

  it('a wrong list of rows is refused, and the inputs are not changed', () => {
    const shape: RsShape = { field: 16, layout: 'natural', dataRows: 4, parityRows: 4 };
    const { code, pick } = codeWord(shape, 64, 13);
    const run = (indices: number[], rows = new Uint8Array(indices.length * 64)): unknown =>
      codeOf(() => code.reconstruct({ rows, indices, rowBytes: 64 }));
    expect(run([4, 5, 6])).toBe('ERASURE_TOO_FEW_ROWS');
    expect(run([])).toBe('ERASURE_TOO_FEW_ROWS');
    expect(run([4, 5, 6, 6])).toBe('ERASURE_ROW_INDEX');
    expect(run([4, 5, 6, 8])).toBe('ERASURE_ROW_INDEX');
    expect(run([4, 5, 6, -1])).toBe('ERASURE_ROW_INDEX');
    expect(run([4, 5, 6, 1.5])).toBe('ERASURE_ROW_INDEX');
    expect(run([4, 5, 6, Number.NaN])).toBe('ERASURE_ROW_INDEX');
    expect(run([4, 5, 6, 7], new Uint8Array(255))).toBe('ERASURE_ROW_LENGTH');
    expect(run([4, 5, 6, 7], new Uint8Array(320))).toBe('ERASURE_ROW_LENGTH');
    const rows = pick([4, 5, 1, 7]);
    const before = rows.slice();
    code.reconstruct({ rows, indices: [4, 5, 1, 7], rowBytes: 64 });
    expect(rows).toEqual(before);
  });
});
