/*
 * Rollups on real DA nodes, a real disperser and a real chain: OP alt-DA and Nitro's DA provider. The clients are written from
 * spec/rollup-interfaces.md alone. One network for everything; the disperser is started again where a row needs other flags.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { bytesToHex, seededRandom } from '@cairn/base';
import { rollupVerifierAbi } from '@cairn/chain';
import { deployStorage } from '@cairn/contracts/deploy';
import { DEVNET } from '@cairn/protocol';
import { decodeRollupCertificate, encodeRollupCertificate, keccak } from '@cairn/quorum';
import {
  REPOSITORY,
  startIndexer,
  startProcess,
  startStorageNode,
  type TestProcess,
  waitFor,
} from '@cairn/testkit';
import { createPublicClient, http } from 'viem';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DaNetwork, startDaNetwork } from '../src/da-network.ts';
import { enhanced, NitroClient, quantity, token } from '../src/nitro-client.ts';
import { OpClient } from '../src/op-client.ts';

const INPUT_BYTES_MAX = 2_000_000;
const secret = new Uint8Array(randomBytes(32));
const ports = ['--op-port', '0', '--nitro-port', '0'];
let network: DaNetwork;
let flags: string[];
let op: OpClient;
let nitro: NitroClient;

const connect = (): void => {
  const { ready } = network.disperser;
  op = new OpClient(String(ready.op));
  nitro = new NitroClient(String(ready.nitro), secret);
};
const restart = async (extra: readonly string[] = []): Promise<void> => {
  await network.restartDisperser([...flags, ...extra]);
  connect();
};
const bytes = (size: number, seed: number): Uint8Array => seededRandom(seed).bytes(size);
const hex = (...parts: (Uint8Array | number[])[]): `0x${string}` =>
  `0x${Buffer.concat(parts.map((part) => Buffer.from(part))).toString('hex')}`;
const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.from(a).equals(b);
const flip = (data: Uint8Array, at: number, by = 1): Uint8Array => {
  const out = data.slice();
  out[at]! ^= by;
  return out;
};
/** The same certificate with other fields: well-formed, and of a batch that nobody confirmed. */
const forged = (certificate: Uint8Array, referenceBlock?: number): Uint8Array => {
  const decoded = decodeRollupCertificate(certificate);
  const { batch, header } = decoded;
  return encodeRollupCertificate({
    ...decoded,
    batch: { ...batch, referenceBlock: referenceBlock ?? batch.referenceBlock },
    header: { ...header, nonce: header.nonce ^ 1n },
  });
};

beforeAll(async () => {
  network = await startDaNetwork([400, 300, 200, 100]);
  const jwt = join(network.dir, 'jwt.hex');
  writeFileSync(jwt, Buffer.from(secret).toString('hex'), { mode: 0o600 });
  flags = [
    ...ports,
    ...['--nitro-jwt-file', jwt, '--nitro-chunked-store', '--nitro-signer', 'commitment'],
    ...['--rollup-input-bytes-max', String(INPUT_BYTES_MAX), '--rollup-recency-blocks', '1000'],
  ];
  await restart();
});
afterAll(async () => {
  await network?.[Symbol.asyncDispose]();
});

