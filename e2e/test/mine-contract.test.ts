/*
 * libs/pora and PoraMine judge the same answers: honest ones over random files, shards, nonces and seals, and each of them with
 * one thing changed. Both must accept, or refuse by the same check. `CAIRN_PORA_CASES` makes it longer (npm run soak).
 */
import { bytesToHash32, type Hash32, type Hex, isCodedError, seededRandom } from '@cairn/base';
import { poraMineAbi } from '@cairn/chain';
import { loadNodeKernels } from '@cairn/kernels/node';
import {
  nextEpoch,
  type PoraAnswer,
  qualityThreshold,
  targetOfDifficulty,
  verifyAnswer,
  type Work,
} from '@cairn/pora';
import { DEVNET } from '@cairn/protocol';
import { startTestChain } from '@cairn/testkit';
import { BaseError, ContractFunctionRevertedError, encodeFunctionData } from 'viem';
import { expect, it } from 'vitest';
import { PoraFlow, toAbi } from '../src/pora-flow.ts';

const CASES = Number(process.env.CAIRN_PORA_CASES ?? 250);
const SEED = Number(process.env.CAIRN_PORA_SEED ?? 2026);
/** The contract's error of each of our checks. */
const REVERTS: Record<string, string> = {
  PORA_CONTEXT: 'ContextMismatch',
  PORA_RANGE_ALIGNMENT: 'RangeNotAligned',
  PORA_RANGE_OVERFLOW: 'RangeOverflow',
  PORA_RANGE_SHORT: 'RangeTooShort',
  PORA_SHARD_MASK: 'ShardIdMasked',
  PORA_SHARD_COUNT: 'TooManyShards',
  PORA_SEAL_OFFSET: 'SealOffsetOutOfRange',
  PORA_SEAL_CONTEXT: 'SealContextMismatch',
  PORA_RECALL_BOUND: 'RecallOutOfRange',
  PORA_RECALL_POSITION: 'RecallPositionMismatch',
  PORA_PROOF_LENGTH: 'ProofLength',
  PORA_PROOF_ROOT: 'FlowRootMismatch',
  PORA_QUALITY: 'QualityNotReached',
};

