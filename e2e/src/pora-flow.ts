// A flow with random files on a real chain, known whole: every sealed byte and every proof of it can be made.
import { bytesToHash32, type Hash32, type Hex, type RandomSource } from '@cairn/base';
import { flowAbi, poraMineAbi } from '@cairn/chain';
import type { Kernels } from '@cairn/kernels';
import {
  FlowTree,
  fileTreeOfBytes,
  MemoryFlowNodeStore,
  segmentRoot,
  zeroHash,
} from '@cairn/merkle';
import {
  buildAnswer,
  type PoraAnswer,
  padSeeds,
  type RecallRange,
  rangeOfShard,
  recallLoad,
  SECTORS_PER_LOAD,
  type SealContext,
  sealInPlace,
  sealProof,
  seedBase,
  type Work,
} from '@cairn/pora';
import type { TestChain } from '@cairn/testkit';
import {
  createPublicClient,
  createWalletClient,
  http,
  type PublicClient,
  parseEventLogs,
  type WalletClient,
} from 'viem';
import { privateKeyToAccount } from 'viem/accounts';

/** The answer as the ABI takes it. */
export function toAbi(answer: PoraAnswer) {
  const words = Array.from({ length: 128 }, (_, i) =>
    bytesToHash32(answer.sealedData.slice(32 * i, 32 * i + 32)),
  );
  return {
    ...answer,
    range: {
      ...answer.range,
      startPosition: BigInt(answer.range.startPosition),
      mineLength: BigInt(answer.range.mineLength),
    },
    recallPosition: BigInt(answer.recallPosition),
    sealOffset: BigInt(answer.sealOffset),
    sealedData: words as never,
  };
}

export class PoraFlow {
  readonly minerIds: Hash32[] = [];
  readonly #sectors = new Map<number, Uint8Array>();
  readonly #leaves = new Map<number, Uint8Array>();
  readonly #tree: FlowTree;
  /** Derived once: the flow of a test is small. */
  readonly #nodes = new Map<string, Uint8Array>();
  readonly client: PublicClient;
  readonly wallet: WalletClient;
  readonly account: ReturnType<typeof privateKeyToAccount>;
  readonly chain: TestChain;
  readonly #kernels: Kernels;

  constructor(chain: TestChain, kernels: Kernels) {
    this.chain = chain;
    this.#kernels = kernels;
    this.#tree = new FlowTree(kernels, new MemoryFlowNodeStore());
    this.account = privateKeyToAccount(chain.accounts[1]!.privateKey);
    const transport = http(chain.rpcUrl);
    this.client = createPublicClient({ transport, pollingInterval: 20, cacheTime: 0 });
    this.wallet = createWalletClient({ account: this.account, transport });
  }

