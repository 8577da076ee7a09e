import { CodedError, seededRandom, silentLogger } from '@cairn/base';
import { loadKernels } from '@cairn/kernels';
import { FlowTree, fileTreeOfBytes, MemoryFlowNodeStore } from '@cairn/merkle';
import {
  faultCount,
  noteFaults,
  patternBytes,
  startTestChain,
  type TestChain,
  waitFor,
} from '@cairn/testkit';
import { createPublicClient, http, keccak256, toBytes } from 'viem';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  chunkRewardsAbi,
  createChainReader,
  createFlowWriter,
  type FlowWriter,
  LogFollower,
  openAccount,
} from '../src/index.ts';
import { MemorySink } from './memory-sink.ts';

const kernels = await loadKernels();
let chain: TestChain;
let writer: FlowWriter;
const file = (size: number, seed: number) => {
  const tree = fileTreeOfBytes(kernels, patternBytes(size, seed));
  return { size, nodes: tree.submissionNodes };
};
const follow = (sink: MemorySink): LogFollower =>
  new LogFollower(
    {
      reader: createChainReader({ rpcUrl: chain.rpcUrl, flow: chain.deployment.contracts.flow }),
      sink,
      log: silentLogger,
    },
    { startBlock: chain.deployment.block, confirmationBlocks: 0, pollMs: 20, pageBlocks: 7 },
  );

beforeAll(async () => {
  chain = await startTestChain();
  writer = createFlowWriter({
    rpcUrl: chain.rpcUrl,
    flow: chain.deployment.contracts.flow,
    privateKey: chain.accounts[1]!.privateKey,
    pollMs: 20,
  });
});
afterAll(() => chain.stop());

describe('writing', () => {
  it('positions and roots equal our flow tree, one by one and in batches; fees end in the pool', async () => {
    const flow = new FlowTree(kernels, new MemoryFlowNodeStore());
    const random = seededRandom(11);
    const reader = createChainReader({
      rpcUrl: chain.rpcUrl,
      flow: chain.deployment.contracts.flow,
    });
    let fees = 0n;
    for (let i = 0; i < 14; i++) {
      const files = Array.from({ length: i % 4 === 3 ? 5 : 1 }, (_, k) =>
        file(1 + Math.floor(random.next() ** 3 * 900_000), i + k),
      );
      const result = await writer.submit(files);
      fees += result.feeWei;
      for (const [k, { nodes }] of files.entries()) {
        expect(result.startSectors[k]).toBe(flow.append(nodes).start);
        expect(await reader.flowRootByTxSeq(result.seqs[k]!)).toBe(flow.root());
      }
    }
    const client = createPublicClient({ transport: http(chain.rpcUrl) });
    expect(await client.getBalance({ address: chain.deployment.contracts.reward })).toBe(fees);
    expect(await client.getBalance({ address: chain.deployment.contracts.flow })).toBe(0n);
    expect(await client.getBalance({ address: chain.deployment.contracts.market })).toBe(0n);
    const pool = await client.readContract({
      address: chain.deployment.contracts.reward,
      abi: chunkRewardsAbi,
      functionName: 'rewards',
      args: [0n],
    });
    expect(pool.locked + pool.claimable).toBe(fees);
  });

  it('names missing funds, a wrong chain, an RPC that is not there, and a revert', async () => {
    const flow = chain.deployment.contracts.flow;
    const poor = createFlowWriter({
      rpcUrl: chain.rpcUrl,
      flow,
      privateKey: keccak256(toBytes('poor')),
    });
    await expect(poor.submit([file(10, 1)])).rejects.toMatchObject({
      code: 'CHAIN_INSUFFICIENT_FUNDS',
    });
    const wrong = createFlowWriter({
      rpcUrl: chain.rpcUrl,
      flow,
      privateKey: chain.accounts[1]!.privateKey,
      chainId: 5,
    });
    await expect(wrong.submit([file(10, 1)])).rejects.toMatchObject({
      code: 'CHAIN_WRONG_CHAIN_ID',
    });
    const nowhere = createFlowWriter({
      rpcUrl: 'http://127.0.0.1:9',
      flow,
      privateKey: chain.accounts[1]!.privateKey,
    });
    await expect(nowhere.submit([file(10, 1)])).rejects.toMatchObject({
      code: 'CHAIN_UNREACHABLE',
    });
    await expect(
      writer.submit([{ size: 10, nodes: [{ root: file(10, 1).nodes[0]!.root, height: 3 }] }]),
    ).rejects.toMatchObject({
      code: 'CHAIN_REVERTED',
      message: expect.stringContaining('Invalid submission'),
    });
  });

  it('submissions asked for at once go out in the order they were asked for, each under a nonce of its own', async () => {
    const asked = await Promise.all([1, 2, 3, 4].map((k) => writer.submit([file(k * 1000, k)])));
    const seqs = asked.map(({ seqs }) => seqs[0]!);
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
    expect(new Set(asked.map(({ txHash }) => txHash)).size).toBe(4);
  });

  it('a signal ends the wait for a block, and the transaction stands where it stands', async () => {
    await chain.rpc('evm_setAutomine', [false]);
    const abort = new AbortController();
    const sent = Promise.withResolvers<Parameters<FlowWriter['transactionState']>[0]>();
    const submitted = writer.submit([file(5000, 9)], {
      signal: abort.signal,
      onSent: sent.resolve,
    });
    const hash = await sent.promise;
    const reason = new CodedError({ code: 'TEST_ENOUGH', kind: 'cancelled', message: 'enough' });
    abort.abort(reason);
    await expect(submitted).rejects.toBe(reason);
    expect(await writer.transactionState(hash)).toEqual({ state: 'pending' });
    await chain.rpc('evm_setAutomine', [true]);
    await chain.mine(1);
    expect(await writer.transactionState(hash)).toMatchObject({ state: 'mined' });
  });

  it('a transaction that no block takes in time is called lost', async () => {
    const impatient = createFlowWriter({
      rpcUrl: chain.rpcUrl,
      flow: chain.deployment.contracts.flow,
      privateKey: chain.accounts[2]!.privateKey,
      pollMs: 20,
      receiptTimeoutMs: 200,
    });
    await chain.rpc('evm_setAutomine', [false]);
    await expect(impatient.submit([file(5000, 10)])).rejects.toMatchObject({
      code: 'CHAIN_TX_LOST',
    });
    await chain.rpc('evm_setAutomine', [true]);
    await chain.mine(1);
  });

  it('senders that share an account take turns: none takes the nonce of another', async () => {
    const { rpcUrl, accounts, deployment } = chain;
    const account = openAccount({ rpcUrl, privateKey: accounts[2]!.privateKey, pollMs: 20 });
    const { flow } = deployment.contracts;
    const nonce = (): Promise<number> =>
      account.client.getTransactionCount({ address: account.address });
    const before = await nonce();
    const writers = Array.from({ length: 3 }, () => createFlowWriter({ account, flow }));
    const results = await Promise.all(
      Array.from({ length: 9 }, (_, i) => writers[i % 3]!.submit([file(1000 + i, 100 + i)])),
    );
    expect(new Set(results.map(({ txHash }) => txHash)).size).toBe(9);
    expect(await nonce()).toBe(before + 9);
  });
});

