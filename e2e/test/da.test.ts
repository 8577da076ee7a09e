// DA for users: 0G's disperser API as a stock gRPC client uses it, our own, `cairn da`; real DA nodes, a real disperser, a real chain.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { patternBytes as bytes } from '@cairn/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DaNetwork, startDaNetwork } from '../src/da-network.ts';
import { type CliResult, cairn } from '../src/devnet.ts';
import { type BlobStatus, ZeroGClient } from '../src/zerog-client.ts';
import { archiveOfOwnBlobs } from './da/archive.ts';
import { ownApi } from './da/own-api.ts';

let network: DaNetwork;
let client: ZeroGClient;
const connect = (): void => {
  client?.[Symbol.dispose]();
  client = new ZeroGClient(String(network.disperser.ready.grpc));
};

beforeAll(async () => {
  network = await startDaNetwork([400, 300, 200, 100]);
  connect();
});
afterAll(async () => {
  client?.[Symbol.dispose]();
  await network?.[Symbol.asyncDispose]();
});

describe("0G's disperser API", () => {
  it.each([1, 1000, 507_904, 3_000_000])(
    '%d bytes: dispersed, finalized, retrieved',
    async (size) => {
      const data = bytes(size, size);
      const { info } = await client.until(await client.disperse(data), 'FINALIZED');
      expect(info.blobHeader!.storageRoot).toHaveLength(32);
      expect((await client.retrieve(info.blobHeader)).equals(data)).toBe(true);
    },
  );

  it('many at once share certificates and all become final', async () => {
    const ids = await Promise.all(
      Array.from({ length: 8 }, (_, i) => client.disperse(bytes(20_000, 100 + i))),
    );
    for (const id of ids) await client.until(id, 'FINALIZED');
  });

  it('refuses as theirs does: code UNKNOWN for sizes and malformed ids, PROCESSING for unknown ones', async () => {
    await expect(client.call('disperseBlob', { data: Buffer.alloc(0) })).rejects.toMatchObject({
      code: 2,
      details: 'blob size must be greater than 0',
    });
    await expect(
      client.call('disperseBlob', { data: Buffer.alloc(32_505_853) }),
    ).rejects.toMatchObject({
      code: 2,
    });
    await expect(
      client.call('getBlobStatus', { requestId: Buffer.from('no dash') }),
    ).rejects.toMatchObject({
      code: 2,
      details: 'invalid metadata key',
    });
    expect(
      await client.call<BlobStatus>('getBlobStatus', { requestId: Buffer.from('ab-cd') }),
    ).toMatchObject({
      status: 'PROCESSING',
    });
    await expect(
      client.call('retrieveBlob', { storageRoot: Buffer.alloc(32, 1), epoch: 1, quorumId: 0 }),
    ).rejects.toMatchObject({ code: 5 });
  });
});

describe('our own API', () => ownApi(() => network));

describe('cairn da', () => {
  const run = (...args: string[]): Promise<CliResult> =>
    cairn(undefined, [
      'da',
      ...args,
      ...['--rpc', network.anvil.rpcUrl, '--entrance', network.reader.contracts.entrance],
      ...['--key-file', join(network.dir, 'user.key'), '--json'],
    ]);
  const file = (): string => join(network.dir, 'in.bin');
  const keys: Record<string, string> = {};
  beforeAll(() => {
    writeFileSync(join(network.dir, 'user.key'), network.anvil.accounts[9]!.privateKey);
    writeFileSync(file(), bytes(150_000, 20));
  });

  it.each(['disperser', 'direct'])('put, %s: confirmed, with its certificate', async (way) => {
    const how =
      way === 'direct' ? ['--direct'] : ['--disperser', String(network.disperser.ready.grpc)];
    const { code, json, stderr } = await run('put', file(), ...how);
    expect(code, stderr + JSON.stringify(json)).toBe(0);
    expect(json).toMatchObject({ bytes: 150_000, lookup: expect.stringMatching(/^0x/) });
    keys[way] = String(json.blobKey);
  });

  it.each(['disperser', 'direct'])(
    'get, status, sample and verify of what was put by %s',
    async (way) => {
      const key = keys[way]!;
      const out = join(network.dir, `${way}.bin`);
      const got = await run('get', key, '-o', out);
      expect(got.code, got.stderr).toBe(0);
      expect(readFileSync(out).equals(readFileSync(file()))).toBe(true);
      expect((await run('get', key, '-o', out)).code).toBe(2);
      const status = await run('status', key);
      expect(status.json).toMatchObject({ bytes: 150_000, expired: false });
      expect(['CONFIRMED', 'FINALIZED']).toContain(status.json.state);
      const sample = await run('sample', key, '--samples', '20');
      expect(sample.code).toBe(0);
      expect(sample.json).toMatchObject({ good: 20, isEnough: true, failed: [] });
      expect(Number(sample.json.bits)).toBeGreaterThan(39);
      const verify = await run('verify', key);
      expect(verify.code).toBe(0);
      expect(verify.json).toMatchObject({ verdict: 1, meaning: 'confirmed' });
      const lookup = String(verify.json.lookup);
      expect((await run('verify', '--certificate', lookup)).code).toBe(0);
      const bent = `${lookup.slice(0, -1)}${lookup.endsWith('0') ? '1' : '0'}`;
      expect((await run('verify', '--certificate', bent)).code).toBe(6);
    },
  );

  it('what is unknown is 5, what is not a key 2, a fee above the limit 2', async () => {
    const unknown = `0x${'12'.repeat(32)}`;
    expect((await run('get', unknown, '-o', join(network.dir, 'x'))).code).toBe(5);
    expect((await run('status', unknown)).code).toBe(5);
    expect((await run('sample', '0x12')).code).toBe(2);
    const dear = await run('put', file(), '--direct', '--max-fee', '1');
    expect(dear.code).toBe(2);
    expect(dear.json.error).toMatchObject({ code: 'SDK_DA_TOO_DEAR' });
  });
});

describe('archive: true', () => archiveOfOwnBlobs(() => network));

describe('faults', () => {
  beforeAll(connect); // the disperser was started again meanwhile

  it('a disperser that is killed after it accepted goes on under the same id', async () => {
    const data = bytes(1_000_000, 7);
    const id = await client.disperse(data);
    await network.disperser.stop('SIGKILL');
    await network.restartDisperser();
    connect();
    const { info } = await client.until(id, 'FINALIZED');
    expect((await client.retrieve(info.blobHeader)).equals(data)).toBe(true);
  });

  it('without a tenth of the weight blobs are still certified', async () => {
    await network.nodes[3]!.stop('SIGKILL');
    await client.until(await client.disperse(bytes(200_000, 8)), 'FINALIZED');
  });
});
