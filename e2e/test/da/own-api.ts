/* Our own API of the disperser: paid by the caller's account, which signs what it pays for. */
import { type Hex, hexToBytes, parseAddress } from '@cairn/base';
import { createTransactionSender } from '@cairn/chain';
import { depositCall } from '@cairn/chain/da';
import { type BlobHeader, decodeHeader, encodeHeader } from '@cairn/quorum';
import { type BlobStatus, DaNodeClient, DisperserClient, GrpcClient } from '@cairn/rpc/grpc';
import { createBlobAccount } from '@cairn/sdk/da';
import { patternBytes as bytes, waitFor } from '@cairn/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { DaNetwork } from '../../src/da-network.ts';
import { entranceOf } from '../../src/read-blob.ts';

const settings = { timeoutMs: 60_000 };
/** 0G's limit, and ours. */
const PAYLOAD_BYTES_MAX = 32_505_852;

export function ownApi(on: () => DaNetwork): void {
  const account = (): { address: string; privateKey: Hex } => on().anvil.accounts[7]!;
  const request = (data: Uint8Array, maxFee = new Uint8Array(0)) => ({
    account: hexToBytes(parseAddress(account().address)),
    maxFee,
    data,
  });
  let own: DisperserClient;
  const reconnect = (): void => {
    own?.close();
    own = new DisperserClient(String(on().disperser.ready.grpc));
  };
  const sign = async (header: BlobHeader): Promise<Uint8Array> =>
    createBlobAccount(account().privateKey, await entranceOf(on())).authorize(header);
  const balance = async (): Promise<bigint> =>
    (await on().reader.account(parseAddress(account().address))).balanceWei;
  const endOf = async (blobKey: Uint8Array): Promise<BlobStatus> => {
    let last: BlobStatus | undefined;
    for await (const status of own.watchStatus(blobKey, settings)) last = status;
    return last!;
  };

  /** Over all members. */
  const storedBlobs = async (): Promise<number> => {
    const counts = on().nodes.map(async ({ ready }) => {
      using node = new DaNodeClient(String(ready.url));
      return (await node.getStatus({ timeoutMs: 5000 })).storedBlobs;
    });
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  };

  beforeAll(reconnect);
  afterAll(() => own?.close());

  it('takes no data from an account that cannot pay, and says what is missing', async () => {
    await expect(own.prepare(request(bytes(1000, 1)), settings)).rejects.toMatchObject({
      code: 'DISPERSER_UNFUNDED',
      details: { freeWei: '0' },
    });
  });

  it('the account signs, pays exactly the fee, and sees the states up to FINALIZED with a certificate', async () => {
    const { reader, anvil } = on();
    const sender = createTransactionSender({
      rpcUrl: anvil.rpcUrl,
      privateKey: account().privateKey,
    });
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
    const stranger = createBlobAccount(on().anvil.accounts[8]!.privateKey, await entranceOf(on()));
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
    const last = await endOf(blobKey);
    expect(last.state).toBe('FINALIZED');
  });

  it('a signed blob survives SIGKILL of the disperser, under the header that was signed, charged once', async () => {
    const { header, blobKey } = await own.prepare(request(bytes(400_000, 4)), settings);
    const before = await balance();
    const decoded = decodeHeader(header);
    await own.disperse(blobKey, await sign(decoded), settings);
    await on().disperser.stop('SIGKILL');
    await on().restartDisperser(['--tries-max', '2']); // so that the last test here has not to wait for five
    reconnect();
    const last = await endOf(blobKey);
    if (last.state === 'FINALIZED') {
      expect(Buffer.from(last.certificate!.header).equals(encodeHeader(decoded))).toBe(true);
      expect(before - (await balance())).toBe(decoded.maxFee);
    } else {
      // Its epoch ended meanwhile: nobody but the account can make another header, and nothing was charged.
      expect(last).toMatchObject({ state: 'FAILED', reason: /not good any more/ });
      expect(await balance()).toBe(before);
    }
  });

  it('takes what was announced and nothing else: no length beyond the limit, no byte more or less, no other messages', async () => {
    using raw = new GrpcClient(String(on().disperser.ready.grpc), 'cairn.da.v1.Disperser', {
      messageBytesMax: 1 << 22,
    });
    const open = (length: number) => ({
      open: { ...request(bytes(1, 1)), data: undefined, length },
    });
    const refusal = async (...parts: unknown[]): Promise<unknown> =>
      raw.clientStream('Prepare', parts, settings).then(
        () => 'taken',
        (error: { code: unknown }) => error.code,
      );
    expect(await refusal(open(PAYLOAD_BYTES_MAX + 1))).toBe('DISPERSER_LENGTH');
    expect(await refusal(open(100), { data: bytes(99, 1) })).toBe('DISPERSER_LENGTH');
    expect(await refusal(open(100), { data: bytes(60, 1) }, { data: bytes(41, 1) })).toBe(
      'DISPERSER_LENGTH',
    );
    expect(await refusal({ data: bytes(10, 1) })).toBe('DISPERSER_MALFORMED');
    expect(await refusal(open(10), open(10))).toBe('DISPERSER_MALFORMED');
    expect(await refusal(open((1 << 20) + 1), { data: bytes((1 << 20) + 1, 1) })).toBe(
      'DISPERSER_MALFORMED',
    );
    const short = { open: { ...open(10).open, account: new Uint8Array(19) } };
    expect(await refusal(short, { data: bytes(10, 1) })).toBe('DISPERSER_MALFORMED');
    expect(await refusal()).toBe('DISPERSER_MALFORMED');
    expect(await refusal(open(100), { data: bytes(100, 1) })).toBe('taken');
  });

  it('an account with money for one blob that signs two gets one: the other is not certified and costs nothing', async () => {
    const { reader, anvil } = on();
    const poor = anvil.accounts[6]!;
    const payer = createBlobAccount(poor.privateKey, await entranceOf(on()));
    const ask = (seed: number) =>
      own.prepare({ ...request(bytes(3000, seed)), account: hexToBytes(payer.address) }, settings);
    const sender = createTransactionSender({ rpcUrl: anvil.rpcUrl, privateKey: poor.privateKey });
    // The price of one, learned from the refusal.
    const neededWei = await ask(80).catch(({ details }) => BigInt(details.neededWei));
    await sender.send(depositCall(reader.contracts, sender.address, neededWei as bigint));
    const both = [await ask(81), await ask(82)];
    const disperse = async ({ header, blobKey }: (typeof both)[number]): Promise<unknown> =>
      own.disperse(blobKey, await payer.authorize(decodeHeader(header)), settings);
    await anvil.rpc('evm_setIntervalMining', [0]);
    const before = await storedBlobs();
    await disperse(both[0]!);
    await waitFor(async () => (await storedBlobs()) >= before + on().nodes.length || undefined, {
      ...{ timeoutMs: 20_000, what: 'every member to have the first blob' },
    });
    await disperse(both[1]!);
    await anvil.rpc('evm_setIntervalMining', [1]);
    const [first, second] = await Promise.all(both.map(({ blobKey }) => endOf(blobKey)));
    expect(first).toMatchObject({ state: 'FINALIZED' });
    expect(second).toMatchObject(
      second!.state === 'FAILED'
        ? { reason: /not good any more/ } // its epoch ended before its last try
        : { state: 'INSUFFICIENT_SIGNATURES' },
    );
    expect(second!.certificate).toBeUndefined();
    expect((await reader.account(sender.address)).balanceWei).toBe(0n);
  });
}
