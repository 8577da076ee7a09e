import { describe, expect, it } from 'vitest';
import { seededRandom } from '../src/index.ts';

/** xoshiro128** as its authors state it, on bigints, from the state that seed 7 gives. */
function* twin(state: readonly bigint[]): Generator<number> {
  const word = (x: bigint): bigint => x & 0xffff_ffffn;
  const rotate = (x: bigint, bits: bigint): bigint => word((x << bits) | (x >> (32n - bits)));
  let [s0, s1, s2, s3] = state as [bigint, bigint, bigint, bigint];
  for (;;) {
    yield Number(word(rotate(word(s1 * 5n), 7n) * 9n));
    const t = word(s1 << 9n);
    [s2, s3] = [s2 ^ s0, s3 ^ s1];
    [s1, s0] = [s1 ^ s2, s0 ^ s3];
    [s2, s3] = [s2 ^ t, rotate(s3, 11n)];
  }
}

describe('seededRandom', () => {
  it('a seed repeats its bytes and a neighbouring seed gives unrelated ones', () => {
    expect(seededRandom(7).bytes(64)).toEqual(seededRandom(7).bytes(64));
    const [a, b] = [seededRandom(7).bytes(4096), seededRandom(8).bytes(4096)];
    const equal = a.reduce((count, byte, i) => count + Number(byte === b[i]), 0);
    expect(equal).toBeLessThan(48); // 16 are expected of independent bytes
  });

  it('is xoshiro128**', () => {
    const expected = twin(SEED_7_STATE);
    const random = seededRandom(7);
    for (let i = 0; i < 1000; i++)
      expect(random.next() * 2 ** 32).toBe(expected.next().value as number);
  });

  it('does not come round: of a quarter of a million words hardly any occurs twice', () => {
    for (const seed of [0, 1, 2026, -5, 2 ** 32 - 1]) {
      const random = seededRandom(seed);
      const count = 2 ** 18;
      const seen = new Set(Array.from({ length: count }, () => random.next()));
      expect(count - seen.size).toBeLessThan(40); // 8 are expected of a fair draw
    }
  });

  it('gives every byte equally often, wherever it stands in its word', () => {
    const bytes = seededRandom(3).bytes(4 * 65_536);
    for (let place = 0; place < 4; place++) {
      const counts = new Array<number>(256).fill(0);
      for (let at = place; at < bytes.length; at += 4) counts[bytes[at]!]!++;
      const chiSquare = counts.reduce((sum, count) => sum + (count - 256) ** 2 / 256, 0);
      expect(chiSquare).toBeGreaterThan(160); // 255 degrees of freedom: 4.2 deviations either way
      expect(chiSquare).toBeLessThan(350);
    }
  });

  it('bytes of any length are a prefix of longer ones', () => {
    const long = seededRandom(11).bytes(40);
    for (let length = 0; length < 40; length++)
      expect(seededRandom(11).bytes(length)).toEqual(long.subarray(0, length));
  });
});

/** From the definition: MurmurHash3's finaliser of 7 + word * 0x9e3779b9, word 1 to 4. */
const SEED_7_STATE = [1n, 2n, 3n, 4n].map((index) => {
  const word = (x: bigint): bigint => x & 0xffff_ffffn;
  let h = word(7n + index * 0x9e3779b9n);
  h = word((h ^ (h >> 16n)) * 0x85ebca6bn);
  h = word((h ^ (h >> 13n)) * 0xc2b2ae35n);
  return h ^ (h >> 16n);
});
