// Rows of spec/rollup-interfaces.md section 3.
import { bytesToHex } from '@cairn/base';
import { keccak } from '@cairn/quorum';
import { describe, expect, it } from 'vitest';
import { NitroClient, token } from '../../src/nitro-client.ts';
import { entranceOf } from '../../src/read-blob.ts';
import {
  flip,
  forged,
  INPUT_BYTES_MAX,
  inputOf,
  type OnRollups,
  ofAnotherChain,
  same,
} from '../../src/rollup-network.ts';

/** Nitro's DA provider: methods, encodings, phrases, tokens, WebSocket. */
export function nitroProvider(on: OnRollups): void {
  it('wants a token', async () => {
    const call = async (authorization?: string): Promise<number> =>
      (
        await fetch(on().nitro.url, {
          method: 'POST',
          headers: authorization ? { authorization } : {},
          body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'daprovider_getMaxMessageSize' }),
        })
      ).status;
    expect(await call()).toBe(401);
    expect(await call(`Bearer ${token(new Uint8Array(32))}`)).toBe(401);
    expect(await call(`Bearer ${token(on().secret, 1)}`)).toBe(401);
    expect(await call(`Bearer ${token(on().secret)}`)).toBe(200);
  });

  it('tells its header byte, and a size above zero', async () => {
    expect(await on().nitro.call('getSupportedHeaderBytes')).toEqual({ headerBytes: '0x01' });
    expect(await on().nitro.maxMessageSize()).toBe(INPUT_BYTES_MAX);
  });

  it('what was stored is recovered, in the two encodings Nitro expects', async () => {
    const message = inputOf(100_000, 11);
    const certificate = await on().nitro.store(message);
    expect(certificate[0]).toBe(0x01);
    expect(same(await on().nitro.recoverPayload(certificate), message)).toBe(true);
    const preimages = {
      3: { [bytesToHex(keccak(certificate))]: Buffer.from(message).toString('base64') },
    };
    expect(await on().nitro.collectPreimages(certificate)).toEqual(preimages);
    expect(await on().nitro.recoverPayloadAndPreimages(certificate)).toEqual({
      Payload: Buffer.from(message).toString('base64'),
      Preimages: preimages,
    });
    // One certificate serves both stacks.
    expect(same(await on().op.input(certificate), message)).toBe(true);
  });

  it('a message in pieces', async () => {
    const message = inputOf(250_000, 12);
    const certificate = await on().nitro.storeInPieces(message, 100_000);
    expect(same(await on().nitro.recoverPayload(certificate), message)).toBe(true);
  });

  it('phrases of its errors: bad for good, too large, no preference, too long, nonsense', async () => {
    const certificate = await on().nitro.store(inputOf(500, 13), 1); // a time that has passed
    const bad = [flip(certificate, 60), certificate.subarray(0, 100), Uint8Array.of(1)];
    for (const one of [...bad, new Uint8Array(0)])
      await expect(on().nitro.recoverPayload(one)).rejects.toThrow('certificate validation failed');
    await expect(on().nitro.readPreimageProof(0, bad[0]!)).rejects.toThrow(
      'certificate validation failed',
    );
    const head = (await on().network.reader.head()).number;
    await expect(on().nitro.recoverPayload(forged(certificate, head))).rejects.toThrow(
      /may still be confirmed/,
    );
    const foreign = ofAnotherChain(
      certificate,
      await entranceOf(on().network),
      Math.max(0, head - 40),
    );
    await expect(on().nitro.recoverPayload(foreign)).rejects.toThrow(
      'certificate validation failed',
    );
    // Posters ask for 15 days; nobody keeps rows for that long, and this disperser does not archive.
    const { timestamp } = await on().network.reader.head();
    await expect(on().nitro.store(inputOf(500, 15), timestamp + 15 * 86_400)).rejects.toThrow(
      /kept until \d+ .* archiving to the storage lane is off/,
    );
    await expect(on().nitro.store(inputOf(INPUT_BYTES_MAX + 1, 14))).rejects.toThrow(
      'message too large for current DA backend',
    );
    await expect(on().nitro.call('store', 'abc', '0x0')).rejects.toThrow(
      'message is not 0x-hex bytes',
    );
    await expect(on().nitro.call('store', '0x00', 5)).rejects.toThrow(
      'timeout is not a 0x-hex uint64',
    );
    await expect(on().nitro.call('recoverPayload', '0x1', '0x00', '0x01')).rejects.toThrow('hash');
    await expect(on().nitro.call('nothing')).rejects.toThrow('not found');
  });

  it('a certificate that names a block far ahead is refused on chain: the batch is empty, and readers go on', async () => {
    const certificate = await on().nitro.store(inputOf(700, 16));
    const head = (await on().network.reader.head()).number;
    const ahead = forged(certificate, head + 100_000);
    await expect(on().nitro.recoverPayload(ahead)).rejects.toThrow('certificate validation failed');
    // For good, and for every server that asks the contract.
    expect((await on().op.get(ahead)).status).toBe(418);
    const soon = forged(certificate, (await on().network.reader.head()).number + 30);
    await expect(on().nitro.recoverPayload(soon)).rejects.toThrow(/may still be confirmed/);
  });

  describe('over WebSocket', () => {
    const url = (): string => on().nitro.url.replace('http', 'ws');
    const connect = (secret?: Uint8Array): NitroClient => new NitroClient(url(), secret);

    it('wants the token in the upgrade', async () => {
      for (const wrong of [undefined, new Uint8Array(32)]) {
        using client = connect(wrong);
        await expect(client.maxMessageSize()).rejects.toThrow('401');
      }
      using client = connect(on().secret);
      expect(await client.maxMessageSize()).toBe(INPUT_BYTES_MAX);
    });

    it('stores and recovers as over HTTP, many calls at once on one connection', async () => {
      using client = connect(on().secret);
      const messages = [100, 5000, 300_000].map((size) => inputOf(size, 70 + size));
      const certificates = await Promise.all(messages.map((message) => client.store(message)));
      const calls = Array.from({ length: 40 }, (_, i) =>
        client.recoverPayload(certificates[i % 3]!),
      );
      for (const [i, payload] of (await Promise.all(calls)).entries())
        expect(same(payload, messages[i % 3]!), `call ${i}`).toBe(true);
      expect(same(await on().nitro.recoverPayload(certificates[2]!), messages[2]!)).toBe(true);
      await expect(client.recoverPayload(Uint8Array.of(1))).rejects.toThrow(
        'certificate validation failed',
      );
    });

    it('a message longer than a body, or one that is no text, costs its connection and no other', async () => {
      using other = connect(on().secret);
      expect(await other.maxMessageSize()).toBe(INPUT_BYTES_MAX);
      using long = connect(on().secret);
      await expect(long.store(new Uint8Array(3_000_000))).rejects.toThrow('closed with 1009');
      using binary = connect(on().secret);
      await binary.sendBinary(Uint8Array.of(1, 2, 3));
      await expect(binary.maxMessageSize()).rejects.toThrow('closed with 1003');
      expect(await other.maxMessageSize()).toBe(INPUT_BYTES_MAX);
    });
  });
}
