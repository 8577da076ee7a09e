// Receipts from the command line to the slash: real nodes of a devnet, one of which loses what it promised.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rpcCall } from '@cairn/rpc';
import { patternBytes } from '@cairn/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cairn, startDevnet, type TestDevnet } from '../src/devnet.ts';

type Receipts = { receipts: { receipt: { provider: string; sectors: number } }[] };

let devnet: TestDevnet;
beforeAll(async () => {
  devnet = await startDevnet(['--nodes', '2', '--shards', '1', '--no-mine', '--fresh']);
}, 130_000);
afterAll(() => devnet?.stop());

it('put --receipts collects them, fails when there are fewer, and challenge tells who still has the file', async () => {
  const file = join(devnet.dir, 'promised.bin');
  writeFileSync(file, patternBytes(700_001, 21));
  const tooMany = await cairn(devnet, ['put', file, '--receipts', '3', '--json']);
  expect(tooMany.code).toBe(4);
  const kept = join(devnet.dir, 'receipts.json');
  const put = await cairn(devnet, [
    ...['put', file, '--receipts', '2', '--receipts-file', kept, '--json'],
  ]);
  expect(put.code, put.stderr + put.stdout).toBe(0);
  expect(put.json).toMatchObject({ receipts: 2, receiptsFile: kept });
  const { receipts } = JSON.parse(readFileSync(kept, 'utf8')) as Receipts;
  const providers = receipts.map(({ receipt }) => receipt.provider);
  expect(new Set(providers).size).toBe(2);
  expect(receipts.every(({ receipt }) => receipt.sectors === Math.ceil(700_001 / 256))).toBe(true);

  const honest = await cairn(devnet, ['challenge', kept, '--json']);
  expect(honest.code, honest.stderr + honest.stdout).toBe(0);
  expect(honest.json).toMatchObject({
    failed: 0,
    results: [{ outcome: 'answered' }, { outcome: 'answered' }],
  });

  // The second node goes, and its disk with it.
  const [, lost] = devnet.file.storageNodes;
  process.kill(lost!.pid, 'SIGKILL');
  rmSync(join(devnet.dir, 'nodes', 'node-1'), { recursive: true, force: true });
  const running = cairn(devnet, ['challenge', kept, '--json']);
  // Blocks come faster than by the clock, or the window would be half a minute for each node.
  const faster = setInterval(() => {
    void rpcCall(devnet.file.rpcUrl, 'anvil_mine', ['0x2']).catch(() => {});
  }, 500);
  const slashed = await running.finally(() => clearInterval(faster));
  expect(slashed.code, slashed.stderr + slashed.stdout).toBe(5);
  const results = slashed.json.results as {
    provider: string;
    outcome: string;
    slashedWei: string;
  }[];
  expect(results.map(({ outcome }) => outcome).sort()).toEqual(['answered', 'failed']);
  const failed = results.find(({ outcome }) => outcome === 'failed')!;
  expect(BigInt(failed.slashedWei)).toBeGreaterThan(0n);
  // A receipt that failed is spent.
  const again = await cairn(devnet, ['challenge', kept, '--provider', failed.provider, '--json']);
  expect(again.code).not.toBe(0);
  expect(JSON.stringify(again.json)).toContain('AlreadyFailed');
}, 180_000);

it('a file that holds no receipts is refused before anything is paid', async () => {
  const file = join(devnet.dir, 'none.json');
  writeFileSync(file, '{"receipts": [{"receipt": {}}]}');
  const result = await cairn(devnet, ['challenge', file, '--json']);
  expect(result.code).toBe(2);
  expect(result.json).toMatchObject({ error: { code: 'CLI_RECEIPTS_FILE' } });
  const folder = await cairn(devnet, ['put', devnet.dir, '--receipts', '1']);
  expect(folder.code).toBe(2);
});
