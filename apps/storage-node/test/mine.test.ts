// A node that seals, searches, answers and is paid, on a real chain whose blocks the test makes.
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { type Hex, seededRandom, silentLogger, systemClock } from '@cairn/base';
import { chunkRewardsAbi, poraMineAbi } from '@cairn/chain';
import { waitFor } from '@cairn/testkit';
import { createWalletClient, http } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { describe, expect, it } from 'vitest';
import { makeFile, rpcResult } from './harness.ts';
import { EPOCH, MineNetwork } from './mine-network.ts';

/** A proxy before the chain whose wire can be cut: connections are reset, new ones too. */
async function startSwitchableProxy(
  target: string,
): Promise<AsyncDisposable & { url: string; cut(): void; mend(): void }> {
  const { hostname, port } = new URL(target);
  const open = new Set<Socket>();
  let isCut = false;
  const server = createServer((inbound) => {
    if (isCut) return inbound.destroy();
    const outbound = connect(Number(port), hostname);
    for (const [one, other] of [
      [inbound, outbound],
      [outbound, inbound],
    ] as const) {
      open.add(one);
      one.pipe(other);
      one.on('error', () => other.destroy());
      one.on('close', () => {
        open.delete(one);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    isCut = true;
    for (const socket of open) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    mend: () => {
      isCut = false;
    },
    async [Symbol.asyncDispose]() {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const random = seededRandom(4);

describe('mining', () => {
  it.each([
    ['beside the raw bytes', true],
    ['instead of the raw bytes', false],
  ])(
    'seals what it stores %s, answers, is paid, withdraws, and goes on after a restart',
    async (_, keepRaw) => {
      await using network = await MineNetwork.start(300n);
      const { chain } = network;
      const node = await network.node('a', { keepRaw });
      // Three megabytes, a short file behind them: whole loads, padded ones, the flow's first.
      await network.store(node, makeFile(random.bytes(3_000_000)));
      await network.store(node, makeFile(random.bytes(5000)));
      await chain.rpc('evm_increaseTime', [3600]);
      await chain.mine(EPOCH + 1);
      const status = await network.accepted(node, 1);
      expect(status.results).toMatchObject({ refused: 0, failed: 0 });
      expect(status.miners).toHaveLength(1);
      expect(BigInt(status.owedWei)).toBeGreaterThan(0n);
      const { minerId } = status.miners[0]!;

      await rpcResult(node.adminUrl, 'miner_stop', []);
      expect(await rpcResult(node.adminUrl, 'miner_getStatus', [])).toBeNull();
      const owed = await network.client.readContract({
        address: chain.deployment.contracts.reward as Hex,
        abi: chunkRewardsAbi,
        functionName: 'payments',
        args: [status.account as Hex],
      });
      expect(owed).toBeGreaterThan(0n);
      await rpcResult(node.adminUrl, 'miner_withdraw', []);
      const left = await network.client.readContract({
        address: chain.deployment.contracts.reward as Hex,
        abi: chunkRewardsAbi,
        functionName: 'payments',
        args: [status.account as Hex],
      });
      expect(left).toBe(0n);
      const { sealedLoads } = status.miners[0]!;
      await node.stop();

      const again = await network.node('a', { keepRaw });
      await chain.mine(EPOCH + 1);
      const after = await network.accepted(again, 1);
      expect(after.miners[0]!.minerId).toBe(minerId);
      expect(after.miners[0]!.sealedLoads).toBeGreaterThanOrEqual(sealedLoads);
      const registered = await network.client.getContractEvents({
        address: chain.deployment.contracts.mine as Hex,
        abi: poraMineAbi,
        eventName: 'NewMinerId',
        fromBlock: 0n,
      });
      expect(registered).toHaveLength(1);
      expect(after.results).toMatchObject({ refused: 0, failed: 0 });
    },
  );

  it('seals again under the context that a reorg made, and answers from it', async () => {
    await using network = await MineNetwork.start(300n);
    const { chain } = network;
    const node = await network.node('a');
    await network.store(node, makeFile(random.bytes(2_000_000)));
    const snapshot = await chain.rpc('evm_snapshot');
    await chain.mine(EPOCH + 1);
    await network.accepted(node, 1);
    // The same submissions, another block at the boundary: same sectors, another digest.
    await chain.rpc('evm_revert', [snapshot]);
    await chain.rpc('evm_increaseTime', [7]);
    await chain.mine(EPOCH + 3);
    // What the chain has now it has from this fork.
    await waitFor(async () => (await network.submissions()).length > 0, {
      timeoutMs: 20_000,
      what: 'an answer in the new fork',
    });
    expect((await network.status(node)).results).toMatchObject({ refused: 0, failed: 0 });
  });

  it('mines with several ids, each on its own sealed copy', async () => {
    await using network = await MineNetwork.start(300n);
    const { chain } = network;
    const node = await network.node('a', { mineIds: 2 });
    await network.store(node, makeFile(random.bytes(1_500_000)));
    await chain.mine(EPOCH + 1);
    const answered = await waitFor(
      async () => {
        const ids = new Set((await network.submissions()).map((log) => log.args.minerId));
        return ids.size === 2 ? ids : undefined;
      },
      { timeoutMs: 20_000, what: 'answers of both ids' },
    );
    expect(answered.size).toBe(2);
    expect((await network.status(node)).results).toMatchObject({ refused: 0, failed: 0 });
  });

  it('says that the contract is paused, and goes on when it is not', async () => {
    await using network = await MineNetwork.start(300n);
    const { chain } = network;
    const admin = privateKeyToAccount(chain.accounts[0]!.privateKey);
    const wallet = createWalletClient({ account: admin, transport: http(chain.rpcUrl) });
    const call = async (functionName: 'pause' | 'unpause'): Promise<void> => {
      const hash = await wallet.writeContract({
        address: chain.deployment.contracts.mine as Hex,
        abi: poraMineAbi,
        functionName,
        chain: null,
      });
      await network.client.waitForTransactionReceipt({ hash });
    };
    await call('pause');
    const node = await network.node('a');
    await network.store(node, makeFile(random.bytes(1_000_000)));
    await chain.mine(EPOCH + 1);
    await waitFor(
      async () => (await network.status(node)).miners[0]?.state === 'paused by the contract',
      { timeoutMs: 10_000, what: 'the pause to be seen' },
    );
    await call('unpause');
    await network.accepted(node, 1);
  });

  it('serves files while its wallet is empty, says so, and mines once it is funded', async () => {
    await using network = await MineNetwork.start(300n);
    const { chain } = network;
    const account = chain.accounts[2]!.address;
    await chain.rpc('anvil_setBalance', [account, '0x0']);
    const node = await network.node('a');
    await waitFor(
      async () => /cannot pay|funds|balance/i.test((await network.status(node)).problem ?? ''),
      { timeoutMs: 10_000, what: 'the empty wallet to be said' },
    );
    await network.store(node, makeFile(random.bytes(1_000_000)));
    await chain.rpc('anvil_setBalance', [account, '0x8ac7230489e80000']);
    await chain.mine(EPOCH + 1);
    await network.accepted(node, 1);
  });

  it('stops at once while the block with its registration does not come', async () => {
    await using network = await MineNetwork.start(300n);
    const { chain } = network;
    await chain.rpc('evm_setAutomine', [false]);
    const node = await network.node('a');
    const account = chain.accounts[2]!.address;
    await waitFor(
      async () => {
        const { client } = network;
        const count = await client.getTransactionCount({
          address: account as Hex,
          blockTag: 'pending',
        });
        return count > 0 || undefined;
      },
      { timeoutMs: 10_000, what: 'the registration to be sent' },
    );
    await node.stop(); // the test's own deadline is a quarter of the wait for a receipt
  });

  it('waits while its chain is away, and mines when it is back', async () => {
    await using network = await MineNetwork.start(300n);
    const { chain } = network;
    await using link = await startSwitchableProxy(chain.rpcUrl);
    const node = await network.node('a', { chainRpcUrl: link.url });
    await network.store(node, makeFile(random.bytes(1_000_000)));
    await chain.mine(EPOCH + 1);
    await network.accepted(node, 1);
    link.cut();
    await waitFor(
      async () => (await network.status(node)).miners[0]?.state === 'chain unreachable',
      { timeoutMs: 10_000, what: 'the missing chain to be seen' },
    );
    const before = (await network.submissions()).length;
    await chain.mine(EPOCH + 1);
    link.mend();
    await waitFor(async () => (await network.submissions()).length > before, {
      timeoutMs: 20_000,
      what: 'an answer after the chain is back',
    });
    expect((await network.status(node)).results).toMatchObject({ refused: 0, failed: 0 });
  });

  it('does not mine for a contract that speaks another version of PoRA, and serves files', async () => {
    await using network = await MineNetwork.start(300n);
    const { chain } = network;
    // A contract whose every answer is 2: what `poraVersion` of a later protocol says.
    const other = '0x00000000000000000000000000000000000c0de2';
    await chain.rpc('anvil_setCode', [other, '0x60025f5260205ff3']);
    const node = await network.node('a', { mineContractAddress: other });
    await waitFor(async () => /version 2/.test((await network.status(node)).problem ?? ''), {
      timeoutMs: 10_000,
      what: 'the version to be said',
    });
    await network.store(node, makeFile(random.bytes(10_000)));
    expect((await network.status(node)).miners).toEqual([]);
  });

  it.each([
    ['ahead of', 40 * 86_400],
    ['behind', -3600],
  ])('mines while its clock is off: the chain %s it', async (_, skewSeconds) => {
    await using network = await MineNetwork.start(300n);
    const { chain } = network;
    const { timestamp } = await network.client.getBlock();
    const skewed = Math.floor(Date.now() / 1000) + skewSeconds;
    // The past is reached by a node whose clock, not the chain's, is wrong: blocks never go back.
    const clock = { ...systemClock, now: () => systemClock.now() - 1000 * skewSeconds };
    if (BigInt(skewed) > timestamp)
      await chain.rpc('evm_setNextBlockTimestamp', [`0x${skewed.toString(16)}`]);
    const node = await network.node('a', {}, silentLogger, clock);
    await network.store(node, makeFile(random.bytes(1_000_000)));
    await chain.mine(EPOCH + 1);
    const status = await network.accepted(node, 2);
    expect(status.results).toMatchObject({ refused: 0, failed: 0 });
  });

  it('is paid for an answer that a thief copied from the mempool and had mined first', async () => {
    await using network = await MineNetwork.start(300n);
    const { chain } = network;
    const node = await network.node('a');
    await network.store(node, makeFile(random.bytes(1_000_000)));
    const thief = privateKeyToAccount(chain.accounts[3]!.privateKey);
    const wallet = createWalletClient({ account: thief, transport: http(chain.rpcUrl) });
    await chain.rpc('evm_increaseTime', [3600]);
    await chain.rpc('evm_setAutomine', [false]);
    await chain.mine(EPOCH + 1);
    const seen = await network.pendingAnswer();
    const stolen = await wallet.sendTransaction({
      to: chain.deployment.contracts.mine as Hex,
      data: seen.input,
      gas: 2_000_000n,
      maxPriorityFeePerGas: 50_000_000_000n,
      maxFeePerGas: 900_000_000_000n,
      chain: null,
    });
    await chain.mine(1);
    const { status, transactionIndex } = await network.client.getTransactionReceipt({
      hash: stolen,
    });
    expect([status, transactionIndex]).toEqual(['success', 0]); // it came first and was accepted
    const reward = {
      address: chain.deployment.contracts.reward as Hex,
      abi: chunkRewardsAbi,
      functionName: 'payments',
    } as const;
    const miner = chain.accounts[2]!.address as Hex;
    expect(await network.client.readContract({ ...reward, args: [thief.address] })).toBe(0n);
    expect(await network.client.readContract({ ...reward, args: [miner] })).toBeGreaterThan(0n);
    await waitFor(async () => (await network.status(node)).results.lost > 0, {
      timeoutMs: 10_000,
      what: 'the node to see that it was not needed',
    });
    expect((await network.status(node)).results).toMatchObject({ refused: 0, failed: 0 });
  });

  it('sends a late answer again for more under its nonce, and it is accepted once', async () => {
    await using network = await MineNetwork.start(300n);
    const { chain } = network;
    const node = await network.node('a', { mineReplaceMs: 300 });
    await network.store(node, makeFile(random.bytes(1_000_000)));
    await chain.rpc('evm_setAutomine', [false]);
    await chain.mine(EPOCH + 1);
    const first = await network.pendingAnswer();
    const second = await waitFor(
      async () => {
        const now = await network.pendingAnswer();
        return now.hash === first.hash ? undefined : now;
      },
      { timeoutMs: 10_000, what: 'the answer to be sent again' },
    );
    expect(second.nonce).toBe(first.nonce);
    expect(second.input).toBe(first.input);
    expect(BigInt(second.maxFeePerGas)).toBeGreaterThan((BigInt(first.maxFeePerGas) * 9n) / 8n);
    await chain.mine(1);
    await network.accepted(node, 1);
    expect(await network.submissions()).toHaveLength(1);
  });

  it('takes an answer back under its nonce when its epoch is over, so that it never fails on chain', async () => {
    await using network = await MineNetwork.start(300n);
    const { chain } = network;
    const node = await network.node('a');
    await network.store(node, makeFile(random.bytes(1_000_000)));
    await chain.rpc('evm_setAutomine', [false]);
    await chain.mine(EPOCH + 1);
    const first = await network.pendingAnswer();
    // Blocks that it does not fit in, until the epoch is over.
    await chain.rpc('evm_setBlockGasLimit', ['0x7530']);
    await chain.mine(EPOCH);
    const miner = chain.accounts[2]!.address as Hex;
    await waitFor(
      async () => {
        const pending = await network.pendingOf(miner);
        return pending.some((one) => one.nonce === first.nonce && one.to === miner) || undefined;
      },
      { timeoutMs: 10_000, what: 'the answer to be taken back' },
    );
    await chain.mine(1);
    await waitFor(async () => (await network.status(node)).results.stale > 0, {
      timeoutMs: 10_000,
      what: 'the answer to be given up',
    });
    const receipts = await network.client
      .getTransactionReceipt({ hash: first.hash })
      .catch(() => undefined);
    expect(receipts).toBeUndefined();
  });
});
