// A chain whose blocks a test makes, and nodes that mine on it.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Clock, type Hex, type Logger, silentLogger, systemClock } from '@cairn/base';
import { createFlowWriter, poraMineAbi } from '@cairn/chain';
import { DEVNET } from '@cairn/protocol';
import { createNodeClient } from '@cairn/rpc';
import { startTestChain, type TestChain, temporaryFolder, waitFor } from '@cairn/testkit';
import { createPublicClient, http } from 'viem';
import { nodeConfigSchema } from '../src/config.ts';
import type { MineStatus } from '../src/mine/service.ts';
import { type StorageNode, startStorageNode } from '../src/node.ts';
import { finalized, framesOf, rpcResult, seen, type TestFile } from './harness.ts';

export const EPOCH = 20;
/** Selector of PoraMine.submit. */
const SUBMIT = '0xae722e82';

type PendingTransaction = {
  hash: Hex;
  nonce: Hex;
  to: string;
  input: Hex;
  maxFeePerGas: Hex;
};

export class MineNetwork implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack;
  readonly chain: TestChain;
  readonly dir: string;
  /** File with the key that nodes of it mine with. */
  readonly keyFile: string;

  private constructor(stack: AsyncDisposableStack, chain: TestChain, dir: string) {
    this.#stack = stack;
    this.chain = chain;
    this.dir = dir;
    this.keyFile = join(dir, 'mine.key');
    writeFileSync(this.keyFile, chain.accounts[2]!.privateKey);
  }

  static async start(difficulty: bigint): Promise<MineNetwork> {
    await using stack = new AsyncDisposableStack();
    const chain = stack.use(
      await startTestChain({
        preset: {
          blocksPerEpoch: EPOCH,
          mine: { ...DEVNET.mine, difficulty, minDifficulty: 1n, targetSubmissions: 10 },
        },
      }),
    );
    const folder = stack.use(await temporaryFolder());
    return new MineNetwork(stack.move(), chain, folder.path);
  }

  get client() {
    return createPublicClient({
      transport: http(this.chain.rpcUrl),
      cacheTime: 0,
      pollingInterval: 20,
    });
  }

  async node(
    name: string,
    overrides: Record<string, unknown> = {},
    log: Logger = silentLogger,
    clock: Clock = systemClock,
  ): Promise<StorageNode> {
    const { flow, mine } = this.chain.deployment.contracts;
    const config = nodeConfigSchema.parse({
      dataDir: join(this.dir, name),
      chainRpcUrl: this.chain.rpcUrl,
      flowAddress: flow,
      mineContractAddress: mine,
      mineKeyFile: this.keyFile,
      p2p: false,
      mineThreads: 1,
      mineQueryMs: 50,
      rpcPort: 0,
      adminPort: 0,
      confirmationBlocks: 0,
      pollMs: 30,
      hashThreads: 1,
      ...overrides,
    });
    const node = await startStorageNode({ log, clock }, config);
    this.#stack.defer(() => node.stop());
    return node;
  }

  async store(node: { url: string }, file: TestFile): Promise<number> {
    const writer = createFlowWriter({
      rpcUrl: this.chain.rpcUrl,
      flow: this.chain.deployment.contracts.flow,
      privateKey: this.chain.accounts[1]!.privateKey,
      pollMs: 20,
    });
    const nodes = file.tree.submissionNodes;
    const seq = (await writer.submit([{ size: file.bytes.length, nodes }])).seqs[0]!;
    await this.upload(node, file, seq);
    return seq;
  }

  /** Sends a file whose submission is on chain to a node, which finalizes it. */
  async upload(node: { url: string }, file: TestFile, seq: number): Promise<void> {
    const client = createNodeClient(node.url);
    await seen(client, seq);
    await client.uploadFrames(
      file.tree.root,
      { fileSize: file.bytes.length, txSeq: seq },
      framesOf(file),
    );
    await finalized(client, seq);
  }

  status(node: StorageNode): Promise<MineStatus> {
    return rpcResult(node.adminUrl, 'miner_getStatus', []) as Promise<MineStatus>;
  }

  /** Waits until everything that can be sealed is. */
  sealed(node: { adminUrl: string }, loads: number): Promise<MineStatus> {
    return waitFor(
      async () => {
        const status = (await rpcResult(node.adminUrl, 'miner_getStatus', [])) as MineStatus;
        const [miner] = status.miners;
        return miner && miner.sealedLoads >= loads ? status : undefined;
      },
      { timeoutMs: 20_000, what: `${loads} sealed loads` },
    );
  }

  /** Transactions of an account that wait for a block. */
  async pendingOf(address: string): Promise<PendingTransaction[]> {
    const pool = (await this.chain.rpc('txpool_content')) as {
      pending: Record<string, Record<string, PendingTransaction>>;
    };
    const found = Object.entries(pool.pending).find(([from]) => from.toLowerCase() === address);
    return Object.values(found?.[1] ?? {});
  }

  /** The node's answer as everybody sees it, once it is sent. */
  pendingAnswer(): Promise<PendingTransaction> {
    const { mine } = this.chain.deployment.contracts;
    return waitFor(
      async () => {
        const pending = await this.pendingOf(this.chain.accounts[2]!.address);
        return pending.find(({ to, input }) => to === mine && input.startsWith(SUBMIT));
      },
      { timeoutMs: 20_000, what: 'an answer in the mempool' },
    );
  }

  /** Answers on the chain. */
  submissions() {
    return this.client.getContractEvents({
      address: this.chain.deployment.contracts.mine as Hex,
      abi: poraMineAbi,
      eventName: 'NewSubmission',
      fromBlock: 0n,
    });
  }

  /** Waits until the node has counted so many accepted answers. */
  async accepted(node: StorageNode, count: number): Promise<MineStatus> {
    return waitFor(
      async () => {
        const status = await this.status(node);
        return status.results.accepted >= count ? status : undefined;
      },
      { timeoutMs: 20_000, what: `${count} accepted answers` },
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}
