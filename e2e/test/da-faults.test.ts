/*
 * Faults of the DA service: real nodes, disperser, chain and false members (a process of ours in front of real nodes), 31% of
 * the weight misbehaving all the time. Blocks come every second, but where a test holds them to hold the disperser at a stage.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Hash32, parseAddress, parseHash32, seededRandom } from '@cairn/base';
import { stakeVaultAbi } from '@cairn/chain';
import { epochStart } from '@cairn/quorum';
import { DaNodeClient } from '@cairn/rpc/grpc';
import { waitFor } from '@cairn/testkit';
import { createPublicClient, http } from 'viem';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DaNetwork, startDaNetwork } from '../src/da-network.ts';
import { type CliResult, cairn } from '../src/devnet.ts';
import { beforeReveals, toFreshEpoch } from '../src/epochs.ts';
import { keyOf, readBlob } from '../src/read-blob.ts';
import { type BlobStatus, ZeroGClient } from '../src/zerog-client.ts';

const HONEST = [300, 300, 250];
const FALSE = [100, 100, 100, 80];
let network: DaNetwork;
let client: ZeroGClient;
/** Blobs that were accepted: each is charged once, whatever happened to it. */
let accepted = 0;
let seed = 1;

const connect = (): void => {
  client?.[Symbol.dispose]();
  client = new ZeroGClient(String(network.disperser.ready.grpc));
};
const disperse = async (bytes = 100_000): Promise<{ id: Buffer; data: Uint8Array }> => {
  const data = seededRandom(seed++).bytes(bytes);
  const id = await client.disperse(data);
  accepted++;
  return { id, data };
};
const charged = async (): Promise<number> => {
  const { number: toBlock } = await network.reader.head();
  const events = await network.reader.events({ fromBlock: 0, toBlock });
  return events.filter(({ kind }) => kind === 'charged').length;
};
const holdBlocks = () => network.anvil.rpc('evm_setIntervalMining', [0]);
const goOn = () => network.anvil.rpc('evm_setIntervalMining', [1]);
/** Blobs at node 0, which is honest. */
const storedBlobs = async (): Promise<number> => {
  using node = new DaNodeClient(String(network.nodes[0]!.ready.url));
  return (await node.getStatus({ timeoutMs: 5000 })).storedBlobs;
};
/** Whether a certificate waits for its block. */
const isSent = async (): Promise<boolean> => {
  const pending = (await network.anvil.rpc('eth_getBlockByNumber', ['pending', true])) as {
    transactions: { to: string | null }[];
  };
  return pending.transactions.some(({ to }) => to === network.reader.contracts.entrance);
};
const kill = () => network.disperser.stop('SIGKILL');
const restart = async (): Promise<void> => {
  await network.restartDisperser();
  connect();
};
const commitmentOf = ({ info }: BlobStatus): Hash32 =>
  parseHash32(`0x${info.blobHeader!.storageRoot.toString('hex')}`);
const read = (status: BlobStatus, only?: string) => readBlob(network, commitmentOf(status), only);

beforeAll(async () => {
  network = await startDaNetwork(
    [...HONEST, ...FALSE],
    [],
    [...HONEST.map(() => undefined), 'silent', 'slow', 'lies', 'missigns'],
  );
  connect();
});
afterAll(async () => {
  client?.[Symbol.dispose]();
  await network?.[Symbol.asyncDispose]();
});

describe('with a third of the weight silent, slow and lying', () => {
  it('blobs are certified by the others without waiting for them, and read back; every liar is named', async () => {
    const first = await disperse();
    const second = await disperse(); // so that the liar has rows of another blob at hand
    await client.until(first.id, 'CONFIRMED', 'FINALIZED');
    const status = await client.until(second.id, 'FINALIZED');
    const { payload, dropped } = await read(status);
    expect(Buffer.from(payload).equals(second.data)).toBe(true);
    const liar = await network.endpointOf(5);
    for (const { endpoint, lied } of dropped) if (lied) expect(endpoint).toBe(liar);
    // Changed rows, rows under another index, rows of another blob: none gets in, and each is called a lie.
    const firstStatus = await client.until(first.id, 'FINALIZED');
    for (const lie of [firstStatus, status, firstStatus])
      await expect(read(lie, liar)).rejects.toMatchObject({
        code: 'SDK_DA_LIES',
        details: { dropped: [{ endpoint: liar, lied: true }] },
      });
    for (const { absentees } of await network.certificates())
      expect(absentees.length).toBeGreaterThanOrEqual(3); // silent, slow, and the one that signs something else
  });
});

