// Every backend gives the bytes of the reference, on random shapes, alignments, column ranges and row lists.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type GaloisKernels, referenceKernels } from '../../src/index.ts';
import { backends, testBytes } from '../support/backends.ts';
import { FIELDS } from '../support/galois.ts';

const reference = referenceKernels().galois;

const fields = fc.constantFrom(...FIELDS);
const seed = fc.nat();
const offset = fc.nat(65);
/** Row length and columns in units of 64 bytes; GF(2^8) gets an odd length. */
const widths = fc
  .tuple(
    fc.integer({ min: 1, max: 40 }),
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.nat(63),
  )
  .map(([blocks, a, b, odd]) => ({ blocks, odd, low: Math.min(a, b), high: Math.max(a, b) }));
type Widths = typeof widths extends fc.Arbitrary<infer T> ? T : never;

function rowShape(field: 8 | 16, { blocks, odd, low, high }: Widths) {
  const unit = field === 8 ? 1 : 64;
  const count = field === 8 ? 64 * blocks - odd : blocks;
  const at = (part: number): number => Math.floor(part * (count + 1) * 0.999_999) * unit;
  return { rowBytes: count * unit, columns: { start: at(low), end: at(high) } };
}

/** Runs a job on both, with targets that hold the same bytes before; the results and the inputs must agree. */
function same<Job>(
  kernels: GaloisKernels,
  name: 'mulAdd' | 'transform' | 'multiplyMatrix' | 'recover',
  build: () => { job: Job; target: Uint8Array; source: Uint8Array },
): void {
  const expected = build();
  const actual = build();
  (reference[name] as unknown as (job: Job) => void)(expected.job);
  (kernels[name] as unknown as (job: Job) => void)(actual.job);
  expect(Buffer.compare(actual.target, expected.target)).toBe(0);
  expect(Buffer.compare(actual.source, expected.source)).toBe(0);
}

