/* Seeds, reveals, quorums and rows: vectors of the plain reference, then what must hold for any input. */
import { type Address, bytesToHex, type Hash32 } from '@cairn/base';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  assertSchedule,
  assignRows,
  buildQuorums,
  chooseShape,
  custodyRows,
  type EpochSchedule,
  effectiveOperators,
  encodeWords,
  epochAt,
  epochMix,
  epochSeed,
  epochStart,
  isQuorumOpen,
  isSupermajority,
  memberPositions,
  popMessage,
  quorumCount,
  quorumOfBlob,
  quorumOfOutput,
  type Reveal,
  ROW_BYTES_MAX,
  RowPermutation,
  revealWindow,
  rowBytes,
  rowKey,
  SHAPES,
  sampleRows,
  seedBlock,
  snapshotBlock,
  TAG_ATTEST,
  TAG_BLOB,
  TAG_MIX,
  TAG_POP,
  TAG_ROWS,
  TAG_SAMPLE,
  TAG_SEED,
  TAG_VRF,
  voteSums,
  vrfMessage,
  vrfOutput,
} from '../src/index.ts';
import * as reference from './reference.ts';
import {
  blobs,
  codeOf,
  entrance,
  hashes,
  headerVector,
  numbers,
  registry,
  vectors,
} from './support.ts';

const epoch = vectors.epoch;
const mix = vectors.mix as Hash32;
const seed = vectors.seed as Hash32;
const hash32 = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => bytesToHex(bytes) as Hash32);
const devnet: EpochSchedule = {
  genesisBlock: 50,
  epochBlocks: 30,
  lookaheadBlocks: 12,
  seedDelayBlocks: 2,
  revealWindowBlocks: 8,
};

describe('vectors', () => {
  test('tags are hashes of their names and all differ', () => {
    const ours = [TAG_POP, TAG_VRF, TAG_ATTEST, TAG_SEED, TAG_MIX, TAG_ROWS, TAG_SAMPLE, TAG_BLOB];
    expect(ours).toEqual(hashes('tags'));
    expect(new Set(ours).size).toBe(ours.length);
  });

  test('seed, message, output and mix', () => {
    const randao = vectors.randao as Hash32;
    const previousMix = vectors.previousMix as Hash32;
    expect(epochSeed(registry, { epoch, randao, previousMix })).toBe(seed);
    expect(vrfMessage(registry, { epoch, seed })).toBe(vectors.vrfMessage);
    expect(blobs('reveals').map(vrfOutput)).toEqual(hashes('betas'));
    expect(epochMix(epoch, hashes('betas'))).toBe(mix);
    expect(epochMix(epoch, hashes('betas').toReversed())).toBe(mix);
  });

  test('proof of possession binds operator and key', () => {
    const operators = hashes('operators') as unknown as Address[];
    for (const [i, key] of blobs('keys').entries())
      expect(popMessage(registry, { operator: operators[i]!, key })).toBe(hashes('popMessages')[i]);
  });

  test('number of quorums', () => {
    for (const [i, count] of numbers('sumQuorums').entries()) {
      const sums = { s1: BigInt(numbers('sumS1')[i]!), s2: BigInt(numbers('sumS2')[i]!) };
      expect(quorumCount(sums, 512)).toBe(count);
    }
  });

  test('positions, permutations and samples', () => {
    const totalWeight = numbers('weights').reduce((a, b) => a + b, 0);
    let weightBefore = 0;
    for (const [i, weight] of numbers('weights').entries()) {
      const range = memberPositions({ weightBefore, weight, totalWeight }, 4096);
      expect(range).toEqual({ start: numbers('shareStarts')[i], end: numbers('shareEnds')[i] });
      weightBefore += weight;
    }
    for (const [i, rows] of numbers('permutationRows').entries()) {
      const commitment = hashes('permutationCommitments')[i]!;
      const quorum = numbers('permutationQuorums')[i]!;
      const key = rowKey(entrance, { epoch, quorum, mix, commitment });
      expect(key).toBe(hashes('permutationKeys')[i]);
      const permutation = new RowPermutation(key, rows);
      for (let j = 16 * i; j < 16 * i + 16; j++)
        expect(permutation.rowAt(numbers('permutationPositions')[j]!)).toBe(
          numbers('permutationValues')[j],
        );
    }
    const commitment = hashes('permutationCommitments')[0]!;
    const rows = assignRows(
      {
        entrance,
        epoch,
        quorum: 0,
        mix,
        commitment,
        member: vectors.sampleMember,
        weightBefore: totalWeight - numbers('weights')[6]!,
        weight: numbers('weights')[6]!,
        totalWeight,
      },
      new RowPermutation(hashes('permutationKeys')[0]!, 4096),
    );
    expect(rows).toEqual({ custody: numbers('sampleCustody'), sample: numbers('sampleRows') });
    expect(rows.custody.length + rows.sample.length).toBe(148);
  });

  test('a blob draws among the open quorums', () => {
    for (let i = 0; i < 5; i++) {
      const { commitment, account, nonce } = headerVector(i);
      const open = [0, 2, 5];
      const expected = open[Number(BigInt(hashes('blobDraws')[i]!) % 3n)];
      expect(quorumOfBlob(open, { seed, commitment, account, nonce })).toBe(expected);
    }
    const { commitment, account, nonce } = headerVector(0);
    expect(codeOf(() => quorumOfBlob([], { seed, commitment, account, nonce }))).toBe(
      'QUORUM_NOT_OPEN',
    );
  });
});