describe('a disperser that is killed', () => {
  it('right after it accepted goes on under the same id', async () => {
    const { id, data } = await disperse();
    await kill();
    await restart();
    const { info } = await client.until(id, 'FINALIZED');
    expect((await client.retrieve(info.blobHeader)).equals(data)).toBe(true);
  });

  it('when the rows are stored goes on, and pays once', async () => {
    const before = await storedBlobs();
    await holdBlocks();
    const { id } = await disperse();
    await waitFor(async () => (await storedBlobs()) > before, {
      ...{ timeoutMs: 20_000, what: 'the rows to be stored' },
    });
    await kill();
    await goOn();
    await restart();
    await client.until(id, 'FINALIZED');
    expect(await charged()).toBe(accepted);
  });

  it('when its transaction is out finds the blob confirmed after the restart, with its proof', async () => {
    await holdBlocks();
    const before = await storedBlobs();
    const { id, data } = await disperse();
    await waitFor(async () => (await storedBlobs()) > before, {
      ...{ timeoutMs: 20_000, what: 'the rows to be stored' },
    });
    await waitFor(
      async () => {
        if (await isSent()) return true;
        await network.anvil.mine(1); // certificates go out in a block after their reference
        return undefined;
      },
      { timeoutMs: 20_000, what: 'the certificate to be sent', intervalMs: 1500 },
    );
    await kill();
    await goOn();
    await waitFor(async () => (await charged()) === accepted, {
      ...{ timeoutMs: 10_000, what: 'the block' },
    });
    await restart();
    const { info } = await client.until(id, 'FINALIZED');
    expect((await client.retrieve(info.blobHeader)).equals(data)).toBe(true);
    expect(await charged()).toBe(accepted);
  });

  it('when the blob is confirmed makes it final after the restart', async () => {
    const { id } = await disperse();
    await client.until(id, 'CONFIRMED', 'FINALIZED');
    await kill();
    await restart();
    await client.until(id, 'FINALIZED');
    expect(await charged()).toBe(accepted);
  });
});

it('an epoch may change in the middle of dispersals: all end final, each charged once', async () => {
  const { reader } = network;
  const schedule = await reader.parameters();
  const head = async (): Promise<number> => (await reader.head()).number;
  const turn = epochStart(schedule, await beforeReveals(network));
  await goOn();
  const at = (block: number) =>
    waitFor(async () => (await head()) >= block, { timeoutMs: 40_000, what: `block ${block}` });
  const ids: Buffer[] = [];
  for (let block = turn - 6; block < turn + 2; block++) {
    await at(block);
    ids.push((await disperse(5000)).id);
  }
  const epochs = new Set<string>();
  for (const id of ids) epochs.add((await client.until(id, 'FINALIZED')).info.blobHeader!.epoch);
  expect(epochs.size).toBeGreaterThanOrEqual(2); // more on a machine that takes an epoch for a blob
  expect(await charged()).toBe(accepted);
});

it('a confirmation that a reorg takes is made again', async () => {
  const { id } = await disperse();
  const before = (await network.reader.head()).number;
  await client.until(id, 'CONFIRMED');
  const depth = (await network.reader.head()).number - before;
  await network.anvil.rpc('anvil_reorg', [depth, []]);
  await client.until(id, 'FINALIZED');
  expect(await charged()).toBe(accepted);
});

it('an epoch without reveals is served by the quorums of the one before, and the next by its own again', async () => {
  const { reader, anvil } = network;
  const schedule = await reader.parameters();
  const serving = async (): Promise<number | undefined> =>
    (await reader.serving((await reader.head()).number))?.epoch;
  const silent = await beforeReveals(network);
  const before = await serving();
  // The whole window passes at once: nobody sees a seed before it is too late to reveal on it.
  await anvil.mine(epochStart(schedule, silent) - (await reader.head()).number);
  await goOn();
  expect(await serving()).toBe(before);
  const { id, data } = await disperse();
  const status = await client.until(id, 'FINALIZED');
  expect(Number(status.info.blobHeader!.epoch)).toBe(before);
  expect(Buffer.from((await read(status)).payload).equals(data)).toBe(true);
  expect(await charged()).toBe(accepted);

  const next = await toFreshEpoch(network);
  expect(await serving()).toBe(next);
});

