// A miner whose disk has its data once, sealed: what it takes, what readers see, and what becomes of it when processes are killed,
// bits rot, the chain turns back and the operator changes his mind.
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { seededRandom } from '@cairn/base';
import { createNodeClient } from '@cairn/rpc';
import { startStorageNode, waitFor } from '@cairn/testkit';
import { describe, expect, it } from 'vitest';
import { makeFile, rpcResult, segmentBytes, type TestFile } from './harness.ts';
import { EPOCH, MineNetwork } from './mine-network.ts';

const SLOT = 262_144;
const random = seededRandom(44);
/** Whole loads, and one that is cut. */
const LOADS = 15;
const makeData = (): TestFile => makeFile(random.bytes(LOADS * SLOT + 5000));

/** Bytes that the volumes of a folder take on the disk, at any depth. */
async function volumeBytes(dir: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(dir, { withFileTypes: true, recursive: true }))
    if (entry.isFile() && entry.name.endsWith('.vol'))
      bytes += (await stat(join(entry.parentPath, entry.name))).blocks * 512;
  return bytes;
}

/** Reads a file through the RPC and compares it, segment by segment. */
async function expectReads(url: string, seq: number, file: TestFile): Promise<void> {
  const count = Math.ceil(file.bytes.length / SLOT);
  for (let index = 0; index < count; index++) {
    const whole = segmentBytes(file, index);
    const sectors = whole.length / 256;
    const range = [seq, index * 1024, index * 1024 + sectors];
    const found = (await rpcResult(url, 'zgs_downloadSegmentByTxSeq', range)) as string | null;
    expect(found && Buffer.from(found, 'base64').equals(whole), `segment ${index}`).toBe(true);
  }
}

async function metric(adminUrl: string, name: string): Promise<number> {
  const all = (await rpcResult(adminUrl, 'admin_getMetrics', [name])) as Record<string, string>;
  return Number(Object.values(all)[0]?.split(' ')[1] ?? 0);
}

