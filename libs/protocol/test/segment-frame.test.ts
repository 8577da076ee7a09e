import { concatBytes } from '@cairn/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BYTES_PER_SEGMENT,
  decodeFrames,
  encodeFrameHead,
  encodeFrameParts,
  SEGMENTS_PER_CALL_MAX,
  type SegmentFrame,
} from '../src/index.ts';

const frame: fc.Arbitrary<SegmentFrame> = fc.record({
  index: fc.nat(2 ** 32 - 1),
  siblings: fc
    .uint8Array({ maxLength: 6 })
    .map((seed) => new Uint8Array(seed.length * 32).fill(seed[0] ?? 0)),
  data: fc.uint8Array({ minLength: 1, maxLength: 2048 }),
});
const encodeFrames = (frames: SegmentFrame[]): Uint8Array =>
  concatBytes(...encodeFrameParts(frames));
const invalid = expect.objectContaining({ code: 'PROTOCOL_FRAME', kind: 'invalid' });

describe('segment frames', () => {
  it('decode undoes encode, and the head alone is its prefix', () => {
    fc.assert(
      fc.property(fc.array(frame, { minLength: 1, maxLength: SEGMENTS_PER_CALL_MAX }), (frames) => {
        const body = encodeFrames(frames);
        expect(decodeFrames(body)).toEqual(frames);
        const head = encodeFrameHead(frames[0]!);
        expect(body.subarray(0, head.length)).toEqual(head);
      }),
    );
  });

  it('every truncation of a body is refused', () => {
    const body = encodeFrames([
      { index: 1, siblings: new Uint8Array(64), data: new Uint8Array(256) },
    ]);
    for (let length = 0; length < body.length; length++) {
      expect(() => decodeFrames(body.subarray(0, length))).toThrowError(invalid);
    }
  });

  it('refuses oversized segments, long proofs and too many frames', () => {
    const data = new Uint8Array(256);
    expect(() =>
      decodeFrames(
        encodeFrames([
          { index: 0, siblings: new Uint8Array(0), data: new Uint8Array(BYTES_PER_SEGMENT + 1) },
        ]),
      ),
    ).toThrowError(invalid);
    expect(() =>
      decodeFrames(encodeFrames([{ index: 0, siblings: new Uint8Array(65 * 32), data }])),
    ).toThrowError(invalid);
    expect(() =>
      decodeFrames(
        encodeFrames(
          Array.from({ length: SEGMENTS_PER_CALL_MAX + 1 }, (_, index) => ({
            index,
            siblings: new Uint8Array(0),
            data,
          })),
        ),
      ),
    ).toThrowError(invalid);
  });

  it('random bytes either decode within bounds or give the typed error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        try {
          expect(decodeFrames(bytes).length).toBeLessThanOrEqual(SEGMENTS_PER_CALL_MAX);
        } catch (error) {
          expect(error).toEqual(invalid);
        }
      }),
    );
  });
});