describe('epochs', () => {
  test('snapshot, seed block and window lie in order before the start', () => {
    assertSchedule(devnet);
    expect(epochStart(devnet, 2)).toBe(110);
    expect(snapshotBlock(devnet, 2)).toBe(98);
    expect(seedBlock(devnet, 2)).toBe(100);
    expect(revealWindow(devnet, 2)).toEqual({ start: 101, end: 109 });
    expect(epochAt(devnet, 49)).toBeUndefined();
    expect(epochAt(devnet, 109)).toBe(1);
    expect(epochAt(devnet, 110)).toBe(2);
  });

  test('a schedule whose window reaches into the epoch is refused', () => {
    expect(() => assertSchedule({ ...devnet, revealWindowBlocks: 10 })).toThrow(/window/);
    expect(() => assertSchedule({ ...devnet, lookaheadBlocks: 30 })).toThrow(/mix/);
  });
});

describe('quorums', () => {
  test('splitting a share f of the stake moves the effective number by at most 1/(1-f)²', () => {
    const votes = fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 2, maxLength: 40 });
    fc.assert(
      fc.property(votes, fc.integer({ min: 1, max: 1000 }), (honest, mine) => {
        const before = Number(voteSums(honest).s1) + mine;
        const f = mine / before;
        const whole = voteSums(honest); // the honest part alone bounds S2 from below
        const split = voteSums([...honest, ...Array.from({ length: mine }, () => 1)]);
        const honestEffective = Number(whole.s1) ** 2 / Number(whole.s2);
        const bound = honestEffective / (1 - f) ** 2;
        expect(effectiveOperators(split)).toBeLessThanOrEqual(bound + 1);
      }),
    );
  });

  test('a thousand dust operators beside one large one make one quorum', () => {
    expect(quorumCount(voteSums([...Array<number>(1023).fill(1), 100_000]), 512)).toBe(1);
    expect(quorumCount(voteSums(Array<number>(1024).fill(30)), 512)).toBe(2);
    expect(quorumCount(voteSums(Array<number>(1023).fill(30)), 512)).toBe(1);
    expect(quorumCount(voteSums([]), 512)).toBe(1);
  });

  test('members partition: every reveal in the quorum of its output, weights sum', () => {
    const reveal = fc.record({ weight: fc.integer({ min: 1, max: 10_000 }), output: hash32 });
    fc.assert(
      fc.property(
        fc.array(reveal, { maxLength: 60 }),
        fc.integer({ min: 1, max: 5 }),
        (list, count) => {
          const reveals: Reveal[] = list.map((item, i) => ({
            ...item,
            operator: `0x${i.toString(16).padStart(40, '0')}` as Address,
            publicKey: new Uint8Array(48),
          }));
          const quorums = buildQuorums(reveals, count);
          expect(quorums.reduce((sum, q) => sum + q.weight, 0)).toBe(
            list.reduce((sum, item) => sum + item.weight, 0),
          );
          for (const quorum of quorums) {
            let before = 0;
            for (const [i, member] of quorum.members.entries()) {
              expect(member.index).toBe(i);
              expect(member.weightBefore).toBe(before);
              expect(quorumOfOutput(member.output, count)).toBe(quorum.index);
              before += member.weight;
            }
          }
        },
      ),
    );
  });

  test('one quorum opens from two thirds of the votes, several only near their fair share', () => {
    const rules = { effectivePerQuorum: 512, membersMin: 3 };
    const open = (weight: number, s1: bigint, count: number, memberCount = 3): boolean =>
      isQuorumOpen({ weight, memberCount }, { s1, quorumCount: count }, rules);
    expect(open(2, 3n, 1)).toBe(true);
    expect(open(1999, 3000n, 1)).toBe(false);
    expect(open(2000, 3000n, 1)).toBe(true);
    expect(open(2000, 3000n, 1, 2)).toBe(false);
    expect(open(374, 1000n, 2)).toBe(false);
    expect(open(375, 1000n, 2)).toBe(true);
    expect(open(625, 1000n, 2)).toBe(true);
    expect(open(626, 1000n, 2)).toBe(false);
  });

  test('two thirds is exact', () => {
    expect(isSupermajority(2, 3)).toBe(true);
    expect(isSupermajority(2 ** 48 - 1, 3 * 2 ** 47)).toBe(false);
    expect(isSupermajority(2 ** 48, 3 * 2 ** 47)).toBe(true);
  });
});