describe('OP alt-DA', () => {
  const input = bytes(100_000, 1);
  let commitment: Uint8Array;

  it.each([1, 130_672, 1_000_000])('%d bytes come back as they were', async (size) => {
    const data = bytes(size, size);
    const given = await op.put(data);
    expect([...given.subarray(0, 3)]).toEqual([0x01, 0x43, 0x01]);
    const answer = await op.get(given);
    expect(answer).toMatchObject({ status: 200, type: 'application/octet-stream' });
    expect(same(answer.bytes, data)).toBe(true);
  });

  it('64 puts at once are served side by side and share blobs; each is read on its own', async () => {
    const inputs = Array.from({ length: 64 }, (_, i) => bytes(1000 + i, 100 + i));
    const given = await Promise.all(inputs.map((one) => op.put(one)));
    const blobs = new Set(given.map((one) => decodeRollupCertificate(one).header.commitment));
    expect(blobs.size).toBeLessThanOrEqual(8);
    const back = await Promise.all(given.map((one) => op.input(one)));
    for (const [i, one] of back.entries()) expect(same(one, inputs[i]!), `input ${i}`).toBe(true);
  });

  it('takes /put/ as /put, answers wrong methods with 405 and other things with 400', async () => {
    const answer = await op.post('/put/', input);
    expect(answer.status).toBe(200);
    commitment = answer.bytes;
    const text = hex(commitment);
    for (const path of ['/put', '/put/']) expect((await op.request(path)).status).toBe(405);
    expect((await op.request(`/get/${text}`, { method: 'POST' })).status).toBe(405);
    expect((await op.post('/put', new Uint8Array(0))).status).toBe(400);
    expect((await op.post('/put', bytes(INPUT_BYTES_MAX + 1, 2))).status).toBe(400);
    const wrong = [
      ...['/get', '/get/', '/get/0x', '/get/0x01', '/get/0x0143', '/get/0x0', '/get/zz'],
      ...[`/get/${text}/1`, '/get/0x00aabb', '/get/0x02aabbcc', `/get/${text}?commitment_mode=x`],
      `/get/${text}?l1_inclusion_block_number=x`,
    ];
    for (const path of wrong) expect((await op.request(path)).status, path).toBe(400);
  });

  it('a certificate that is no good is 418 with the reason, never 404', async () => {
    const drop = async (given: Uint8Array, reason: number, query = ''): Promise<void> => {
      const { status, text } = await op.get(given, query);
      expect([status, JSON.parse(text)], hex(given)).toEqual([
        418,
        { StatusCode: reason, Msg: expect.any(String) },
      ]);
    };
    await drop(commitment.subarray(0, -1), 1);
    await drop(commitment.subarray(0, 10), 1);
    for (let i = 1; i < 8; i++) await drop(flip(commitment, 20 * i), 1);
    await drop(Uint8Array.of(0x01, 0x0c, ...commitment.subarray(2)), 1);
    const { referenceBlock } = decodeRollupCertificate(commitment).batch;
    await drop(commitment, 2, `?l1_inclusion_block_number=${referenceBlock + 1001}`);
    for (const block of [0, 1, referenceBlock + 1000])
      expect((await op.get(commitment, `?l1_inclusion_block_number=${block}`)).status).toBe(200);
    // Decided only when its window is over: until then 503, which op-node repeats.
    const head = (await network.reader.head()).number;
    await drop(forged(commitment, Math.max(0, head - 40)), 3);
    expect((await op.get(forged(commitment, head))).status).toBe(503);
  });

  it('hex without 0x, standard mode, and the frame before decoding', async () => {
    const text = hex(commitment).slice(2);
    expect(same((await op.request(`/get/${text}`)).bytes, input)).toBe(true);
    const standard = await op.post('/put?commitment_mode=standard', input);
    expect(standard.bytes[0]).toBe(0x01);
    const back = await op.get(standard.bytes, '?commitment_mode=standard');
    expect(same(back.bytes, input)).toBe(true);
    const frame = await op.get(commitment, '?return_encoded_payload');
    const { header, offset } = decodeRollupCertificate(commitment);
    expect(Buffer.from(frame.bytes).readUInt32BE(1)).toBe(header.length);
    expect(same(frame.bytes.subarray(5 + offset, 5 + offset + input.length), input)).toBe(true);
  });

  it('keccak mode: stored under its hash, and 404 for what was never stored', async () => {
    const name = hex([0], keccak(input));
    expect(await op.post(`/put/${name}`, input)).toMatchObject({ status: 200, text: '' });
    expect(same((await op.request(`/get/${name}`)).bytes, input)).toBe(true);
    expect((await op.post(`/put/${name}`, bytes(10, 3))).status).toBe(400);
    expect((await op.post(`/put/${hex(commitment)}`, input)).status).toBe(400);
    const long = bytes(130_673, 4);
    expect((await op.post(`/put/${hex([0], keccak(long))}`, long)).status).toBe(400);
    expect((await op.request(`/get/${hex([0], keccak(long))}`)).status).toBe(404);
  });

  it('/health is empty, /config says what is served', async () => {
    expect(await op.request('/health')).toMatchObject({ status: 200, text: '' });
    const config = JSON.parse((await op.request('/config')).text);
    expect(config).toMatchObject({
      version: expect.stringMatching(/^\d/),
      chain_id: 31_337,
      max_payload_size_bytes: INPUT_BYTES_MAX,
      read_only_mode: false,
    });
    expect(config).toHaveProperty('directory_address');
    expect(config).toHaveProperty('cert_verifier_address');
    expect(config.apis_enabled).toContain('arb');
  });
});

