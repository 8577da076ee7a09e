import { concatBytes, seededRandom } from '@cairn/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CODED_FILE_BYTES_MIN,
  codedFileLayout,
  FRAGMENT_BYTES,
  fragmentOfData,
  fragmentOfParity,
  fragmentPlace,
  STRIPE_DATA,
  type StripeCode,
  stripeCode,
} from '../../src/index.ts';
import { interpolate } from '../reference.ts';
import { plainKernels } from '../support.ts';

const { galois } = plainKernels();
const codes = [32, 24] as const;
const layoutArbitrary = fc.tuple(
  fc.integer({ min: CODED_FILE_BYTES_MIN, max: 2 ** 31 }),
  fc.constantFrom<StripeCode>(...codes),
);

describe('where fragments lie', () => {
  it('the spec’s table for (16,32): parity of B on residues 0..15, of A on 16..31', () => {
    const layout = codedFileLayout(64 * FRAGMENT_BYTES, 32);
    expect(layout).toMatchObject({ dataSegments: 64, stripes: 4, paritySegments: 64 });
    const place = (stripe: number, position: number) => fragmentPlace(layout, { stripe, position });
    expect(place(0, 0)).toEqual({ kind: 'data', segmentIndex: 0 });
    expect(place(1, 15)).toEqual({ kind: 'data', segmentIndex: 31 });
    expect(place(0, 16)).toEqual({ kind: 'parity', segmentIndex: 16 });
    expect(place(1, 16)).toEqual({ kind: 'parity', segmentIndex: 0 });
    expect(place(2, 31)).toEqual({ kind: 'parity', segmentIndex: 63 });
    expect(place(3, 31)).toEqual({ kind: 'parity', segmentIndex: 47 });
  });

  it('the spec’s table for (16,24): 0..7 B of 2v, 8..15 B of 2v+1, 16..23 A of 2v, 24..31 A of 2v+1', () => {
    const layout = codedFileLayout(64 * FRAGMENT_BYTES, 24);
    expect(layout).toMatchObject({ stripes: 4, paritySegments: 32 });
    const first = (stripe: number) => fragmentPlace(layout, { stripe, position: 16 });
    expect(first(1)).toEqual({ kind: 'parity', segmentIndex: 0 });
    expect(first(3)).toEqual({ kind: 'parity', segmentIndex: 8 });
    expect(first(0)).toEqual({ kind: 'parity', segmentIndex: 16 });
    expect(first(2)).toEqual({ kind: 'parity', segmentIndex: 24 });
  });

  it('no two fragments of a stripe share a residue modulo 32, and every place leads back', () => {
    fc.assert(
      fc.property(layoutArbitrary, fc.nat(), ([bytes, code], pick) => {
        const layout = codedFileLayout(bytes, code);
        const stripe = pick % layout.stripes;
        const residues = new Set<number>();
        for (let position = 0; position < code; position++) {
          const place = fragmentPlace(layout, { stripe, position });
          if (place.kind === 'zero') {
            expect(STRIPE_DATA * stripe + position).toBeGreaterThanOrEqual(layout.dataSegments);
            continue;
          }
          residues.add(place.segmentIndex % 32);
          const back =
            place.kind === 'data'
              ? fragmentOfData(layout, place.segmentIndex)
              : fragmentOfParity(layout, place.segmentIndex);
          expect(back).toEqual({ stripe, position });
        }
        const zeros = [...Array(STRIPE_DATA).keys()].filter(
          (position) => STRIPE_DATA * stripe + position >= layout.dataSegments,
        );
        expect(residues.size).toBe(code - zeros.length);
      }),
    );
  });

  it('every parity segment belongs to one fragment, but the unused ones of an odd last window of (16,24)', () => {
    for (const windows of [1, 2, 3]) {
      for (const code of codes) {
        const layout = codedFileLayout(windows * 32 * FRAGMENT_BYTES, code);
        const seen = new Set<string>();
        let unused = 0;
        for (let index = 0; index < layout.paritySegments; index++) {
          const found = fragmentOfParity(layout, index);
          if (found) seen.add(`${found.stripe}/${found.position}`);
          else unused++;
        }
        expect(seen.size).toBe(layout.stripes * (code - 16));
        expect(unused).toBe(code === 24 && windows % 2 === 1 ? 16 : 0);
      }
    }
  });
});

describe('stripes', () => {
  it('are GF(2^16) code words in the natural layout, column by column', () => {
    const data = Array.from({ length: 16 }, (_, i) => seededRandom(i + 1).bytes(64));
    for (const code of codes) {
      const parity = stripeCode(galois, code).encode(concatBytes(...data), 64);
      const points = [...Array(code).keys()];
      const expected = interpolate(points.slice(0, 16), data, points.slice(16));
      expect(parity).toEqual(concatBytes(...expected));
    }
  });
});
