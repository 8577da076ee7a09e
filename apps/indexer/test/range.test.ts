import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allowsRange, contentDisposition, matchesTag, parseRange } from '../src/http/range.ts';

describe('a Range header', () => {
  it.each([
    ['bytes=0-9', { start: 0, end: 10 }],
    ['bytes=10-', { start: 10, end: 100 }],
    ['bytes=-30', { start: 70, end: 100 }],
    ['bytes=-1000', { start: 0, end: 100 }],
    ['bytes=90-1000', { start: 90, end: 100 }],
    ['bytes=99-99', { start: 99, end: 100 }],
    ['Bytes = 0-0 ', { start: 0, end: 1 }],
    ['bytes=100-', 'unsatisfiable'],
    ['bytes=100-200', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=9-0', undefined],
    ['bytes=-', undefined],
    ['bytes=', undefined],
    ['bytes=0-1,5-6', undefined],
    ['items=0-1', undefined],
    ['bytes=0x0-1', undefined],
    ['bytes=1e1-', undefined],
    [`bytes=0-${'9'.repeat(40)}`, undefined],
    [undefined, undefined],
  ])('%s of 100 bytes', (header, expected) => {
    expect(parseRange(header, 100)).toEqual(expected);
  });

  it('whatever it holds, a range lies in the file', () => {
    const number = fc.oneof(fc.constant(''), fc.nat().map(String));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1e6 }), number, number, (size, first, last) => {
        const range = parseRange(`bytes=${first}-${last}`, size);
        if (range === undefined || range === 'unsatisfiable') return;
        expect(range.start).toBeGreaterThanOrEqual(0);
        expect(range.end).toBeGreaterThan(range.start);
        expect(range.end).toBeLessThanOrEqual(size);
      }),
    );
  });
});

describe('entity tags', () => {
  it.each([
    ['"a"', true],
    ['W/"a"', true],
    ['*', true],
    ['"b", "a"', true],
    ['"b"', false],
    ['a', false],
    [undefined, false],
  ])('If-None-Match %s', (header, expected) => {
    expect(matchesTag(header, '"a"')).toBe(expected);
  });

  it('If-Range wants the strong tag', () => {
    expect(allowsRange(undefined, '"a"')).toBe(true);
    expect(allowsRange('"a"', '"a"')).toBe(true);
    expect(allowsRange('W/"a"', '"a"')).toBe(false);
    expect(allowsRange('Tue, 24 Nov 2026 00:00:00 GMT', '"a"')).toBe(false);
  });
});

describe('the name of a download', () => {
  it('cannot leave its header or its folder', () => {
    expect(contentDisposition('photo.raw')).toBe('attachment; filename="photo.raw"');
    expect(contentDisposition('été.txt')).toBe(
      'attachment; filename="_t_.txt"; filename*=UTF-8\'\'%C3%A9t%C3%A9.txt',
    );
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (name) => {
        expect(contentDisposition(name)).toMatch(
          /^attachment; filename="[\w.-]+"(; filename\*=UTF-8''[\w.~%-]*)?$/,
        );
      }),
    );
  });
});