  /** Submits a file and keeps it. */
  async add(bytes: Uint8Array): Promise<void> {
    const { market, flow } = this.chain.deployment.contracts;
    const tree = fileTreeOfBytes(this.#kernels, bytes);
    const price = BigInt(
      (await this.client.call({ to: market as Hex, data: '0x61ec5082' })).data ?? '0x0',
    );
    const { start, lengthAfter } = this.#tree.append(tree.submissionNodes);
    const nodes = tree.submissionNodes.map(({ root, height }) => ({
      root,
      height: BigInt(height),
    }));
    const hash = await this.wallet.writeContract({
      address: flow as Hex,
      abi: flowAbi,
      functionName: 'submit',
      args: [{ length: BigInt(bytes.length), tags: '0x', nodes }],
      value: price * BigInt(lengthAfter - start),
      chain: null,
      account: this.account,
      gas: 3_000_000n,
    });
    await this.client.waitForTransactionReceipt({ hash });
    for (let i = 0; i * 256 < bytes.length; i++) {
      const sector = new Uint8Array(256);
      sector.set(bytes.subarray(256 * i, 256 * i + 256));
      this.#sectors.set(start + i, sector);
      this.#leaves.set(start + i, segmentRoot(this.#kernels, sector, 1));
    }
  }

  async register(seed: bigint): Promise<Hash32> {
    const { mine } = this.chain.deployment.contracts;
    const bond = await this.client.readContract({
      address: mine as Hex,
      abi: poraMineAbi,
      functionName: 'idBond',
    });
    const hash = await this.wallet.writeContract({
      address: mine as Hex,
      abi: poraMineAbi,
      functionName: 'requestMinerId',
      args: [this.account.address, seed],
      value: bond,
      chain: null,
      account: this.account,
    });
    const { logs } = await this.client.waitForTransactionReceipt({ hash });
    const [event] = parseEventLogs({ abi: poraMineAbi, eventName: 'NewMinerId', logs });
    this.minerIds.push(event!.args.minerId as Hash32);
    return event!.args.minerId as Hash32;
  }

  /** What the chain offers the id to work on now. */
  async work(minerId: Hash32): Promise<Work> {
    const { result } = await this.client.simulateContract({
      address: this.chain.deployment.contracts.mine as Hex,
      abi: poraMineAbi,
      functionName: 'computeWorkerContext',
      args: [minerId],
    });
    const { context } = result;
    return {
      context: {
        epoch: Number(context.epoch),
        mineStart: Number(context.mineStart),
        flowRoot: context.flowRoot as Hash32,
        flowLength: Number(context.flowLength),
        blockDigest: context.blockDigest as Hash32,
        digest: context.digest as Hash32,
      },
      poraTarget: result.poraTarget,
      subtaskDigest: result.subtaskDigest as Hash32,
      maxShards: result.maxShards,
    };
  }

  /** Range that the flow records for the position's context; empty when there is none. */
  async sealContext(digest: Hash32): Promise<SealContext> {
    const range = await this.client.readContract({
      address: this.chain.deployment.contracts.flow as Hex,
      abi: flowAbi,
      functionName: 'getEpochRange',
      args: [digest],
    });
    return { start: Number(range.start), end: Number(range.end), digest };
  }

  /** The recorded ranges in order. */
  async sealContexts(): Promise<SealContext[]> {
    const out: SealContext[] = [];
    for (let i = 0n; ; i++) {
      const range = await this.client
        .readContract({
          address: this.chain.deployment.contracts.flow as Hex,
          abi: flowAbi,
          functionName: 'getEpochRangeHistory',
          args: [i],
        })
        .catch(() => undefined);
      if (!range) return out;
      out.push({
        start: Number(range.start),
        end: Number(range.end),
        digest: range.digest as Hash32,
      });
    }
  }

  #node = (level: number, index: number, length: number): Uint8Array | undefined => {
    const key = `${level}/${index}/${length}`;
    const known = this.#nodes.get(key) ?? this.#derive(level, index, length);
    if (known) this.#nodes.set(key, known);
    return known;
  };

  #derive(level: number, index: number, length: number): Uint8Array | undefined {
    const known = this.#tree.node(level, index, length);
    if (known) return known;
    if (level === 0)
      return this.#leaves.get(index) ?? (index === 0 ? new Uint8Array(32) : zeroHash(0));
    const left = this.#node(level - 1, 2 * index, length);
    const right = left && this.#node(level - 1, 2 * index + 1, length);
    return left && right && this.#kernels.hashPairs(new Uint8Array([...left, ...right]));
  }

  /** An honest answer for a random nonce, ready but for luck: whether it wins depends on the target. */
  honest(
    random: RandomSource,
    minerId: Hash32,
    work: Work,
    contexts: readonly SealContext[],
    numShard: number,
  ): { answer: PoraAnswer; sealContext: SealContext } {
    const kernels = this.#kernels;
    for (;;) {
      const shardId = Math.floor(random.next() * numShard);
      const range: RecallRange = rangeOfShard({ shardId, numShard }, work.context.flowLength);
      const nonce = random.bytes(32);
      const base = seedBase({ minerId, subtaskDigest: work.subtaskDigest, range });
      const { recallSeeds } = kernels.mining.scratchpads(padSeeds(kernels, base, nonce));
      const load = recallLoad(range, recallSeeds);
      if (load === undefined) continue;
      const loadStart = range.startPosition + load * SECTORS_PER_LOAD;
      const sealOffset = Math.floor(random.next() * 64);
      const start = loadStart + 16 * sealOffset;
      if (start === 0) continue; // sector 0 has no preimage
      const sealContext = contexts.find((one) => one.start < start + 16 && one.end >= start + 16)!;
      const sealedData = new Uint8Array(4096);
      for (let i = 0; i < 16; i++)
        sealedData.set(this.#sectors.get(start + i) ?? zeroSector, 256 * i);
      sealInPlace(kernels, sealedData, {
        minerId,
        contextDigest: sealContext.digest,
        startSector: start,
      });
      const { flowLength } = work.context;
      const merkleProof = sealProof(start, flowLength, (level, index) =>
        this.#node(level, index, flowLength),
      )!;
      const answer = buildAnswer({
        work,
        minerId,
        nonce: bytesToHash32(nonce),
        range,
        loadStart,
        sealOffset,
        sealedContextDigest: sealContext.digest,
        sealedData,
        merkleProof,
      });
      return { answer, sealContext };
    }
  }
}

const zeroSector = new Uint8Array(256);
