import { concatBytes } from '@cairn/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkRowsBody,
  decodeRowsHead,
  encodeRowsHead,
  encodeRowsProof,
  splitRowsBody,
} from '../src/index.ts';

const invalid = expect.objectContaining({ code: 'PROTOCOL_ROWS', kind: 'invalid' });
const head = fc.record({
  header: fc.uint8Array({ maxLength: 384 }),
  authorization: fc.uint8Array({ maxLength: 65 }),
  member: fc.nat(65_535),
});
const hashes = (max: number) =>
  fc.nat(max).map((count) => new Uint8Array(32 * count).fill(count + 1));

describe('an upload of rows', () => {
  it('has a head that decodes to what was encoded', () => {
    fc.assert(
      fc.property(head, (one) => {
        expect(decodeRowsHead(encodeRowsHead(one))).toEqual(one);
      }),
    );
  });

  it.each<[string, Record<string, string | string[] | undefined>]>([
    ['a missing field', { 'cairn-header': undefined }],
    ['a field that came twice', { 'cairn-header': ['0x00', '0x00'] }],
    ['no hex', { 'cairn-authorization': '0xzz' }],
    ['half a byte', { 'cairn-authorization': '0x123' }],
    ['a field beyond every header', { 'cairn-header': `0x${'00'.repeat(3000)}` }],
    ['a negative member', { 'cairn-member': '-1' }],
    ['a member that is no integer', { 'cairn-member': '1e3' }],
    ['a member beyond every quorum', { 'cairn-member': '100000' }],
  ])('is refused with %s', (_what, change) => {
    const good = encodeRowsHead({
      header: new Uint8Array(384),
      authorization: new Uint8Array(65),
      member: 1,
    });
    expect(() => decodeRowsHead({ ...good, ...change })).toThrowError(invalid);
  });

  it('has a body that splits into what it was made of', () => {
    fc.assert(
      fc.property(
        hashes(9),
        fc.nat(64),
        fc.uint8Array({ maxLength: 300 }),
        (siblings, rlcRows, rows) => {
          const proof = {
            rowRoot: new Uint8Array(32).fill(7),
            rlc: new Uint8Array(16 * rlcRows).fill(8),
            siblings,
          };
          const body = concatBytes(...encodeRowsProof(proof), rows);
          const lengths = { rlcBytes: proof.rlc.length, rowsBytes: rows.length };
          checkRowsBody(body.length, { ...lengths, siblingsMax: 9 });
          expect(splitRowsBody(body, lengths)).toEqual({ ...proof, rows });
        },
      ),
    );
  });

  it('is refused when its length fits no number of siblings, or too many', () => {
    const lengths = { rlcBytes: 160, rowsBytes: 640, siblingsMax: 5 };
    const least = 32 + 160 + 640;
    for (const bytes of [0, least - 1, least + 1, least + 31, least + 6 * 32, NaN, -1])
      expect(() => checkRowsBody(bytes, lengths)).toThrowError(invalid);
    for (let siblings = 0; siblings <= 5; siblings++) checkRowsBody(least + 32 * siblings, lengths);
  });
});
