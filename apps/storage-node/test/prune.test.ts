// Leases on a real chain: what nobody pays for goes after its time, what was renewed stays.
import { type Clock, systemClock } from '@cairn/base';
import { chunkRewardsAbi, createLeaseReader } from '@cairn/chain';
import { DEVNET } from '@cairn/protocol';
import { patternBytes, waitFor } from '@cairn/testkit';
import { createWalletClient, http } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  makeFile,
  rpcResult,
  startTestNetwork,
  stored,
  type TestNetwork,
  type TestNode,
  uploadTo,
} from './harness.ts';

let network: TestNetwork;
beforeAll(async () => {
  network = await startTestNetwork();
});
afterAll(() => network?.[Symbol.asyncDispose]());

/** Seconds that chain and clock are ahead of the real time. */
let aheadSeconds = 0;
const clock: Clock = {
  now: () => systemClock.now() + aheadSeconds * 1000,
  monotonic: () => systemClock.monotonic(),
  sleep: (ms, signal) => systemClock.sleep(ms, signal),
};
async function pass(seconds: number): Promise<void> {
  await network.chain.rpc('evm_increaseTime', [seconds]);
  await network.chain.mine(1);
  aheadSeconds += seconds;
}

async function renew(): Promise<void> {
  const account = privateKeyToAccount(network.chain.accounts[2]!.privateKey);
  const wallet = createWalletClient({ account, transport: http(network.chain.rpcUrl) });
  await wallet.writeContract({
    address: network.chain.deployment.contracts.reward,
    abi: chunkRewardsAbi,
    functionName: 'renew',
    args: [0n],
    value: DEVNET.pricePerSectorWei * 2n ** 25n,
    chain: null,
  });
  await network.chain.mine(1);
}

/** Times that the node looked at leases. */
async function looks(node: TestNode): Promise<number> {
  const name = 'storage_node_keep_lease_looks_total';
  const values = (await rpcResult(node.adminUrl, 'admin_getMetrics', [name])) as Record<
    string,
    string
  >;
  return Number(values[name]?.split(' ').at(-1) ?? 0);
}

describe('a file of which the lease ends', () => {
  it('stays while the lease is renewed, then is pruned and its bytes go; what is submitted later lives on', async () => {
    const node = await network.node({ prunes: true, clock });
    const file = makeFile(patternBytes(262_144 * 3, 1));
    const seq = await network.submit(file);
    await uploadTo(node.client, file, seq);
    const leases = createLeaseReader({
      rpcUrl: network.chain.rpcUrl,
      reward: network.chain.deployment.contracts.reward,
    });
    const [end, none] = await leases.leaseEnds(0, 2);
    expect(none).toBe(0);
    expect(end! - (await leases.time())).toBeGreaterThan(DEVNET.releaseSeconds - 600);

    await pass(DEVNET.releaseSeconds - 1000);
    await renew();
    await pass(2000); // beyond the first end
    expect((await leases.leaseEnds(0, 1))[0]).toBeGreaterThan(end!);
    const before = await looks(node);
    await waitFor(async () => (await looks(node)) >= before + 2 || undefined, {
      timeoutMs: 20_000,
      what: 'two looks at the leases',
    });
    expect(await node.client.getFileInfoByTxSeq(seq)).toMatchObject({
      pruned: false,
      finalized: true,
    });

    await pass(DEVNET.releaseSeconds);
    await waitFor(async () => (await node.client.getFileInfoByTxSeq(seq))?.pruned || undefined, {
      timeoutMs: 10_000,
      what: 'the file pruned',
    });
    await waitFor(async () => (await stored(node)).store_segments === 'gauge 0' || undefined, {
      timeoutMs: 10_000,
      what: 'its bytes gone',
    });
    await expect(node.client.downloadFrames(seq, { index: 0, count: 1 })).rejects.toThrow(
      'segment not found',
    );
    await expect(uploadTo(node.client, file, seq)).rejects.toThrow('already pruned');
    // Paid again at a new place: a file like any other.
    const again = await network.submit(file);
    await uploadTo(node.client, file, again);
    await node.stop();
  });
});