describe('rows', () => {
  const weights = fc.array(fc.integer({ min: 1, max: 2 ** 30 }), { minLength: 1, maxLength: 50 });

  test('positions of all members cover every row exactly once', () => {
    fc.assert(
      fc.property(weights, fc.constantFrom(...SHAPES), (list, { rows }) => {
        const totalWeight = list.reduce((a, b) => a + b, 0);
        let weightBefore = 0;
        let next = 0;
        for (const weight of list) {
          const { start, end } = memberPositions({ weightBefore, weight, totalWeight }, rows);
          expect(start).toBe(next);
          next = end;
          weightBefore += weight;
        }
        expect(next).toBe(rows);
      }),
    );
  });

  test('perm is a permutation with an inverse, and equals the twin', () => {
    fc.assert(
      fc.property(hash32, (key) => {
        const permutation = new RowPermutation(key, 4096);
        const seen = new Uint8Array(4096);
        for (let position = 0; position < 4096; position++) {
          const row = permutation.rowAt(position);
          seen[row]!++;
          expect(permutation.positionOf(row)).toBe(position);
        }
        expect(seen.every((count) => count === 1)).toBe(true);
        expect(permutation.rowAt(1234)).toBe(reference.rowAt(key, 4096, 1234));
      }),
      { numRuns: 5 },
    );
  });

  test('shapes with an odd number of bits are refused', () => {
    expect(() => new RowPermutation(seed, 8192)).toThrow(/even power/);
    expect(() => new RowPermutation(seed, 4095)).toThrow(/even power/);
  });

  test('custody and sample never overlap and make 148 distinct rows', () => {
    const permutation = new RowPermutation(hashes('permutationKeys')[1]!, 16_384);
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 400 }), hash32, (weight, commitment) => {
        const share = { weightBefore: 100, weight, totalWeight: 16_384 };
        const custody = custodyRows(permutation, share);
        const sample = sampleRows({ epoch, member: 3, commitment }, { custody, rows: 16_384 });
        expect(custody.length).toBe(weight);
        expect(new Set([...custody, ...sample]).size).toBe(Math.max(148, weight));
        expect(sample.length).toBe(Math.max(0, 148 - weight));
      }),
    );
  });

  test('the key binds the whole commitment', () => {
    const base = { epoch, quorum: 0, mix, commitment: hashes('headerCommitments')[0]! };
    const key = rowKey(entrance, base);
    const other = `${base.commitment.slice(0, -1)}${base.commitment.endsWith('0') ? '1' : '0'}`;
    for (const changed of [
      { ...base, commitment: other as Hash32 },
      { ...base, epoch: epoch + 1 },
      { ...base, quorum: 1 },
      { ...base, mix: seed },
    ])
      expect(rowKey(entrance, changed)).not.toBe(key);
    expect(rowKey(registry, base)).not.toBe(key);
  });

  test('the smallest shape with 64 rows per member and room is chosen', () => {
    expect(chooseShape(7, 1_048_576).name).toBe('DA-S');
    expect(chooseShape(64, 1).name).toBe('DA-S');
    expect(chooseShape(65, 1).name).toBe('DA-M');
    expect(chooseShape(257, 1).name).toBe('DA-L');
    expect(chooseShape(7, 1024 * ROW_BYTES_MAX - 5).name).toBe('DA-S');
    expect(chooseShape(7, 1024 * ROW_BYTES_MAX - 4).name).toBe('DA-M');
    expect(codeOf(() => chooseShape(1025, 1))).toBe('QUORUM_HEADER');
    expect(rowBytes(SHAPES[0]!, 65_531)).toBe(64);
    expect(rowBytes(SHAPES[0]!, 65_532)).toBe(128);
  });
});

test('words refuse what a uint256 cannot hold', () => {
  for (const bad of [-1, 1.5, Number.NaN, 2 ** 53, -1n, 1n << 256n, new Uint8Array(31)])
    expect(codeOf(() => encodeWords([bad]))).toBe('QUORUM_VALUE');
});
