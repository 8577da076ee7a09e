import { bytesToHex, type CodedError, type Hash32, seededRandom } from '@cairn/base';
import { describe, expect, it } from 'vitest';
import {
  certificateIn,
  encodeZeroGCommitment,
  parseOpCommitment,
} from '../../src/rollup/op/commitment.ts';

const root = `0x${'ab'.repeat(32)}` as Hash32;

describe("OP's commitments", () => {
  it("0G's are 50 bytes, numbers little-endian", () => {
    const bytes = encodeZeroGCommitment({ commitment: root, epoch: 0x0102, quorum: 3 });
    expect(bytesToHex(bytes)).toBe(`0x014702010000000000000300000000000000${'ab'.repeat(32)}`);
    expect(parseOpCommitment(bytesToHex(bytes), 'op')).toMatchObject({
      ...{ kind: 'zerog', commitment: root, epoch: 0x0102, quorum: 3 },
    });
  });

  it.each([
    ['0x', 'too short'],
    ['0x01', 'too short'],
    ['0143', 'too short'],
    ['0x014', 'hex'],
    ['0xgg', 'hex'],
    ['0x00aa', '33 bytes'],
    ['0x02aabb', 'type 2'],
  ])('%s is no commitment: %s', (text, why) => {
    expect(() => parseOpCommitment(text, 'op')).toThrow(
      expect.objectContaining({ code: 'ROLLUP_REQUEST', message: expect.stringContaining(why) }),
    );
  });

  it('a certificate in standard mode lacks the two OP bytes', () => {
    const certificate = Uint8Array.of(1, 0x43, 1, 2, 3);
    const text = bytesToHex(certificateIn('standard', certificate));
    expect(text).toBe('0x010203');
    expect(parseOpCommitment(text, 'standard')).toEqual({
      kind: 'certificate',
      bytes: certificate,
    });
  });

  it('any bytes are a commitment or one of two errors', () => {
    const random = seededRandom(5);
    for (let i = 0; i < 2000; i++) {
      const bytes = random.bytes(i % 80);
      if (bytes.length > 1 && i % 2 === 0) bytes.set([i % 3, [0x43, 0x47][i % 2]!]);
      try {
        expect(parseOpCommitment(bytesToHex(bytes), 'op').bytes).toEqual(bytes);
      } catch (error) {
        expect(['ROLLUP_REQUEST', 'ROLLUP_CERTIFICATE']).toContain((error as CodedError).code);
      }
    }
  });
});
