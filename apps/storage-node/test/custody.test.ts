// Receipts on a real chain whose blocks the test makes: signed for what is stored, answered for, slashed when the bytes are gone.
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Hex, parseAddress, seededRandom, silentLogger } from '@cairn/base';
import { createFlowWriter, createTransactionSender } from '@cairn/chain';
import {
  type CustodyChallenge,
  type CustodyReader,
  challengeCall,
  createCustodyReader,
  failChallengeCall,
  openedIn,
} from '@cairn/chain/custody';
import type { SignedReceipt } from '@cairn/protocol';
import { createNodeClient, type NodeClient } from '@cairn/rpc';
import { startTestChain, type TestChain, temporaryFolder, waitFor } from '@cairn/testkit';
import { describe, expect, it } from 'vitest';
import { nodeConfigSchema } from '../src/config.ts';
import { type StorageNode, startStorageNode } from '../src/node.ts';
import { finalized, framesOf, makeFile, seen, type TestFile } from './harness.ts';

const RESPONSE_BLOCKS = 30;
const bytesOf = (seed: number, size: number): Uint8Array => seededRandom(seed).bytes(size);

type TestNode = StorageNode & { client: NodeClient; dir: string };

class CustodyNetwork implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack;
  readonly #folder: string;
  readonly chain: TestChain;
  readonly reader: CustodyReader;

  private constructor(stack: AsyncDisposableStack, chain: TestChain, folder: string) {
    this.#stack = stack;
    this.chain = chain;
    this.#folder = folder;
    const contract = chain.deployment.contracts.storageCustody!;
    this.reader = createCustodyReader({ rpcUrl: chain.rpcUrl, contract });
  }

  static async start(): Promise<CustodyNetwork> {
    await using stack = new AsyncDisposableStack();
    const chain = stack.use(await startTestChain());
    const folder = stack.use(await temporaryFolder());
    return new CustodyNetwork(stack.move(), chain, folder.path);
  }

  /** A node that signs with account `account`; the same name continues in its folder. */
  async node(name: string, account: number, shard = '0/1'): Promise<TestNode> {
    const dir = join(this.#folder, name);
    const keyFile = join(this.#folder, `${name}.key`);
    await writeFile(keyFile, this.chain.accounts[account]!.privateKey);
    const { flow, storageCustody } = this.chain.deployment.contracts;
    const config = nodeConfigSchema.parse({
      dataDir: dir,
      chainRpcUrl: this.chain.rpcUrl,
      flowAddress: flow,
      custodyKeyFile: keyFile,
      custodyContractAddress: storageCustody,
      custodyQueryMs: 50,
      p2p: false,
      rpcPort: 0,
      adminPort: 0,
      confirmationBlocks: 0,
      pollMs: 30,
      hashThreads: 1,
      kernels: 'wasm',
      scrubBytesPerSecond: 0,
      shard,
    });
    const node = await startStorageNode({ log: silentLogger }, config);
    this.#stack.defer(() => node.stop());
    return Object.assign(node, { client: createNodeClient(node.url), dir });
  }

  /** Until the provider with this account has locked its stake. */
  async ready(account: number): Promise<void> {
    const provider = parseAddress(this.chain.accounts[account]!.address);
    await waitFor(async () => (await this.reader.provider(provider)).lockedUntil > 0 || undefined, {
      timeoutMs: 10_000,
      what: 'locked stake',
    });
  }

  async submit(file: TestFile): Promise<number> {
    const writer = createFlowWriter({
      rpcUrl: this.chain.rpcUrl,
      flow: this.chain.deployment.contracts.flow,
      privateKey: this.chain.accounts[1]!.privateKey,
      pollMs: 20,
    });
    const nodes = file.tree.submissionNodes;
    return (await writer.submit([{ size: file.bytes.length, nodes }])).seqs[0]!;
  }

  async store({ client }: TestNode, file: TestFile, txSeq: number): Promise<void> {
    await seen(client, txSeq);
    const { root } = file.tree;
    await client.uploadFrames(root, { fileSize: file.bytes.length, txSeq }, framesOf(file));
    await finalized(client, txSeq);
  }

  receipt({ client }: TestNode, txSeq: number): Promise<SignedReceipt> {
    return waitFor(async () => (await client.getReceipt(txSeq).catch(() => null)) ?? undefined, {
      timeoutMs: 10_000,
      what: 'a receipt',
    });
  }

  async challenge(signed: SignedReceipt): Promise<CustodyChallenge> {
    const bond = await this.reader.bondFor(signed.receipt.provider);
    return openedIn(await this.sender.send(challengeCall(signed, bond)))!;
  }

  get sender() {
    return createTransactionSender({
      rpcUrl: this.chain.rpcUrl,
      privateKey: this.chain.accounts[3]!.privateKey as Hex,
      pollMs: 20,
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

describe('receipts', () => {
  it('are signed for finalized files only, one for everybody, and the contract takes them', async () => {
    await using network = await CustodyNetwork.start();
    const node = await network.node('a', 5, '1/2');
    const file = makeFile(bytesOf(1, 3 * 262_144 + 77));
    const tiny = makeFile(bytesOf(2, 300));
    const txSeq = await network.submit(file);
    const other = await network.submit(tiny);
    await seen(node.client, other);
    await network.ready(5); // its stake is locked, the bytes are not there
    expect(await node.client.getReceipt(txSeq)).toBeNull();
    expect(await node.client.getReceipt(99)).toBeNull();
    await seen(node.client, txSeq);
    const info = await node.client.getFileInfoByTxSeq(txSeq);
    const first = Math.floor(info!.tx.startEntryIndex / 1024);
    const ours = framesOf(file).filter(({ index }) => (first + index) % 2 === 1);
    await node.client.uploadFrames(file.tree.root, { fileSize: file.bytes.length, txSeq }, ours);
    await finalized(node.client, txSeq);
    const signed = await network.receipt(node, txSeq);
    await network.reader.checkReceipt(signed);
    expect(signed.receipt).toMatchObject({
      txSeq,
      startPos: info!.tx.startEntryIndex,
      sectors: 3 * 1024 + 1,
      dataRoot: file.tree.root,
      shardId: 1,
      numShard: 2,
    });
    expect(await node.client.getReceipt(txSeq)).toEqual(signed);
    const held = await node.client.getFileInfoByTxSeq(other);
    // The tiny file lies in one segment: a receipt exists exactly when that is ours.
    if (Math.floor(held!.tx.startEntryIndex / 1024) % 2 === 0)
      expect(await node.client.getReceipt(other)).toBeNull();
    const forged = {
      ...signed,
      receipt: { ...signed.receipt, sectors: signed.receipt.sectors - 1 },
    };
    await expect(network.reader.checkReceipt(forged)).rejects.toMatchObject({
      details: { errorName: 'NotSigned' },
    });
  }, 60_000);

  it('a node that has the bytes answers by itself, also after a restart; one that dropped them is slashed', async () => {
    await using network = await CustodyNetwork.start();
    const [honest, careless] = await Promise.all([network.node('a', 5), network.node('b', 6)]);
    const file = makeFile(bytesOf(3, 2 * 262_144 + 5000));
    const txSeq = await network.submit(file);
    await Promise.all([network.store(honest, file, txSeq), network.store(careless, file, txSeq)]);
    const [good, bad] = await Promise.all([
      network.receipt(honest, txSeq),
      network.receipt(careless, txSeq),
    ]);
    expect(good.receipt.provider).not.toBe(bad.receipt.provider);
    // One comes back with its folder, the other with an empty one.
    await Promise.all([honest.stop(), careless.stop()]);
    await rm(careless.dir, { recursive: true });
    const first = await network.challenge(good);
    const second = await network.challenge(bad);
    const before = await network.reader.provider(bad.receipt.provider);
    await network.chain.mine(3);
    await Promise.all([network.node('a', 5), network.node('b', 6)]);
    const answered = await waitFor(() => network.reader.outcome(first), {
      timeoutMs: 15_000,
      what: 'an answer',
    });
    expect(answered).toEqual({ kind: 'answered' });
    await network.chain.mine(RESPONSE_BLOCKS + 2);
    await network.sender.send(failChallengeCall(bad.contract, second));
    const outcome = await network.reader.outcome(second);
    const held = BigInt(bad.receipt.sectors);
    expect(outcome).toMatchObject({ kind: 'failed' });
    const after = await network.reader.provider(bad.receipt.provider);
    expect(before.stakeWei - after.stakeWei).toBe((outcome as { slashedWei: bigint }).slashedWei);
    expect((outcome as { slashedWei: bigint }).slashedWei).toBeGreaterThanOrEqual(
      held * 3_073_364_496_200n,
    );
    await expect(network.challenge(bad)).rejects.toMatchObject({
      details: { errorName: 'AlreadyFailed' },
    });
  }, 90_000);

  it('a challenge whose answer a reorg dropped is answered again', async () => {
    await using network = await CustodyNetwork.start();
    const node = await network.node('a', 5);
    const file = makeFile(bytesOf(6, 9000));
    const txSeq = await network.submit(file);
    await network.store(node, file, txSeq);
    const opened = await network.challenge(await network.receipt(node, txSeq));
    const snapshot = await network.chain.rpc('evm_snapshot');
    for (let round = 0; round < 2; round++) {
      await network.chain.mine(3);
      const outcome = await waitFor(() => network.reader.outcome(opened), {
        timeoutMs: 15_000,
        what: 'an answer',
      });
      expect(outcome).toEqual({ kind: 'answered' });
      if (round > 0) break;
      await network.chain.rpc('evm_revert', [snapshot]);
      expect(await network.reader.isOpen(opened.id)).toBe(true);
    }
  }, 60_000);

  it('a receipt of a file that a reorg moved is void', async () => {
    await using network = await CustodyNetwork.start();
    const node = await network.node('a', 5);
    await network.ready(5);
    const snapshot = await network.chain.rpc('evm_snapshot');
    const file = makeFile(bytesOf(4, 5000));
    await network.submit(makeFile(bytesOf(5, 700)));
    const txSeq = await network.submit(file);
    await network.store(node, file, txSeq);
    const signed = await network.receipt(node, txSeq);
    await network.reader.checkReceipt(signed);
    await network.chain.rpc('evm_revert', [snapshot]);
    await network.chain.mine(8);
    await expect(network.reader.checkReceipt(signed)).rejects.toMatchObject({
      details: { errorName: 'VoidReceipt' },
    });
  }, 60_000);
});