describe('following', () => {
  it('catches up, follows, and comes out right after reorgs of 1 to 20 blocks and a restart', async ({
    task,
  }) => {
    const depths = [1, 3, 8, 20, ...Array.from({ length: 20 }, (_, i) => i + 1)].slice(
      0,
      faultCount(4),
    );
    noteFaults(task, depths.length + 1);
    const sink = new MemorySink();
    const follower = follow(sink);
    follower.start();
    const { seqs } = await writer.submit([file(4000, 3)]);
    const count = seqs[0]! + 1;
    await waitFor(() => sink.submissions.length === count, { timeoutMs: 10_000, what: 'catch-up' });
    await chain.mine(30);
    for (const depth of depths) {
      await writer.submit([file(5000 + depth, depth)]);
      await waitFor(() => sink.submissions.at(-1)?.size === 5000 + depth, {
        timeoutMs: 10_000,
        what: 'the new entry',
      });
      await chain.mine(depth - 1);
      await waitFor(
        async () => sink.progress()?.number === Number(await chain.rpc('eth_blockNumber')),
        { timeoutMs: 10_000, what: 'the head' },
      );
      const before = sink.submissions.length;
      await chain.rpc('anvil_reorg', [depth, []]);
      await waitFor(() => sink.submissions.length === before - 1, {
        timeoutMs: 10_000,
        what: `the revert of ${depth} blocks`,
      });
    }
    await follower.stop();
    // A restart: a fresh follower goes on from the sink, across another reorg that happened meanwhile.
    await writer.submit([file(7777, 1)]);
    await chain.rpc('anvil_reorg', [1, []]);
    await writer.submit([file(8888, 2)]);
    const again = follow(sink);
    again.start();
    await waitFor(() => sink.submissions.at(-1)?.size === 8888, {
      timeoutMs: 10_000,
      what: 'the entry after the restart',
    });
    await again.stop();
    expect(sink.reverts).toBeGreaterThanOrEqual(depths.length);
    expect(sink.submissions.map((s) => s.seq)).toEqual(sink.submissions.map((_, i) => i));
    const fresh = new MemorySink();
    const replay = follow(fresh);
    replay.start();
    await waitFor(() => fresh.submissions.length === sink.submissions.length, {
      timeoutMs: 10_000,
      what: 'a fresh replay',
    });
    await replay.stop();
    expect(fresh.submissions).toEqual(sink.submissions);
  }, 60_000);
});