describe("Nitro's DA provider", () => {
  it('wants a token', async () => {
    const call = async (authorization?: string): Promise<number> =>
      (
        await fetch(nitro.url, {
          method: 'POST',
          headers: authorization ? { authorization } : {},
          body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'daprovider_getMaxMessageSize' }),
        })
      ).status;
    expect(await call()).toBe(401);
    expect(await call(`Bearer ${token(new Uint8Array(32))}`)).toBe(401);
    expect(await call(`Bearer ${token(secret, 1)}`)).toBe(401);
    expect(await call(`Bearer ${token(secret)}`)).toBe(200);
  });

  it('tells its header byte, and a size above zero', async () => {
    expect(await nitro.call('getSupportedHeaderBytes')).toEqual({ headerBytes: '0x01' });
    expect(await nitro.maxMessageSize()).toBe(INPUT_BYTES_MAX);
  });

  it('what was stored is recovered, in the two encodings Nitro expects', async () => {
    const message = bytes(100_000, 11);
    const certificate = await nitro.store(message);
    expect(certificate[0]).toBe(0x01);
    expect(same(await nitro.recoverPayload(certificate), message)).toBe(true);
    const preimages = {
      3: { [bytesToHex(keccak(certificate))]: Buffer.from(message).toString('base64') },
    };
    expect(await nitro.collectPreimages(certificate)).toEqual(preimages);
    expect(await nitro.recoverPayloadAndPreimages(certificate)).toEqual({
      Payload: Buffer.from(message).toString('base64'),
      Preimages: preimages,
    });
    // One certificate serves both stacks.
    expect(same(await op.input(certificate), message)).toBe(true);
  });

  it('a message in pieces', async () => {
    const message = bytes(250_000, 12);
    const certificate = await nitro.storeInPieces(message, 100_000);
    expect(same(await nitro.recoverPayload(certificate), message)).toBe(true);
  });

  it('phrases of its errors: bad for good, too large, no preference, too long, nonsense', async () => {
    const certificate = await nitro.store(bytes(500, 13), 1); // a time that has passed
    const bad = [flip(certificate, 60), certificate.subarray(0, 100), Uint8Array.of(1)];
    for (const one of [...bad, new Uint8Array(0)])
      await expect(nitro.recoverPayload(one)).rejects.toThrow('certificate validation failed');
    await expect(nitro.readPreimageProof(0, bad[0]!)).rejects.toThrow(
      'certificate validation failed',
    );
    const head = (await network.reader.head()).number;
    await expect(nitro.recoverPayload(forged(certificate, head))).rejects.toThrow(
      /may still be confirmed/,
    );
    await expect(nitro.store(bytes(INPUT_BYTES_MAX + 1, 14))).rejects.toThrow(
      'message too large for current DA backend',
    );
    await expect(nitro.call('store', 'abc', '0x0')).rejects.toThrow('message is not 0x-hex bytes');
    await expect(nitro.call('store', '0x00', 5)).rejects.toThrow('timeout is not a 0x-hex uint64');
    await expect(nitro.call('recoverPayload', '0x1', '0x00', '0x01')).rejects.toThrow('hash');
    await expect(nitro.call('nothing')).rejects.toThrow('not found');
  });
});

