import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { referenceKernels } from '../../src/index.ts';
import { backends, testBytes } from '../support/backends.ts';

const reference = referenceKernels();

describe.each(backends)('xorInPlace on $name', ({ load }) => {
  it('equals the reference on any length and alignment, and on itself gives zeros', async () => {
    const kernels = await load();
    fc.assert(
      fc.property(fc.nat(700), fc.nat(15), fc.nat(15), (length, a, b) => {
        const target = testBytes(length, 1, a);
        const source = testBytes(length, 2, b);
        const expected = target.slice();
        reference.xorInPlace(expected, source);
        kernels.xorInPlace(target, source);
        expect(target).toEqual(expected);
        expect(source).toEqual(testBytes(length, 2));
        kernels.xorInPlace(source, source);
        expect(source).toEqual(new Uint8Array(length));
      }),
    );
    expect(() => kernels.xorInPlace(new Uint8Array(3), new Uint8Array(4))).toThrow(/equal lengths/);
  });
});
