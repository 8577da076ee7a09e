// DA for users: 0G's disperser API as a stock gRPC client uses it, our own, `cairn da`; real DA nodes, a real disperser, a real chain.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Hex, hexToBytes, parseAddress, seededRandom } from '@cairn/base';
import { createTransactionSender } from '@cairn/chain';
import { depositCall } from '@cairn/chain/da';
import { type BlobHeader, decodeHeader, encodeHeader } from '@cairn/quorum';
import { type BlobStatus, DisperserClient } from '@cairn/rpc/grpc';
import { createBlobAccount } from '@cairn/sdk/da';
import { REPOSITORY, waitFor } from '@cairn/testkit';
import { type Client, credentials, loadPackageDefinition, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DaNetwork, startDaNetwork } from '../src/da-network.ts';
import { type CliResult, cairn } from '../src/devnet.ts';

type Stock = Client &
  Record<
    string,
    (request: unknown, done: (error: ServiceError | null, reply: unknown) => void) => void
  >;
type Status = {
  status: string;
  info: { blobHeader: { storageRoot: Buffer; epoch: string; quorumId: string } | null };
};

/** The proto as 0G's clients have it, loaded with a stock loader's own defaults. */
const definition = loadPackageDefinition(
  loadSync(join(REPOSITORY, 'libs/rpc/proto/zerog/disperser.proto'), {
    enums: String,
    longs: String,
    defaults: true,
  }),
) as unknown as {
  disperser: { Disperser: new (target: string, creds: unknown, options: object) => Stock };
};

let network: DaNetwork;
let client: Stock;
const connect = (): void => {
  client?.close();
  client = new definition.disperser.Disperser(
    String(network.disperser.ready.grpc),
    credentials.createInsecure(),
    { 'grpc.max_send_message_length': 1 << 26, 'grpc.max_receive_message_length': 1 << 26 },
  );
};
const call = <T>(name: string, request: unknown): Promise<T> =>
  new Promise((resolve, reject) => {
    client[name]!(request, (error, reply) => (error ? reject(error) : resolve(reply as T)));
  });
const disperse = async (data: Uint8Array): Promise<Buffer> => {
  const reply = await call<{ result: string; requestId: Buffer }>('disperseBlob', { data });
  expect(reply.result).toBe('PROCESSING');
  return reply.requestId;
};
const until = (requestId: Buffer, status: string): Promise<Status> =>
  waitFor(
    async () => {
      const reply = await call<Status>('getBlobStatus', { requestId });
      if (reply.status === 'FAILED' || reply.status === 'INSUFFICIENT_SIGNATURES')
        throw new Error(`the blob ended as ${reply.status}`);
      return reply.status === status ? reply : undefined;
    },
    { timeoutMs: 90_000, what: `the blob to be ${status}`, intervalMs: 100 },
  );
const bytes = (size: number, seed: number): Uint8Array => seededRandom(seed).bytes(size);

beforeAll(async () => {
  network = await startDaNetwork([400, 300, 200, 100]);
  connect();
});
afterAll(async () => {
  client?.close();
  await network?.[Symbol.asyncDispose]();
});

describe("0G's disperser API", () => {
  it.each([1, 1000, 507_904, 3_000_000])(
    '%d bytes: dispersed, finalized, retrieved',
    async (size) => {
      const data = bytes(size, size);
      const { info } = await until(await disperse(data), 'FINALIZED');
      const { storageRoot, epoch, quorumId } = info.blobHeader!;
      expect(storageRoot).toHaveLength(32);
      const reply = await call<{ data: Buffer }>('retrieveBlob', { storageRoot, epoch, quorumId });
      expect(reply.data.equals(data)).toBe(true);
    },
  );

  it('many at once share certificates and all become final', async () => {
    const ids = await Promise.all(
      Array.from({ length: 8 }, (_, i) => disperse(bytes(20_000, 100 + i))),
    );
    for (const id of ids) await until(id, 'FINALIZED');
  });

  it('refuses as theirs does: code UNKNOWN for sizes and malformed ids, PROCESSING for unknown ones', async () => {
    await expect(call('disperseBlob', { data: Buffer.alloc(0) })).rejects.toMatchObject({
      code: 2,
      details: 'blob size must be greater than 0',
    });
    await expect(call('disperseBlob', { data: Buffer.alloc(32_505_853) })).rejects.toMatchObject({
      code: 2,
    });
    await expect(
      call('getBlobStatus', { requestId: Buffer.from('no dash') }),
    ).rejects.toMatchObject({
      code: 2,
      details: 'invalid metadata key',
    });
    expect(await call<Status>('getBlobStatus', { requestId: Buffer.from('ab-cd') })).toMatchObject({
      status: 'PROCESSING',
    });
    await expect(
      call('retrieveBlob', { storageRoot: Buffer.alloc(32, 1), epoch: 1, quorumId: 0 }),
    ).rejects.toMatchObject({ code: 5 });
  });
});