describe('fraud proofs', () => {
  it('any offset of a random blob is accepted by the contract, every mutated proof is refused', async () => {
    const random = seededRandom(2026);
    const pick = (end: number): number => new DataView(random.bytes(4).buffer).getUint32(0) % end;
    const chain = createPublicClient({ transport: http(network.anvil.rpcUrl) });
    const verifier = { address: network.rollupVerifier, abi: rollupVerifierAbi } as const;
    const read = (certificate: Uint8Array, offset: number, proof: Uint8Array): Promise<string> =>
      chain.readContract({
        ...verifier,
        functionName: 'validateReadPreimage',
        args: [bytesToHex(keccak(certificate)), BigInt(offset), hex(enhanced(certificate, proof))],
      });
    const validate = (certificate: Uint8Array, proof: Uint8Array): Promise<boolean> =>
      chain.readContract({
        ...verifier,
        functionName: 'validateCertificate',
        args: [hex(enhanced(certificate, proof))],
      });
    // Small ones share blobs; the long one has rows of several pieces.
    const messages = await Promise.all(
      [33, 64, 1000, 5000, 20_000, 50_000, 90_000, 1_500_000].map(async (size) => {
        const message = bytes(size, size);
        return { message, certificate: await nitro.store(message) };
      }),
    );
    for (let round = 0; round < 24; round++) {
      const { message, certificate } = messages[round % messages.length]!;
      const offset = pick(message.length);
      const proof = await nitro.readPreimageProof(offset, certificate);
      const what = `offset ${offset} of ${message.length}`;
      expect(await read(certificate, offset, proof), what).toBe(
        hex(message.subarray(offset, offset + 32)),
      );
      const changed = flip(proof, pick(proof.length), 1 + pick(255));
      await expect(read(certificate, offset, changed), what).rejects.toThrow(/revert/i);
    }
    const { message, certificate } = messages[3]!;
    const beyond = await nitro.readPreimageProof(message.length, certificate);
    expect(await read(certificate, message.length, beyond)).toBe('0x');
    // The form of older clients, with the hash first.
    const { proof } = await nitro.call<{ proof: string }>(
      'generateReadPreimageProof',
      hex(keccak(certificate)),
      quantity(0),
      hex(certificate),
    );
    expect(proof).toBe(hex(await nitro.readPreimageProof(0, certificate)));

    const valid = await nitro.validityProof(certificate);
    expect(hex(valid)).toBe('0x0101');
    expect(await validate(certificate, valid)).toBe(true);
    const head = (await network.reader.head()).number;
    for (const bad of [flip(certificate, 50), forged(certificate, Math.max(0, head - 40))]) {
      const invalid = await nitro.validityProof(bad);
      expect(hex(invalid)).toBe('0x0001');
      expect(await validate(bad, invalid)).toBe(false);
      expect(await validate(bad, valid), 'a claim proves nothing').toBe(false);
    }
    await expect(validate(certificate, new Uint8Array(1))).rejects.toThrow(/MalformedProof/);
  });
});

describe('other settings and faults', () => {
  it("0G's 50-byte commitments, found again from the chain by a server that never stored them", async () => {
    await restart(['--op-format', '0g']);
    const data = bytes(40_000, 21);
    const commitment = await op.put(data);
    expect(commitment).toHaveLength(50);
    expect([...commitment.subarray(0, 2)]).toEqual([0x01, 0x47]);
    expect(same(await op.input(commitment), data)).toBe(true);
    await network.disperser.stop();
    for (const end of ['', '-wal'])
      rmSync(join(network.dir, 'disperser', `rollup.db${end}`), { force: true });
    await restart(['--rollup-read-only']);
    expect(same(await op.input(commitment), data)).toBe(true);
    // Certain only for an epoch that is over for good; 503 before.
    expect((await op.get(flip(commitment, 49))).status).toBe(503);
    expect((await op.get(commitment.subarray(0, 49))).status).toBe(418);
    expect((await op.post('/put', data)).status).toBe(500);
    expect(JSON.parse((await op.request('/config')).text)).toMatchObject({ read_only_mode: true });
  });

  it('a put that takes too long is 503; a size that the body limit lets through is taken', async () => {
    await restart([
      '--rollup-put-timeout-ms',
      '1',
      '--no-nitro-chunked-store',
      '--nitro-body-bytes',
      '100000',
    ]);
    expect((await op.post('/put', bytes(10, 31))).status).toBe(503);
    const max = await nitro.maxMessageSize();
    expect(max).toBeLessThan(50_000);
    await expect(nitro.store(bytes(max, 32))).rejects.toThrow(
      'DA provider requests fallback to next writer',
    );
  });

  it('a disperser killed during a held put: the client repeats, and what was stored before is there', async () => {
    await restart();
    const before = await op.put(bytes(1000, 41));
    const held = op.put(bytes(2000, 42)).catch(() => 'broken off');
    await new Promise((resolve) => setTimeout(resolve, 300));
    await network.disperser.stop('SIGKILL');
    expect(await held).toBe('broken off');
    await restart();
    expect(same(await op.input(before), bytes(1000, 41))).toBe(true);
    const again = await op.put(bytes(2000, 42));
    expect(same(await op.input(again), bytes(2000, 42))).toBe(true);
  });
});