describe.each(backends)('$name equals the reference', ({ load }) => {
  it('mulAdd', async () => {
    const kernels = (await load()).galois;
    const lengths = fc.oneof(fc.nat(70), fc.nat(5000));
    fc.assert(
      fc.property(
        fields,
        lengths,
        fc.nat(65_535),
        seed,
        offset,
        offset,
        (math, length, value, s, a, b) => {
          const bytes = math.field === 8 ? length : 64 * Math.floor(length / 64);
          const constant = value % (1 << math.field);
          same(kernels, 'mulAdd', () => {
            const source = testBytes(bytes, s, a);
            const target = testBytes(bytes, s + 1, b);
            return { job: { ...math, target, source, constant }, target, source };
          });
        },
      ),
      { numRuns: 40 },
    );
  });

  it('mulAdd of a row longer than working memory takes at once', async () => {
    const kernels = (await load()).galois;
    same(kernels, 'mulAdd', () => {
      const source = testBytes(1_200_001, 1);
      const target = testBytes(source.length, 2);
      return { job: { field: 8, target, source, constant: 3 }, target, source };
    });
  });

  it('mulAdd of an array onto itself', async () => {
    const kernels = (await load()).galois;
    for (const math of FIELDS) {
      for (const constant of [0, 1, 2, 77]) {
        same(kernels, 'mulAdd', () => {
          const target = testBytes(640, constant, 3);
          return { job: { ...math, target, source: target, constant }, target, source: target };
        });
      }
    }
  });

  it('multiplyMatrix', async () => {
    const kernels = (await load()).galois;
    const count = fc.oneof(
      { weight: 9, arbitrary: fc.integer({ min: 1, max: 20 }) },
      { weight: 1, arbitrary: fc.constant(131) },
    );
    fc.assert(
      fc.property(
        fields,
        count,
        fc.nat(9),
        widths,
        seed,
        offset,
        fc.boolean(),
        (math, sources, targets, width, s, a, listed) => {
          const { rowBytes, columns } = rowShape(math.field, width);
          const random = testBytes(2 * sources * targets, s + 2);
          const constants = Array.from({ length: sources * targets }, (_, i) => {
            const value = random[2 * i]! | (random[2 * i + 1]! << 8);
            return value % (1 << math.field);
          });
          same(kernels, 'multiplyMatrix', () => {
            const source = testBytes(sources * rowBytes, s, a);
            const target = testBytes((targets + 3) * rowBytes, s + 1, a + 1);
            const lists = {
              sourceRows: Array.from({ length: sources }, (_, i) => sources - 1 - i),
              targetRows: Array.from({ length: targets }, (_, i) => targets + 2 - i),
            };
            const job = {
              ...math,
              rowBytes,
              columns,
              constants,
              source,
              target,
              ...(listed ? lists : {}),
            };
            return { job, target, source };
          });
        },
      ),
      { numRuns: 60 },
    );
  });

  it('transform', async () => {
    const kernels = (await load()).galois;
    fc.assert(
      fc.property(
        fields,
        fc.nat(6),
        fc.tuple(fc.nat(3), fc.nat(3), fc.nat(300), fc.nat(300)),
        widths,
        seed,
        offset,
        (math, logBlock, [sourceBlock, targetBlock, sourceCount, targetCount], width, s, a) => {
          const blockRows = 1 << logBlock;
          const { rowBytes, columns } = rowShape(math.field, width);
          const sourceRows = sourceCount % (2 * blockRows + 1);
          const targetRows = targetCount % (3 * blockRows + 1);
          const points = {
            sourcePoint: sourceBlock * blockRows,
            targetPoint: targetBlock * blockRows,
          };
          fc.pre(
            Math.max(points.sourcePoint + sourceRows, points.targetPoint + targetRows) <=
              1 << math.field,
          );
          same(kernels, 'transform', () => {
            const source = testBytes(sourceRows * rowBytes, s, a);
            const target = testBytes(targetRows * rowBytes, s + 1, a + 2);
            const job = {
              ...math,
              blockRows,
              rowBytes,
              columns,
              source,
              sourceRows,
              target,
              targetRows,
              ...points,
            };
            return { job, target, source };
          });
        },
      ),
      { numRuns: 80 },
    );
  });

  it('transform of many narrow and of few wide rows', async () => {
    const kernels = (await load()).galois;
    const shapes = [
      { field: 16, blockRows: 1024, rowBytes: 64, sourceRows: 1000, targetRows: 1030 },
      { field: 16, blockRows: 2048, rowBytes: 64, sourceRows: 2048, targetRows: 2048 },
      { field: 16, blockRows: 4, rowBytes: 131_072, sourceRows: 4, targetRows: 5 },
      { field: 8, blockRows: 16, rowBytes: 70_001, sourceRows: 16, targetRows: 16 },
      { field: 8, blockRows: 128, rowBytes: 9000, sourceRows: 128, targetRows: 128 },
    ] as const;
    for (const shape of shapes) {
      same(kernels, 'transform', () => {
        const source = testBytes(shape.sourceRows * shape.rowBytes, 5);
        const target = new Uint8Array(shape.targetRows * shape.rowBytes);
        const job = { ...shape, source, sourcePoint: 0, target, targetPoint: shape.blockRows };
        return { job, target, source };
      });
    }
  });

  it('recover', async () => {
    const kernels = (await load()).galois;
    fc.assert(
      fc.property(fields, fc.nat(7), widths, seed, offset, (math, logSize, width, s, a) => {
        const size = 1 << logSize;
        const { rowBytes, columns } = rowShape(math.field, width);
        const dice = testBytes(2 * size, s + 2);
        const scales = (salt: number): Uint16Array => {
          const random = testBytes(2 * size, s + salt);
          return Uint16Array.from(
            { length: size },
            (_, p) => (random[2 * p]! | (random[2 * p + 1]! << 8)) % (1 << math.field),
          );
        };
        const inputRows = Int32Array.from({ length: size }, (_, p) => (dice[p]! < 128 ? p : -1));
        const outputRows = Int32Array.from({ length: size }, (_, p) =>
          dice[size + p]! < 100 ? size - 1 - p : -1,
        );
        same(kernels, 'recover', () => {
          const input = testBytes(size * rowBytes, s, a);
          const output = testBytes(size * rowBytes, s + 1, a + 1);
          const job = {
            ...math,
            size,
            rowBytes,
            columns,
            input,
            inputRows,
            inputScale: scales(3),
            output,
            outputRows,
            outputScale: scales(4),
          };
          return { job, target: output, source: input };
        });
      }),
      { numRuns: 40 },
    );
  });

  it('in its workspace', async () => {
    const kernels = (await load()).galois;
    let calls = 0;
    // `same` builds the reference's job first: that one gets memory of its own.
    const place = (parts: readonly Uint8Array[]): Uint8Array[] => {
      if (calls++ % 2 === 0) return [...parts];
      const room = kernels.workspace(parts.reduce((sum, { length }) => sum + length, 0));
      let at = 0;
      return parts.map((part) => {
        const view = room.subarray(at, at + part.length);
        view.set(part);
        at += part.length;
        return view;
      });
    };
    for (const [blockRows, sourceRows, targetRows] of [
      [1, 3, 2],
      [2, 3, 4],
      [4, 3, 8],
      [8, 8, 12],
      [16, 16, 19],
    ] as const) {
      for (const columns of [
        { start: 0, end: 192 },
        { start: 64, end: 128 },
      ]) {
        same(kernels, 'transform', () => {
          const shape = {
            field: 16,
            blockRows,
            rowBytes: 192,
            columns,
            sourceRows,
            targetRows,
          } as const;
          const [source, target, guard] = place([
            testBytes(192 * sourceRows, 1),
            testBytes(192 * targetRows, 2),
            testBytes(192 * 4, 3),
          ]) as [Uint8Array, Uint8Array, Uint8Array];
          const job = { ...shape, source, sourcePoint: 0, target, targetPoint: blockRows };
          return { job, target, source: guard };
        });
      }
    }
    for (const rowBytes of [64, 100, 640]) {
      same(kernels, 'multiplyMatrix', () => {
        const [source, target] = place([
          testBytes(5 * rowBytes, 4),
          testBytes(3 * rowBytes, 5),
        ]) as [Uint8Array, Uint8Array];
        return {
          job: { field: 8, rowBytes, source, target, constants: testBytes(15, 6) },
          target,
          source,
        };
      });
    }
    const job = { rows: testBytes(70 * 128, 7), rowBytes: 128, coefficients: testBytes(1024, 8) };
    const rows = kernels.workspace(job.rows.length);
    rows.set(job.rows);
    expect(kernels.combineRows({ ...job, rows })).toEqual(reference.combineRows(job));
    // Views given out earlier stay usable: a larger wish moves nothing, one beyond the memory gets other bytes.
    for (const bytes of [100_000_000, 135_000_000])
      expect(kernels.workspace(bytes).length).toBe(bytes);
    expect(rows).toEqual(job.rows);
  });

  it('combineRows', async () => {
    const kernels = (await load()).galois;
    const counts = fc.oneof(fc.nat(9), fc.constantFrom(63, 64, 65, 219, 220, 300));
    fc.assert(
      fc.property(
        counts,
        fc.integer({ min: 1, max: 6 }),
        seed,
        offset,
        offset,
        (count, blocks, s, a, b) => {
          const job = {
            rows: testBytes(count * blocks * 64, s, a),
            rowBytes: blocks * 64,
            coefficients: testBytes(blocks * 512, s + 1, b),
          };
          const expected = reference.combineRows(job);
          expect(kernels.combineRows(job)).toEqual(expected);
          const out = new Uint8Array(16 * count + 5).fill(9);
          expect(kernels.combineRows({ ...job, out })).toBe(out);
          expect(out).toEqual(Uint8Array.of(...expected, 9, 9, 9, 9, 9));
        },
      ),
      { numRuns: 40 },
    );
  });
});
