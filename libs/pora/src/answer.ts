// Building an answer, and checking one as PoraMine.submit does. Source: spec/storage-protocol.md 4.6, design/contracts.md 1-2.
import { bytesToHash32, equalBytes, type Hash32, hexToBytes } from '@cairn/base';
import type { Kernels } from '@cairn/kernels';
import { flowHeight, hashPair } from '@cairn/merkle';
import { BYTES_PER_SEAL, EMPTY_HASH, SECTORS_PER_SEAL } from '@cairn/protocol';
import { SEAL_HEIGHT, SEALS_PER_LOAD, SECTORS_PER_LOAD } from './constants.ts';
import { refusal } from './errors.ts';
import { mixSeal, padOfSeed, padSeeds, qualityOf, seedBase } from './iteration.ts';
import { qualityThreshold } from './quality.ts';
import { assertRange, recallLoadStart } from './range.ts';
import { assertSealContext, unsealInPlace } from './seal.ts';
import type { PoraAnswer, RecallRange, SealContext, Work } from './types.ts';

const ZERO_ID = `0x${'00'.repeat(32)}`;

/** An answer from a hit: nothing is checked here, `verifyAnswer` does. The seal's bytes are not copied. */
export function buildAnswer(input: {
  work: Work;
  minerId: Hash32;
  nonce: Hash32;
  range: RecallRange;
  /** First sector of the recalled load. */
  loadStart: number;
  sealOffset: number;
  sealedContextDigest: Hash32;
  sealedData: Uint8Array;
  /** From `sealProof`. */
  merkleProof: readonly Hash32[];
}): PoraAnswer {
  return {
    contextDigest: input.work.context.digest,
    nonce: input.nonce,
    minerId: input.minerId,
    range: input.range,
    recallPosition: input.loadStart + input.sealOffset * SECTORS_PER_SEAL,
    sealOffset: input.sealOffset,
    sealedContextDigest: input.sealedContextDigest,
    sealedData: input.sealedData,
    merkleProof: input.merkleProof,
  };
}

/**
 * Sibling hashes of the seal at `startSector`, from a function that knows the flow's nodes at `flowLength`; undefined when
 * it does not know one.
 */
export function sealProof(
  startSector: number,
  flowLength: number,
  node: (level: number, index: number) => Uint8Array | undefined,
): Hash32[] | undefined {
  const proof: Hash32[] = [];
  const height = flowHeight(flowLength);
  for (let level = SEAL_HEIGHT; level < height; level++) {
    const index = Math.floor(startSector / 2 ** level);
    const sibling = node(level, index % 2 === 0 ? index + 1 : index - 1);
    if (!sibling) return undefined;
    proof.push(bytesToHash32(sibling));
  }
  return proof;
}

/**
 * Checks an answer against the work it claims to solve, in the contract's order, and gives its quality. The caller supplies
 * what the chain knows: `sealContext` is the range recorded for the answer's `sealedContextDigest` (start and end 0 when
 * none is). Registration, caps per epoch and replays are state of the chain and are checked there only.
 * Throws the `PORA_…` error of the first check that fails. About 3 ms with the reference hashes.
 */
export function verifyAnswer(
  kernels: Kernels,
  answer: PoraAnswer,
  input: { work: Work; sealContext: SealContext },
): { quality: bigint; threshold: bigint } {
  const { work, sealContext } = input;
  const { context } = work;
  if (answer.minerId === ZERO_ID) throw refusal('PORA_MINER_ID', 'the miner id is zero');
  if (context.digest === EMPTY_HASH)
    throw refusal('PORA_CONTEXT_EMPTY', 'the epoch cannot be mined', { epoch: context.epoch });
  if (answer.contextDigest !== context.digest) {
    throw refusal('PORA_CONTEXT', 'the answer is for another context', {
      expected: context.digest,
      actual: answer.contextDigest,
    });
  }
  assertRange(answer.range, context.flowLength, work.maxShards);
  if (answer.sealOffset < 0 || answer.sealOffset >= SEALS_PER_LOAD) {
    throw refusal('PORA_SEAL_OFFSET', `a load has ${SEALS_PER_LOAD} seals`, {
      sealOffset: answer.sealOffset,
    });
  }
  if (answer.sealedData.length !== BYTES_PER_SEAL) {
    throw refusal('PORA_SEAL_BYTES', `a seal has ${BYTES_PER_SEAL} bytes`, {
      actual: answer.sealedData.length,
    });
  }
  const base = seedBase({ ...answer, subtaskDigest: work.subtaskDigest });
  const padSeed = padSeeds(kernels, base, hexToBytes(answer.nonce));
  const { pad, recallSeed } = padOfSeed(padSeed);
  const loadStart = recallLoadStart(answer.range, recallSeed);
  const position = loadStart + answer.sealOffset * SECTORS_PER_SEAL;
  if (answer.recallPosition !== position) {
    throw refusal('PORA_RECALL_POSITION', 'the nonce recalls another place', {
      expected: position,
      actual: answer.recallPosition,
    });
  }
  assertSealContext(sealContext, position);
  const root = answerRoot(kernels, answer, context.flowLength);
  if (!equalBytes(root, hexToBytes(context.flowRoot))) {
    throw refusal('PORA_PROOF_ROOT', 'the sealed data is not what the flow holds there', {
      expected: context.flowRoot,
      actual: bytesToHash32(root),
    });
  }
  const mixed = mixSeal(answer.sealedData, answer.sealOffset, pad);
  const quality = qualityOf(answer.sealOffset, padSeed, mixed);
  const threshold = qualityThreshold(work.poraTarget, answer.range, context.flowLength);
  if (quality > threshold) {
    throw refusal('PORA_QUALITY', 'the answer does not reach the target', {
      quality: quality.toString(),
      threshold: threshold.toString(),
    });
  }
  return { quality, threshold };
}

/** Flow root that the answer's bytes and siblings lead to. Throws `PORA_PROOF_LENGTH`. */
function answerRoot(kernels: Kernels, answer: PoraAnswer, flowLength: number): Uint8Array {
  const height = flowHeight(flowLength);
  if (answer.merkleProof.length !== height - SEAL_HEIGHT) {
    throw refusal('PORA_PROOF_LENGTH', 'the proof has a wrong length', {
      expected: height - SEAL_HEIGHT,
      actual: answer.merkleProof.length,
    });
  }
  const data = answer.sealedData.slice();
  unsealInPlace(kernels, data, {
    minerId: answer.minerId,
    contextDigest: answer.sealedContextDigest,
    startSector: answer.recallPosition,
  });
  let node = kernels.sectorTreeRoots(data, SECTORS_PER_SEAL);
  // The position lies in the range and the range in the flow, so that the index is 0 after the last sibling.
  let index = answer.recallPosition / SECTORS_PER_SEAL;
  for (const sibling of answer.merkleProof) {
    const bytes = hexToBytes(sibling);
    node = index % 2 === 0 ? hashPair(kernels, node, bytes) : hashPair(kernels, bytes, node);
    index = Math.floor(index / 2);
  }
  return node;
}

/** Index of the load that holds `sector`. */
export function loadIndexOf(sector: number): number {
  return Math.floor(sector / SECTORS_PER_LOAD);
}