it('the library and the contract judge random answers alike, honest and changed', async () => {
  const { kernels } = await loadNodeKernels();
  const random = seededRandom(SEED);
  const draw = (below: number): number => Math.floor(random.next() * below);
  const epochBlocks = 64;
  await using chain = await startTestChain({
    preset: {
      blocksPerEpoch: epochBlocks,
      mine: {
        ...DEVNET.mine,
        targetMineBlocks: 60,
        targetSubmissions: 1000,
        minDifficulty: 1n,
        difficulty: 1n,
      },
    },
  });
  const flow = new PoraFlow(chain, kernels);
  const minerIds = [await flow.register(1n), await flow.register(2n)];
  for (let epoch = 0; epoch < 2; epoch++) {
    for (let i = 0; i < 3; i++) await flow.add(random.bytes(1 + draw(2 ** (12 + draw(10)))));
    await chain.mine(epochBlocks);
  }
  const contexts = await flow.sealContexts().then(async (known) => {
    // Contexts are made by whoever needs them; the first work does.
    if (known.length === 2) return known;
    await flow.wallet.writeContract({
      address: chain.deployment.contracts.mine as Hex,
      abi: poraMineAbi,
      functionName: 'canSubmit',
      chain: null,
      account: flow.account,
    });
    return flow.sealContexts();
  });
  expect(contexts).toHaveLength(2);

  const mine = chain.deployment.contracts.mine as Hex;
  const verdictOfContract = async (answer: PoraAnswer): Promise<string> => {
    try {
      await flow.client.simulateContract({
        address: mine,
        abi: poraMineAbi,
        functionName: 'submit',
        args: [toAbi(answer)],
        account: flow.account,
      });
      return 'accepted';
    } catch (error) {
      const reverted =
        error instanceof BaseError &&
        error.walk((cause) => cause instanceof ContractFunctionRevertedError);
      if (reverted instanceof ContractFunctionRevertedError)
        return reverted.data?.errorName ?? 'none';
      throw error;
    }
  };
  const verdictOfLibrary = async (answer: PoraAnswer, work: Work): Promise<string> => {
    const sealContext = await flow.sealContext(answer.sealedContextDigest);
    try {
      verifyAnswer(kernels, answer, { work, sealContext });
      return 'accepted';
    } catch (error) {
      if (isCodedError(error)) return REVERTS[error.code] ?? error.code;
      throw error;
    }
  };

  const flip = (hash: Hash32): Hash32 => {
    const bytes = Uint8Array.from(Buffer.from(hash.slice(2), 'hex'));
    bytes[draw(32)]! ^= 1 << draw(8);
    return bytesToHash32(bytes);
  };
  /** One thing wrong with an answer. The miner id stays registered. */
  const change = (answer: PoraAnswer): PoraAnswer => {
    const by = [-1, 1, -16, 16, 1024, 2 ** 25][draw(6)]!;
    const range = { ...answer.range };
    switch (draw(13)) {
      case 0:
        return { ...answer, contextDigest: flip(answer.contextDigest) };
      case 1:
        return { ...answer, nonce: flip(answer.nonce) };
      case 2:
        return { ...answer, minerId: minerIds.find((id) => id !== answer.minerId)! };
      case 3:
        return { ...answer, range: { ...range, startPosition: Math.abs(by) } };
      case 4:
        return { ...answer, range: { ...range, mineLength: Math.max(0, range.mineLength + by) } };
      case 5:
        return {
          ...answer,
          range: { ...range, shardId: range.shardId ^ (1n << BigInt(draw(64))) },
        };
      case 6:
        return {
          ...answer,
          range: { ...range, shardMask: range.shardMask ^ (1n << BigInt(draw(64))) },
        };
      case 7:
        return { ...answer, recallPosition: Math.max(0, answer.recallPosition + by) };
      case 8: {
        // Also the forged answer of the specification: offset and position fit each other.
        const sealOffset = draw(1024);
        const recallPosition = answer.recallPosition + 16 * (sealOffset - answer.sealOffset);
        return { ...answer, sealOffset, recallPosition: Math.max(0, recallPosition) };
      }
      case 9: {
        const other = contexts.find(({ digest }) => digest !== answer.sealedContextDigest)!.digest;
        const digest = draw(2) === 0 ? other : flip(answer.sealedContextDigest);
        return { ...answer, sealedContextDigest: digest };
      }
      case 10: {
        const sealedData = answer.sealedData.slice();
        sealedData[draw(4096)]! ^= 1 << draw(8);
        return { ...answer, sealedData };
      }
      case 11: {
        const merkleProof = [...answer.merkleProof];
        merkleProof[draw(merkleProof.length)] = flip(merkleProof[0]!);
        return { ...answer, merkleProof };
      }
      default: {
        const merkleProof = answer.merkleProof.slice(0, draw(answer.merkleProof.length + 1));
        if (merkleProof.length === answer.merkleProof.length) merkleProof.push(merkleProof[0]!);
        return { ...answer, merkleProof };
      }
    }
  };

  const seen = new Map<string, number>();
  const judge = async (index: number, work: ReadonlyMap<Hash32, Work>): Promise<void> => {
    const minerId = minerIds[draw(2)]!;
    const { answer } = flow.honest(random, minerId, work.get(minerId)!, contexts, 2 ** draw(4));
    const changed = change(answer);
    for (const [what, one] of [
      ['honest', answer],
      ['changed', changed],
    ] as const) {
      const [contract, library] = await Promise.all([
        verdictOfContract(one),
        verdictOfLibrary(one, work.get(one.minerId)!),
      ]);
      expect(contract, `seed ${SEED}, case ${index}, ${what}`).toBe(library);
      seen.set(contract, (seen.get(contract) ?? 0) + 1);
    }
  };
  const works = async (): Promise<Map<Hash32, Work>> =>
    new Map(await Promise.all(minerIds.map(async (id) => [id, await flow.work(id)] as const)));

  // At the easiest target every seal of an unsharded range wins; then at one that half of them reach.
  const easy = await works();
  for (let index = 0; index < CASES / 2; index += 8)
    await Promise.all(Array.from({ length: 8 }, (_, i) => judge(index + i, easy)));
  expect(seen.get('accepted') ?? 0).toBeGreaterThan(CASES / 8);

  // A first answer for real, and its gas: the second of an epoch and of an id costs what every later one does.
  const gas: number[] = [];
  for (let i = 0; i < 3; i++) {
    const minerId = minerIds[0]!;
    const { answer } = flow.honest(random, minerId, easy.get(minerId)!, contexts, 1);
    const hash = await flow.wallet.sendTransaction({
      to: mine,
      data: encodeFunctionData({ abi: poraMineAbi, functionName: 'submit', args: [toAbi(answer)] }),
      chain: null,
      account: flow.account,
      gas: 2_000_000n,
    });
    const receipt = await flow.client.waitForTransactionReceipt({ hash });
    expect(receipt.status).toBe('success');
    gas.push(Number(receipt.gasUsed));
    if (i === 0) {
      // Sent again it earns nothing and costs its sender.
      expect(await verdictOfContract(answer)).toBe('AnswerReplayed');
      const thief = { ...answer, minerId: minerIds[1]! };
      expect(await verdictOfContract(thief)).not.toBe('accepted');
    }
  }
  console.log(`gas of submit: ${gas.join(', ')}`);
  expect(gas[0]).toBeLessThan(413_000);
  expect(gas[2]).toBeLessThan(359_000);

  const target = targetOfDifficulty(2n);
  for (let slot = 0; slot < 16; slot++) {
    const at = `0x${slot.toString(16).padStart(64, '0')}`;
    const value = await chain.rpc('eth_getStorageAt', [mine, at, 'latest']);
    const current = await flow.client.readContract({
      address: mine,
      abi: poraMineAbi,
      functionName: 'poraTarget',
    });
    if (BigInt(String(value)) !== current) continue;
    await chain.rpc('anvil_setStorageAt', [mine, at, `0x${target.toString(16).padStart(64, '0')}`]);
    break;
  }
  const hard = await works();
  expect(hard.get(minerIds[0]!)!.poraTarget).toBe(target);
  const before = new Map(seen);
  for (let index = 0; index < CASES / 2; index += 8)
    await Promise.all(Array.from({ length: 8 }, (_, i) => judge(index + i, hard)));
  const range = { shardMask: 2n ** 64n - 1n };
  expect(qualityThreshold(target, range, 24_576) < target).toBe(true);
  expect(seen.get('QualityNotReached') ?? 0).toBeGreaterThan(0);
  expect(seen.get('accepted') ?? 0).toBeGreaterThan(before.get('accepted') ?? 0);
  console.log(Object.fromEntries(seen));

  // An epoch with answers, three skipped, and the next: the contract's target is the library's.
  const parameters = { targetSubmissions: 1000, adjustRatio: 20, minDifficulty: 1n };
  const state = {
    poraTarget: target,
    currentSubmissions: 3,
    targetBeforeGap: 0n,
    hasAnswers: true,
  };
  for (const skipped of [0, 3, 20]) {
    const id = await chain.rpc('evm_snapshot');
    for (let i = 0; i <= skipped; i++) {
      await chain.mine(epochBlocks);
      const hash = await flow.wallet.writeContract({
        address: mine,
        abi: poraMineAbi,
        functionName: 'canSubmit',
        chain: null,
        account: flow.account,
      });
      await flow.client.waitForTransactionReceipt({ hash });
    }
    const offered = await flow.work(minerIds[0]!);
    expect(offered.poraTarget, `${skipped} skipped`).toBe(
      nextEpoch(state, parameters, skipped).poraTarget,
    );
    await chain.rpc('evm_revert', [id]);
  }
}, 600_000);
