import { equalBytes } from '@cairn/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DA_SHAPES,
  type EncodedBlob,
  encodeBlob,
  openRange,
  proveRange,
  RANGE_BYTES_MAX,
} from '../../src/index.ts';
import { codeOf, flipped, payloadOf, plainKernels } from '../support.ts';

const kernels = plainKernels();
const encode = (dataRows: number, payloadBytes: number): EncodedBlob =>
  encodeBlob(kernels, payloadOf(payloadBytes), {
    version: 0x11,
    shape: { id: 200, dataRows, parityRows: 3 * dataRows },
  });
// Rows of 64, 2112 (two pieces, the second of 64 bytes) and 4160 bytes (three pieces).
const blobs = [encode(4, 250), encode(4, 8_188), encode(4, 16_500)];

const cases = fc
  .tuple(fc.nat(blobs.length - 1), fc.nat(), fc.integer({ min: 1, max: RANGE_BYTES_MAX }))
  .map(([i, at, bytes]) => {
    const blob = blobs[i]!;
    const payload = payloadOf([250, 8_188, 16_500][i]!);
    const start = at % payload.length;
    return { blob, payload, range: { start, end: Math.min(start + bytes, payload.length) } };
  });

describe('a proof of a few bytes of a blob', () => {
  it('opens to the bytes at any offset, also across pieces and rows', () => {
    fc.assert(
      fc.property(cases, ({ blob, payload, range }) => {
        const opened = openRange(kernels.sha256, blob, range, proveRange(blob, range));
        expect(equalBytes(opened, payload.subarray(range.start, range.end))).toBe(true);
      }),
      {
        examples: [2043, 2107, 2111, 2112].map(
          (start) =>
            [
              { blob: blobs[1]!, payload: payloadOf(8_188), range: { start, end: start + 32 } },
            ] as const,
        ) as never,
        numRuns: 300,
      },
    );
  });

  it('is refused with any bit changed, any byte more or less, or for another range', () => {
    fc.assert(
      fc.property(cases, fc.nat(), ({ blob, range }, bit) => {
        const proof = proveRange(blob, range);
        const open = (bytes: Uint8Array): unknown =>
          codeOf(() => openRange(kernels.sha256, blob, range, bytes));
        expect(open(flipped(proof, bit))).toBe('ERASURE_COMMITMENT');
        expect(open(proof.subarray(1))).toBe('ERASURE_PROOF_LENGTH');
        expect(open(new Uint8Array(proof.length + 1))).toBe('ERASURE_PROOF_LENGTH');
        const next = {
          start: range.start + blob.format.rowBytes,
          end: range.end + blob.format.rowBytes,
        };
        if (next.end + 5 <= 4 * blob.format.rowBytes)
          expect(codeOf(() => openRange(kernels.sha256, blob, next, proof))).toMatch(
            /^ERASURE_(COMMITMENT|PROOF_LENGTH)$/,
          );
      }),
    );
  });

  it('is 480 bytes for a small blob of the network', () => {
    const blob = encodeBlob(kernels, payloadOf(1000), { version: 0x11, shape: DA_SHAPES[0] });
    expect(proveRange(blob, { start: 0, end: 32 })).toHaveLength(32 + 64 + 12 * 32);
  });
});