describe('a disk with sealed data only', () => {
  it('has the data once, where raw bytes beside sealed ones take it twice, and both read alike', async () => {
    await using network = await MineNetwork.start(300n);
    const file = makeData();
    const raw = await network.node('raw-true', { keepRaw: true });
    const only = await network.node('raw-false', { keepRaw: false });
    const seq = await network.store(raw, file);
    await network.upload(only, file, seq);
    await network.chain.mine(EPOCH + 1);
    const taken: number[] = [];
    for (const [node, keepRaw] of [
      [raw, true],
      [only, false],
    ] as const) {
      await network.sealed(node, LOADS);
      await expectReads(node.url, seq, file);
      taken.push((await volumeBytes(join(network.dir, `raw-${keepRaw}`))) / file.bytes.length);
      const unsealed = await metric(node.adminUrl, 'storage_node_unsealed_bytes_total');
      expect(unsealed > 0).toBe(!keepRaw);
    }
    expect(taken[0]).toBeGreaterThan(1.9);
    // One slot more than the data, and the one that the sealed load is written to before the raw one is given up.
    expect(taken[1]).toBeLessThan(1 + 2.5 / LOADS);
    await network.accepted(only, 1);
  });

  it('is read by a node that does not mine, and sealed beside again when raw bytes are wanted', async () => {
    await using network = await MineNetwork.start(300n);
    const file = makeData();
    const first = await network.node('a');
    const seq = await network.store(first, file);
    await network.chain.mine(EPOCH + 1);
    await network.sealed(first, LOADS);
    await first.stop();
    const idle = await network.node('a', { mineKeyFile: undefined });
    await expectReads(idle.url, seq, file);
    await idle.stop();
    const beside = await network.node('a', { keepRaw: true });
    await network.chain.mine(EPOCH + 1);
    await network.accepted(beside, 1);
    await expectReads(beside.url, seq, file);
  });

  it('survives kills in the middle of sealing: every byte reads as it was written', async () => {
    await using network = await MineNetwork.start(300n);
    const { chain } = network;
    const file = makeData();
    const dir = join(network.dir, 'killed');
    const flags = [
      ...['--mine-key-file', network.keyFile],
      ...['--mine-contract-address', chain.deployment.contracts.mine!],
      ...['--mine-query-ms', '50', '--mine-threads', '1', '--mine-cpu', '5', '--hash-threads', '1'],
    ];
    let seq = 0;
    for (const loads of [0, 1, 6, LOADS]) {
      await using node = await startStorageNode(chain, dir, flags);
      const urls = { url: String(node.ready.url), adminUrl: String(node.ready.adminUrl) };
      if (loads === 0) {
        seq = await network.store(urls, file);
        await chain.mine(EPOCH + 1);
      } else await expectReads(urls.url, seq, file);
      await network.sealed(urls, loads);
      await node.stop('SIGKILL');
    }
    await using node = await startStorageNode(chain, dir);
    await expectReads(String(node.ready.url), seq, file);
    expect(await metric(String(node.ready.adminUrl), 'storage_node_store_quarantined_blocks')).toBe(
      0,
    );
  });

  it('is put right after a reorg: other data at the same place, sealed and read as that', async () => {
    await using network = await MineNetwork.start(300n);
    const { chain } = network;
    const node = await network.node('a');
    const [kept, gone, other] = [makeData(), makeData(), makeData()];
    const first = await network.store(node, kept);
    const snapshot = await chain.rpc('evm_snapshot');
    const dropped = await network.store(node, gone);
    await chain.mine(EPOCH + 1);
    await network.sealed(node, 2 * LOADS);
    await chain.rpc('evm_revert', [snapshot]);
    await chain.rpc('evm_increaseTime', [7]);
    await chain.mine(3);
    const client = createNodeClient(node.url);
    await waitFor(async () => (await client.getFileInfoByTxSeq(dropped)) === null, {
      timeoutMs: 20_000,
      what: 'the node to see the reorg',
    });
    const second = await network.store(node, other);
    await chain.mine(EPOCH + 1);
    await network.sealed(node, 2 * LOADS);
    await expectReads(node.url, first, kept);
    await expectReads(node.url, second, other);
    await waitFor(async () => (await network.submissions()).length > 0, {
      timeoutMs: 20_000,
      what: 'an answer in the new fork',
    });
    expect((await network.status(node)).results).toMatchObject({ refused: 0, failed: 0 });
  });

  it('that rots is found by the scrub and comes back from a peer, and is sealed again', async () => {
    await using network = await MineNetwork.start(300n);
    const file = makeData();
    const peers = { p2p: true, p2pHost: '127.0.0.1', p2pPort: 0, allowPrivateAddresses: true };
    const healthy = await network.node('healthy', { ...peers, mineKeyFile: undefined });
    const seq = await network.store(healthy, file);
    const node = await network.node('rotting', {
      ...peers,
      bootNodes: healthy.p2pAddresses,
      scrubBytesPerSecond: 2 ** 30,
      scrubPauseMs: 100,
    });
    const client = createNodeClient(node.url);
    const isWhole = () =>
      waitFor(async () => (await client.getFileInfoByTxSeq(seq))?.finalized, {
        timeoutMs: 20_000,
        what: 'the file on the node',
      });
    await isWhole();
    await network.chain.mine(EPOCH + 1);
    await network.sealed(node, LOADS);
    // Search threads notice damage too: without them it is the scrub's to find.
    await rpcResult(node.adminUrl, 'miner_stop', []);
    const volume = await open(join(network.dir, 'rotting', 'volumes', '000000.vol'), 'r+');
    for (let slot = 3; slot < 8; slot++)
      await volume.write(Uint8Array.of(1, 2, 3), 0, 3, slot * SLOT + 70_000);
    await volume.close();
    await waitFor(
      async () => (await metric(node.adminUrl, 'storage_node_scrub_damaged_segments_total')) >= 4,
      { timeoutMs: 20_000, what: 'the scrub to find the damage' },
    );
    await isWhole();
    await expectReads(node.url, seq, file);
    await rpcResult(node.adminUrl, 'miner_start', []);
    await network.sealed(node, LOADS);
    await expectReads(node.url, seq, file);
  });
});
