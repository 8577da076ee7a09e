// Every check of an answer refuses with its own code, whatever else is right about the answer.
import type { Hash32 } from '@cairn/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type PoraAnswer,
  qualityThreshold,
  rangeOfShard,
  type SealContext,
  sealProof,
  verifyAnswer,
  type Work,
} from '../src/index.ts';
import * as twin from './reference.ts';
import { answerOf, codeOf, EMPTY, kernels, VectorFlow, vectors } from './support.ts';

const flow = new VectorFlow();
const cases = vectors.endToEnd.answers.map((vector) => {
  const answer = answerOf(flow, vector);
  return { answer, work: flow.work(vector), sealContext: flow.contextOf(answer.recallPosition) };
});
/** An index, so that a counterexample stays readable. */
const anyCase = fc.nat(cases.length - 1);

function refused(
  given: (typeof cases)[number],
  change: { answer?: Partial<PoraAnswer>; work?: Partial<Work>; sealContext?: SealContext },
): unknown {
  const { answer, work, sealContext } = given;
  return codeOf(() =>
    verifyAnswer(
      kernels,
      { ...answer, ...change.answer },
      { work: { ...work, ...change.work }, sealContext: change.sealContext ?? sealContext },
    ),
  );
}

const flipped = (hash: string, bit: number): Hash32 => {
  const bytes = twin.bytes(hash);
  bytes[(bit >> 3) % bytes.length]! ^= 1 << (bit & 7);
  return twin.hex(bytes) as Hash32;
};

