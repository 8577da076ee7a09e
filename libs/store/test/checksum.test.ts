import { crc32 } from 'node:zlib';
import { seededRandom } from '@cairn/base';
import { describe, expect, it } from 'vitest';
import { foldChecksums, matchesChecksums } from '../src/checksum.ts';

const BLOCK = 4096;
const bytes = seededRandom(7).bytes(64 * BLOCK);
const sums = Uint32Array.from({ length: 64 }, (_, i) =>
  crc32(bytes.subarray(i * BLOCK, (i + 1) * BLOCK)),
);

describe('one checksum over many blocks', () => {
  it('is the one that zlib gives for every run of blocks', () => {
    for (let start = 0; start < 64; start += 5)
      for (let end = start + 1; end <= 64; end++)
        expect(foldChecksums(sums, start, end), `${start}..${end}`).toBe(
          crc32(bytes.subarray(start * BLOCK, end * BLOCK)),
        );
  });

  it('differs when a bit of the bytes or a checksum does', () => {
    const part = bytes.slice(3 * BLOCK, 60 * BLOCK);
    expect(matchesChecksums(part, sums, 3)).toBe(true);
    for (const at of [0, 17 * BLOCK + 5, part.length - 1]) {
      part[at]! ^= 4;
      expect(matchesChecksums(part, sums, 3)).toBe(false);
      part[at]! ^= 4;
    }
    const other = sums.slice();
    other[40]! ^= 1;
    expect(matchesChecksums(part, other, 3)).toBe(false);
  });
});
