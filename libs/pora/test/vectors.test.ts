import { bytesToHex, type Hash32, hexToBytes, parseAddress } from '@cairn/base';
import { describe, expect, it } from 'vitest';
import {
  adjustTarget,
  buildAnswer,
  difficultyScaleX64,
  firstMask,
  isSealContext,
  minerIdOf,
  mixSeal,
  padOfSeed,
  padSeeds,
  qualityOf,
  rangeDigest,
  recallLoadStart,
  sealInPlace,
  seedBase,
  shardCount,
  subtaskDigest,
  targetOfDifficulty,
  unsealInPlace,
  verifyAnswer,
} from '../src/index.ts';
import { answerOf, kernels, patternBytes, rangeOf, VectorFlow, vectors } from './support.ts';

const keccakHex = (data: Uint8Array): string => bytesToHex(kernels.keccak256(data));
const slice = (data: Uint8Array, from: number, to: number): string =>
  bytesToHex(data.slice(from, to));

describe('seal vectors', () => {
  const { minerId, sealedContextDigest } = vectors.seal;
  it.each(vectors.seal.vectors)('seals and unseals at sector $startSector', (vector) => {
    const key = {
      minerId: minerId as Hash32,
      contextDigest: sealedContextDigest as Hash32,
      startSector: vector.startSector,
    };
    const data = patternBytes(4096, vector.patternSeed);
    expect(bytesToHex(firstMask(key))).toBe(vector.firstMask);
    expect(slice(data, 0, 32)).toBe(vector.unsealedFirst32);
    const sealed = data.slice();
    sealInPlace(kernels, sealed, key);
    expect(slice(sealed, 0, 32)).toBe(vector.sealedFirst32);
    expect(slice(sealed, 32, 64)).toBe(vector.sealedSecond32);
    expect(slice(sealed, 4064, 4096)).toBe(vector.sealedLast32);
    expect(keccakHex(sealed)).toBe(vector.sealedKeccak256);
    unsealInPlace(kernels, sealed, key);
    expect(sealed).toEqual(data);
    expect(bytesToHex(kernels.sectorTreeRoots(sealed, 16))).toBe(vector.sealSubtreeRoot);
  });
});

describe('iteration vectors', () => {
  const { minerId, nonce, contextDigest, subtaskBlockHash } = vectors.scratchpad;
  const digest = subtaskDigest(contextDigest as Hash32, subtaskBlockHash as Hash32);

  it('derives the subtask digest', () => {
    expect(digest).toBe(vectors.scratchpad.subtaskDigest);
  });

  it.each(vectors.scratchpad.vectors)('$numShards shards at flow length $flowLength', (vector) => {
    const range = rangeOf(vector.range);
    expect(shardCount(range.shardMask)).toBe(BigInt(vector.numShards));
    expect(rangeDigest(range)).toBe(vector.rangeDigest);
    expect(difficultyScaleX64(range.shardMask, Number(vector.flowLength)).toString()).toBe(
      String(vector.difficultyScaleX64),
    );
    const base = seedBase({ minerId: minerId as Hash32, subtaskDigest: digest, range });
    const padSeed = padSeeds(kernels, base, hexToBytes(nonce));
    expect(bytesToHex(padSeed)).toBe(vector.padSeed);
    const { pad, recallSeed } = padOfSeed(padSeed);
    expect(slice(pad, 0, 64)).toBe(vector.scratchPad.first64);
    expect(slice(pad, 4096, 4160)).toBe(vector.scratchPad.bytes4096to4160);
    expect(slice(pad, 16_320, 16_384)).toBe(vector.scratchPad.last64);
    expect(keccakHex(pad)).toBe(vector.scratchPad.keccak256);
    expect(bytesToHex(recallSeed)).toBe(vector.recallSeed);
    expect(recallLoadStart(range, recallSeed)).toBe(Number(vector.recallLoadStart));
    const fromKernel = kernels.mining.scratchpads(padSeed);
    expect(fromKernel.pads).toEqual(pad);
    expect(fromKernel.recallSeeds).toEqual(recallSeed);

    const seal = patternBytes(4096, 9);
    sealInPlace(kernels, seal, {
      minerId: minerId as Hash32,
      contextDigest: contextDigest as Hash32,
      startSector: 16_384,
    });
    const { sealOffset } = vector.mixExample;
    const mixed = mixSeal(seal, sealOffset, pad);
    expect(keccakHex(mixed)).toBe(vector.mixExample.mixedKeccak256);
    expect(qualityOf(sealOffset, padSeed, mixed)).toBe(BigInt(vector.mixExample.poraOutput));
  });
});

describe("answers that the peer's contract accepted", () => {
  const flow = new VectorFlow();

  it('the flow is the one of the vectors', () => {
    expect(flow.flow.root()).toBe(vectors.endToEnd.context.flowRoot);
    expect(flow.flow.length).toBe(vectors.endToEnd.context.flowLength);
  });

  it('derives the miner id', () => {
    const { parentBlockHash, sender, seed, minerId } = vectors.endToEnd.minerIdDerivation;
    expect(minerIdOf(parentBlockHash as Hash32, parseAddress(sender), BigInt(seed))).toBe(minerId);
  });

  it.each(vectors.endToEnd.answers.map((answer, index) => ({ ...answer, index })))(
    'answer $index, $note',
    (vector) => {
      const answer = answerOf(flow, vector);
      expect(keccakHex(answer.sealedData)).toBe(vector.sealedKeccak256);
      const sealContext = flow.contextOf(answer.recallPosition);
      expect(sealContext.digest).toBe(vector.sealedContextDigest);
      expect(isSealContext(sealContext, answer.recallPosition)).toBe(true);
      expect(flow.proof(answer.recallPosition)).toEqual(vector.merkleProof);
      const work = flow.work(vector);
      expect(verifyAnswer(kernels, answer, { work, sealContext }).quality).toBe(
        BigInt(vector.poraOutput),
      );
      const built = buildAnswer({
        work,
        minerId: answer.minerId,
        nonce: answer.nonce,
        range: answer.range,
        loadStart: vector.recallLoadStart,
        sealOffset: vector.sealOffset,
        sealedContextDigest: sealContext.digest,
        sealedData: answer.sealedData,
        merkleProof: answer.merkleProof,
      });
      expect(built).toEqual(answer);
    },
  );
});

it('takes the difficulty step of the vectors', () => {
  const { initialDifficulty, targetSubmissions, adjustRatio, currentSubmissions, before, after } =
    vectors.difficulty;
  const target = targetOfDifficulty(BigInt(initialDifficulty));
  expect(target).toBe(BigInt(before));
  expect(adjustTarget(target, { targetSubmissions, currentSubmissions, adjustRatio })).toBe(
    BigInt(after),
  );
});