describe('an answer', () => {
  it("with nothing changed passes, and its quality is the twin's", () => {
    for (const { answer, work, sealContext } of cases) {
      const { quality, threshold } = verifyAnswer(kernels, answer, { work, sealContext });
      const range = {
        start: BigInt(answer.range.startPosition),
        length: BigInt(answer.range.mineLength),
        id: answer.range.shardId,
        mask: answer.range.shardMask,
      };
      const iteration = twin.iterate({ ...answer, ...work, range });
      expect(iteration.position! + BigInt(answer.sealOffset * 16)).toBe(
        BigInt(answer.recallPosition),
      );
      expect(quality).toBe(iteration.quality(answer.sealOffset, answer.sealedData));
      const length = BigInt(work.context.flowLength);
      expect(threshold).toBe(twin.threshold(work.poraTarget, answer.range.shardMask, length));
      const data = twin.unseal(
        answer.sealedData,
        answer.minerId,
        answer.sealedContextDigest,
        BigInt(answer.recallPosition),
      );
      expect(twin.sealRoot(data, BigInt(answer.recallPosition), answer.merkleProof)).toBe(
        work.context.flowRoot,
      );
    }
  });

  it('of no miner, of another context, or in an empty epoch', () => {
    for (const given of cases) {
      const zero = `0x${'00'.repeat(32)}` as Hash32;
      expect(refused(given, { answer: { minerId: zero } })).toBe('PORA_MINER_ID');
      const contextDigest = flipped(given.answer.contextDigest, 3);
      expect(refused(given, { answer: { contextDigest } })).toBe('PORA_CONTEXT');
      const context = { ...given.work.context, digest: EMPTY };
      expect(refused(given, { work: { context }, answer: { contextDigest: EMPTY } })).toBe(
        'PORA_CONTEXT_EMPTY',
      );
    }
  });

  it('with a range off by one in any field', () => {
    for (const given of cases) {
      const { range } = given.answer;
      const change = (by: Partial<typeof range>): unknown =>
        refused(given, { answer: { range: { ...range, ...by } } });
      expect(change({ startPosition: range.startPosition + 1 })).toBe('PORA_RANGE_ALIGNMENT');
      expect(change({ startPosition: 2 ** 25 })).toBe('PORA_RANGE_OVERFLOW');
      expect(change({ mineLength: range.mineLength + 1 })).toBe('PORA_RANGE_OVERFLOW');
      expect(change({ mineLength: range.mineLength - 1 })).toBe('PORA_RANGE_SHORT');
      expect(change({ shardId: range.shardId | (2n ** 63n) })).toBe('PORA_SHARD_MASK');
      expect(change({ shardMask: 2n ** 64n - 64n, shardId: 0n })).toBe('PORA_SHARD_COUNT');
      const context = { ...given.work.context, flowLength: 1023 };
      expect(refused(given, { work: { context } })).toBe('PORA_RANGE_EMPTY');
    }
  });

  it('from outside the recalled load: the forged seal offset of the specification', () => {
    for (const given of cases) {
      for (const sealOffset of [64, 959, -1]) {
        const recallPosition =
          given.answer.recallPosition + (sealOffset - given.answer.sealOffset) * 16;
        expect(refused(given, { answer: { sealOffset, recallPosition } })).toBe('PORA_SEAL_OFFSET');
      }
    }
  });

  it('at another place than its nonce, id, subtask or offset recalls', () => {
    fc.assert(
      fc.property(anyCase, fc.nat(255), (index, bit) => {
        const given = cases[index]!;
        const { answer } = given;
        for (const by of [-16, -1, 1, 16, 1024]) {
          const recallPosition = answer.recallPosition + by;
          expect(refused(given, { answer: { recallPosition } })).toBe('PORA_RECALL_POSITION');
        }
        const sealOffset = (answer.sealOffset + 1) % 64;
        expect(refused(given, { answer: { sealOffset } })).toBe('PORA_RECALL_POSITION');
        // A changed seed recalls another load; by chance the same one, where the sealed bytes or the position give it away.
        const other = /^PORA_(RECALL_POSITION|RECALL_BOUND|PROOF_ROOT)$/;
        const nonce = flipped(answer.nonce, bit);
        expect(String(refused(given, { answer: { nonce } }) ?? 'passed')).toMatch(
          /^(PORA_RECALL_POSITION|PORA_RECALL_BOUND|PORA_QUALITY|passed)$/,
        );
        const minerId = flipped(answer.minerId, bit);
        expect(refused(given, { answer: { minerId } })).toMatch(other);
        const shardId = answer.range.shardId ^ 1n;
        if (answer.range.shardMask !== 2n ** 64n - 1n) {
          const range = { ...answer.range, shardId };
          expect(refused(given, { answer: { range } })).toMatch(other);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('sealed under another context, or in another range of it', () => {
    for (const given of cases) {
      const { recallPosition } = given.answer;
      const context = (start: number, end: number): SealContext => ({
        start,
        end,
        digest: given.sealContext.digest,
      });
      const accepts = (start: number, end: number): unknown =>
        refused(given, { sealContext: context(start, end) });
      expect(accepts(0, 0)).toBe('PORA_SEAL_CONTEXT');
      expect(accepts(0, recallPosition + 15)).toBe('PORA_SEAL_CONTEXT');
      expect(accepts(0, recallPosition + 16)).toBeUndefined();
      expect(accepts(recallPosition + 15, recallPosition + 99)).toBeUndefined();
      expect(accepts(recallPosition + 16, recallPosition + 99)).toBe('PORA_SEAL_CONTEXT');
      const sealedContextDigest = flipped(given.answer.sealedContextDigest, 7);
      expect(refused(given, { answer: { sealedContextDigest } })).toBe('PORA_PROOF_ROOT');
    }
  });

  it('with a flipped bit in its data or proof, or a proof that is too long or too short', () => {
    fc.assert(
      fc.property(anyCase, fc.nat(4096 * 8 - 1), fc.nat(10), (index, bit, at) => {
        const given = cases[index]!;
        const sealedData = given.answer.sealedData.slice();
        sealedData[bit >> 3]! ^= 1 << (bit & 7);
        expect(refused(given, { answer: { sealedData } })).toBe('PORA_PROOF_ROOT');
        const { merkleProof } = given.answer;
        const wrong = merkleProof.map((hash, i) => (i === at ? flipped(hash, bit) : hash));
        expect(refused(given, { answer: { merkleProof: wrong } })).toBe('PORA_PROOF_ROOT');
        const cut = merkleProof.slice(0, at);
        expect(refused(given, { answer: { merkleProof: cut } })).toBe('PORA_PROOF_LENGTH');
        const grown = [...merkleProof, merkleProof[0]!];
        expect(refused(given, { answer: { merkleProof: grown } })).toBe('PORA_PROOF_LENGTH');
      }),
      { numRuns: 40 },
    );
    const short = { sealedData: cases[0]!.answer.sealedData.subarray(1) };
    expect(refused(cases[0]!, { answer: short })).toBe('PORA_SEAL_BYTES');
  });

  it('passes at the target and fails one below', () => {
    for (const given of cases) {
      const { answer, work, sealContext } = given;
      const { quality } = verifyAnswer(kernels, answer, { work, sealContext });
      // The smallest target whose threshold is not below the quality; thresholds move in steps of 2^64.
      let [low, high] = [0n, work.poraTarget];
      const threshold = (target: bigint): bigint =>
        qualityThreshold(target, answer.range, work.context.flowLength);
      while (low < high) {
        const middle = (low + high) / 2n;
        if (threshold(middle) >= quality) high = middle;
        else low = middle + 1n;
      }
      expect(refused(given, { work: { poraTarget: low } })).toBeUndefined();
      expect(refused(given, { work: { poraTarget: low - 1n } })).toBe('PORA_QUALITY');
    }
  });
});

describe('a seal proof', () => {
  it('is undefined when a node is unknown, and never guesses', () => {
    expect(sealProof(16, 24_576, () => undefined)).toBeUndefined();
    const known = sealProof(16, 24_576, (level) => new Uint8Array(32).fill(level));
    expect(known).toHaveLength(11);
  });

  it('the search of a load finds exactly the seals that verify', () => {
    const { answer, work } = cases[0]!;
    const loadStart = answer.recallPosition - answer.sealOffset * 16;
    const seals = Array.from({ length: 64 }, (_, i) => flow.sealed(loadStart + 16 * i));
    const load = new Uint8Array(262_144);
    seals.forEach((seal, i) => {
      load.set(seal, 4096 * i);
    });
    const range = rangeOfShard({ shardId: 0, numShard: 1 }, work.context.flowLength);
    expect(range).toEqual(answer.range);
    const iteration = twin.iterate({
      ...answer,
      ...work,
      range: {
        start: 0n,
        length: BigInt(range.mineLength),
        id: 0n,
        mask: range.shardMask,
      },
    });
    const { pads, recallSeeds } = kernels.mining.scratchpads(iteration.padSeed);
    expect(recallSeeds).toEqual(iteration.recallSeed);
    const target = 2n ** 254n; // a quarter of the seals win
    const hits = kernels.mining.searchLoad({
      load,
      pad: pads,
      padSeed: iteration.padSeed,
      target: twin.bytes(`0x${target.toString(16).padStart(64, '0')}`),
    });
    const expected = seals.flatMap((seal, i) => (iteration.quality(i, seal) <= target ? [i] : []));
    expect(hits.map((hit) => hit.sealIndex)).toEqual(expected);
    expect(expected.length).toBeGreaterThan(0);
    for (const sealOffset of expected) {
      const start = loadStart + 16 * sealOffset;
      const found = verifyAnswer(
        kernels,
        {
          ...answer,
          sealOffset,
          recallPosition: start,
          sealedContextDigest: flow.contextOf(start).digest,
          sealedData: seals[sealOffset]!,
          merkleProof: flow.proof(start),
        },
        { work: { ...work, poraTarget: target }, sealContext: flow.contextOf(start) },
      );
      expect(found.quality).toBe(iteration.quality(sealOffset, seals[sealOffset]!));
    }
  });
});
