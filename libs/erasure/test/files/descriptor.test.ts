import { bytesToHex, type DataRoot } from '@cairn/base';
import { describe, expect, it } from 'vitest';
import {
  CODED_FILE_BYTES_MIN,
  encodeParityDescriptor,
  parseParityDescriptor,
  type StripeCode,
} from '../../src/index.ts';
import { codeOf, flipped } from '../support.ts';

describe('descriptors', () => {
  const descriptor = {
    dataRoot: bytesToHex(new Uint8Array(32).fill(0xab)) as DataRoot,
    dataBytes: 100_000_000,
    code: 32 as StripeCode,
    checkRoot: new Uint8Array(32),
  };

  it('come back, and read as the specification lays them out', () => {
    const tags = encodeParityDescriptor(descriptor);
    expect(tags.length).toBe(82);
    expect(bytesToHex(tags)).toBe(
      `0x4543010110${'20'}${'ab'.repeat(32)}0000000005f5e1000000000c${'00'.repeat(32)}`,
    );
    expect(parseParityDescriptor(tags)).toEqual(descriptor);
    expect(parseParityDescriptor(encodeParityDescriptor({ ...descriptor, code: 24 })).code).toBe(
      24,
    );
  });

  it('a changed bit outside the two roots, and any other length, is refused', () => {
    const tags = encodeParityDescriptor(descriptor);
    for (let bit = 0; bit < 8 * 82; bit++) {
      const at = bit >> 3;
      const code = codeOf(() => parseParityDescriptor(flipped(tags, bit)));
      const isRoot = (at >= 6 && at < 38) || at >= 50;
      // A changed length inside the same window is another, equally good descriptor; a changed code names the other code.
      const isLength = at >= 38 && at < 46;
      if (isRoot) expect(code).toBeUndefined();
      else if (!isLength) expect(code).toBe('ERASURE_DESCRIPTOR');
    }
    for (const bytes of [0, 1, 81, 83, 200])
      expect(codeOf(() => parseParityDescriptor(new Uint8Array(bytes)))).toBe('ERASURE_DESCRIPTOR');
    const short = encodeParityDescriptor({ ...descriptor, dataBytes: CODED_FILE_BYTES_MIN });
    expect(parseParityDescriptor(short).dataBytes).toBe(CODED_FILE_BYTES_MIN);
    short[45] = 0;
    short[43] = 0x7f;
    expect(codeOf(() => parseParityDescriptor(short))).toBe('ERASURE_DESCRIPTOR');
  });
});