it('a member that was killed and whose rows were damaged meanwhile gets them back from the others', async () => {
  const { id, data } = await disperse();
  const status = await client.until(id, 'FINALIZED');
  const key = await keyOf(network, commitmentOf(status));
  const path = join(network.dir, 'node-2', 'rows', `${key.slice(2)}.rows`);
  await network.nodes[2]!.stop('SIGKILL');
  const whole = readFileSync(path);
  writeFileSync(path, whole.subarray(0, whole.length / 2));
  await network.restartNode(2, []);
  await waitFor(async () => readFileSync(path).equals(whole), {
    ...{ timeoutMs: 30_000, what: 'the rows to be back' },
  });
  const { payload, dropped } = await read(status);
  expect(Buffer.from(payload).equals(data)).toBe(true);
  expect(dropped.map(({ endpoint }) => endpoint)).not.toContain(await network.endpointOf(2));
});

describe('cairn da challenge', () => {
  let key: Hash32;
  beforeAll(async () => {
    const { id } = await disperse();
    key = await keyOf(network, commitmentOf(await client.until(id, 'FINALIZED')));
  });
  const challenge = async (operator: string): Promise<CliResult> => {
    const keyFile = join(network.dir, 'challenger.key');
    writeFileSync(keyFile, network.anvil.accounts[9]!.privateKey, { mode: 0o600 });
    const { contracts } = network.reader;
    return cairn(undefined, [
      ...['da', 'challenge', key, '--operator', operator, '--key-file', keyFile, '--json'],
      ...['--rpc', network.anvil.rpcUrl, '--entrance', contracts.entrance],
    ]);
  };
  const stakeOf = (operator: string): Promise<bigint> =>
    createPublicClient({ transport: http(network.anvil.rpcUrl) }).readContract({
      address: network.reader.contracts.vault,
      abi: stakeVaultAbi,
      functionName: 'stakeOf',
      args: [parseAddress(operator)],
    });

  it('who has its rows answers by itself, in time, and gets its cost out of the bond; who lost them is slashed', async () => {
    const { reader, nodes, anvil } = network;
    const [honest, loser] = [nodes[0]!, nodes[1]!].map(({ ready }) => String(ready.address));

    const before = (await reader.credits(parseAddress(honest!))).answers;
    const held = await challenge(honest!);
    expect(held.code, held.stderr + held.stdout).toBe(0);
    const [answered] = held.json.results as Record<string, string | number>[];
    expect(answered).toMatchObject({ operator: honest, outcome: 'answered' });
    const paid = BigInt(answered!.paidWei!);
    expect(paid).toBeGreaterThan(0n);
    expect(paid).toBeLessThanOrEqual(BigInt(answered!.bondWei!));
    expect((await reader.credits(parseAddress(honest!))).answers - before).toBe(paid);

    // Its node runs and signs; only the rows of this blob are gone from its disk.
    const rows = join(network.dir, 'node-1', 'rows');
    const [file] = (await readdir(rows)).filter((name) => name.startsWith(key.slice(2)));
    rmSync(join(rows, file!));
    const stake = await stakeOf(loser!);
    const running = challenge(loser!);
    // Blocks come faster than by the clock, or the window would be half a minute.
    const faster = setInterval(() => void anvil.mine(2).catch(() => {}), 500);
    const lost = await running.finally(() => clearInterval(faster));
    expect(lost.code, lost.stderr + lost.stdout).toBe(5);
    const [failed] = lost.json.results as Record<string, string>[];
    expect(failed).toMatchObject({ operator: loser, outcome: 'failed' });
    const slashed = BigInt(failed!.slashedWei!);
    expect(slashed).toBeGreaterThanOrEqual(stake / 100n);
    expect(await stakeOf(loser!)).toBe(stake - slashed);
    expect((await reader.operator(parseAddress(loser!))).isJailed).toBe(true);
  });

  it('asks nothing of who did not sign or is no member', async () => {
    const absent = await challenge(String(network.nodes[3]!.ready.address));
    expect(absent.code).toBe(2);
    expect(absent.json).toMatchObject({ error: { code: 'SDK_DA_NOT_OBLIGED' } });
    const stranger = await challenge(network.anvil.accounts[9]!.address);
    expect(stranger.json).toMatchObject({ error: { code: 'DA_NOT_A_MEMBER' } });
  });
});