describe('cairn da serve, then members missing', () => {
  const stack = new AsyncDisposableStack();
  afterAll(() => stack.disposeAsync());
  const data = bytes(30_000, 61);
  let start: (extra?: readonly string[]) => Promise<TestProcess>;
  let commitment: Uint8Array;

  it('serves posters of both stacks and archives their blobs', async () => {
    const { rpcUrl, accounts } = network.anvil;
    const deployment = await deployStorage({
      rpcUrl,
      privateKey: accounts[0]!.privateKey,
      preset: DEVNET,
    });
    const node = stack.use(
      await startStorageNode({ rpcUrl, deployment }, join(network.dir, 'storage')),
    );
    const indexer = stack.use(await startIndexer([String(node.ready.url)]));
    const key = (index: number): string => {
      const path = join(network.dir, `serve-${index}.key`);
      writeFileSync(path, accounts[index]!.privateKey, { mode: 0o600 });
      return path;
    };
    const dataDir = join(network.dir, 'serve');
    start = (extra = []) =>
      startProcess('apps/cli/src/main.ts', [
        ...['da', 'serve', '--rpc', rpcUrl, '--entrance', network.reader.contracts.entrance],
        ...['--indexer', String(indexer.ready.url), '--data-dir', dataDir],
        ...['--key-file', key(6), '--archive-key-file', key(7)],
        ...['--op-port', '0', '--nitro-port', '0', ...extra],
      ]);
    const served = stack.use(await start());
    const example = async (name: string, ...args: string[]): Promise<unknown> =>
      JSON.parse(
        (
          await promisify(execFile)(process.execPath, [
            '--conditions=source',
            join(REPOSITORY, 'e2e/examples', name),
            ...args,
          ])
        ).stdout,
      );
    const url = String(served.ready.op);
    const [frames, batches] = await Promise.all([
      example('op-poster.ts', url, '8', '4'),
      example('nitro-poster.ts', String(served.ready.nitro), '2'),
    ]);
    expect(frames).toMatchObject({ frames: 8, onDa: 8, verified: 8 });
    expect(batches).toEqual({ batches: 2, onDa: 2, verified: 2 });

    const mine = new OpClient(url);
    commitment = await mine.put(data);
    await waitFor(
      async () =>
        JSON.parse((await mine.request('/config')).text).archive.waiting === 0 || undefined,
      { timeoutMs: 60_000, what: 'the archive to have every blob' },
    );
    await served.stop('SIGINT');
    rmSync(join(dataDir, 'payloads'), { recursive: true });
  });

  it('with less than two thirds of the weight puts fail over, and reads go on', async () => {
    const data = bytes(5000, 51);
    const commitment = await op.put(data);
    await network.nodes[0]!.stop('SIGKILL');
    const [put, stored] = await Promise.allSettled([
      op.post('/put', bytes(10, 52)),
      nitro.store(bytes(10, 53)),
    ]);
    expect(put).toMatchObject({ status: 'fulfilled', value: { status: 503 } });
    expect(stored.status === 'rejected' && String(stored.reason)).toContain(
      'DA provider requests fallback to next writer',
    );
    await restart(); // nothing in memory
    expect(same(await op.input(commitment), data)).toBe(true);
    for (const node of network.nodes) await node.stop('SIGKILL');
    await restart();
    // The disperser's own copy, encoded again; without it the answer is "not now", never "unknown".
    expect(same(await op.input(commitment), data)).toBe(true);
    await network.disperser.stop();
    rmSync(join(network.dir, 'disperser', 'payloads'), { recursive: true });
    await restart();
    expect((await op.get(commitment)).status).toBe(503);
    await expect(nitro.recoverPayload(commitment)).rejects.not.toThrow(
      'certificate validation failed',
    );
  });

  it('blobs outlive the members: the archive has them, checked against the commitment', async () => {
    const served = stack.use(await start(['--read-only']));
    expect(same(await new OpClient(String(served.ready.op)).input(commitment), data)).toBe(true);
  });
});