describe('our own API', () => {
  const settings = { timeoutMs: 60_000 };
  const key = (): Hex => network.anvil.accounts[7]!.privateKey;
  const entrance = async () => ({
    chainId: (await network.reader.parameters()).chainId,
    contract: network.reader.contracts.entrance,
  });
  const request = (data: Uint8Array, maxFee = new Uint8Array(0)) => ({
    account: hexToBytes(parseAddress(network.anvil.accounts[7]!.address)),
    maxFee,
    data,
  });
  let own: DisperserClient;
  const reconnect = (): void => {
    own?.close();
    own = new DisperserClient(String(network.disperser.ready.grpc));
  };
  const sign = async (header: BlobHeader): Promise<Uint8Array> =>
    createBlobAccount(key(), await entrance()).authorize(header);
  const balance = async (): Promise<bigint> =>
    (await network.reader.account(parseAddress(network.anvil.accounts[7]!.address))).balanceWei;

  beforeAll(reconnect);
  afterAll(() => own?.close());

  it('takes no data from an account that cannot pay, and says what is missing', async () => {
    await expect(own.prepare(request(bytes(1000, 1)), settings)).rejects.toMatchObject({
      code: 'DISPERSER_UNFUNDED',
      details: { freeWei: '0' },
    });
  });

  it('the account signs, pays exactly the fee, and sees the states up to FINALIZED with a certificate', async () => {
    const { reader, anvil } = network;
    const sender = createTransactionSender({ rpcUrl: anvil.rpcUrl, privateKey: key() });
    await sender.send(depositCall(reader.contracts, sender.address, 10n ** 15n));
    const data = bytes(300_000, 2);
    const { header, blobKey } = await own.prepare(request(data), settings);
    const decoded = decodeHeader(header);
    expect(decoded.account).toBe(sender.address);
    const before = await balance();
    await own.disperse(blobKey, await sign(decoded), settings);
    const states: BlobStatus[] = [];
    for await (const status of own.watchStatus(blobKey, settings)) states.push(status);
    expect(states.map(({ state }) => state)).toEqual(['PROCESSING', 'CONFIRMED', 'FINALIZED']);
    expect(before - (await balance())).toBe(decoded.maxFee);
    const { certificate } = states.at(-1)!;
    expect(await reader.checkCertificate(certificate!.lookup)).toBe(1);
    const back = await own.retrieve(blobKey, { ...settings, bytesMax: data.length });
    expect(Buffer.from(back).equals(Buffer.from(data))).toBe(true);
    // Saying it again neither disperses nor charges again.
    const again = await own.disperse(blobKey, await sign(decoded), settings);
    expect(again.state).toBe('FINALIZED');
  });

  it('refuses foreign signatures, changed headers, lies about the length, fees above the limit, unknown keys', async () => {
    const { header, blobKey } = await own.prepare(request(bytes(500, 3)), settings);
    const decoded = decodeHeader(header);
    const stranger = createBlobAccount(network.anvil.accounts[8]!.privateKey, await entrance());
    const refusal = (authorization: Uint8Array) => own.disperse(blobKey, authorization, settings);
    await expect(refusal(await stranger.authorize(decoded))).rejects.toMatchObject({
      code: 'DISPERSER_AUTHORIZATION',
    });
    await expect(refusal(await sign({ ...decoded, maxFee: 1n }))).rejects.toMatchObject({
      code: 'DISPERSER_AUTHORIZATION',
    });
    await expect(refusal(new Uint8Array(65))).rejects.toMatchObject({
      code: 'DISPERSER_AUTHORIZATION',
    });
    await expect(refusal(new Uint8Array(64))).rejects.toMatchObject({
      code: 'DISPERSER_MALFORMED',
    });
    await expect(
      own.prepare(request(bytes(500, 3), new Uint8Array([1])), settings),
    ).rejects.toMatchObject({ code: 'SDK_DA_TOO_DEAR' });
    await expect(own.prepare(request(new Uint8Array(0)), settings)).rejects.toMatchObject({
      code: 'DISPERSER_MALFORMED',
    });
    await expect(own.getStatus(new Uint8Array(32), settings)).rejects.toMatchObject({
      code: 'DISPERSER_BLOB_UNKNOWN',
    });
    await expect(own.disperse(new Uint8Array(32), new Uint8Array(65), settings)).rejects.toThrow(
      'waits for its signature',
    );
    // The prepared blob outlived all of that.
    await own.disperse(blobKey, await sign(decoded), settings);
    let last: BlobStatus | undefined;
    for await (const status of own.watchStatus(blobKey, settings)) last = status;
    expect(last?.state).toBe('FINALIZED');
  });

  it('a signed blob survives SIGKILL of the disperser, under the header that was signed, charged once', async () => {
    const { header, blobKey } = await own.prepare(request(bytes(400_000, 4)), settings);
    const before = await balance();
    const decoded = decodeHeader(header);
    await own.disperse(blobKey, await sign(decoded), settings);
    await network.disperser.stop('SIGKILL');
    await network.restartDisperser();
    connect();
    reconnect();
    let last: BlobStatus | undefined;
    for await (const status of own.watchStatus(blobKey, settings)) last = status;
    if (last?.state === 'FINALIZED') {
      expect(Buffer.from(last.certificate!.header).equals(encodeHeader(decoded))).toBe(true);
      expect(before - (await balance())).toBe(decoded.maxFee);
    } else {
      // Its epoch ended meanwhile: nobody but the account can make another header, and nothing was charged.
      expect(last).toMatchObject({ state: 'FAILED', reason: /not good any more/ });
      expect(await balance()).toBe(before);
    }
  });
});

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

describe('faults', () => {
  it('a disperser that is killed after it accepted goes on under the same id', async () => {
    const data = bytes(1_000_000, 7);
    const id = await disperse(data);
    await network.disperser.stop('SIGKILL');
    await network.restartDisperser();
    connect();
    const { info } = await until(id, 'FINALIZED');
    const reply = await call<{ data: Buffer }>('retrieveBlob', info.blobHeader);
    expect(reply.data.equals(data)).toBe(true);
  });

  it('without a tenth of the weight blobs are still certified', async () => {
    await network.nodes[3]!.stop('SIGKILL');
    await until(await disperse(bytes(200_000, 8)), 'FINALIZED');
  });
});
