// Rows of spec/rollup-interfaces.md sections 1 and 2.
import { decodeRollupCertificate, keccak } from '@cairn/quorum';
import { expect, it } from 'vitest';
import { entranceOf } from '../../src/read-blob.ts';
import {
  flip,
  forged,
  hex,
  INPUT_BYTES_MAX,
  inputOf,
  type OnRollups,
  ofAnotherChain,
  same,
} from '../../src/rollup-network.ts';

/** OP alt-DA: routes, statuses and bytes. */
export function opAltDa(on: OnRollups): void {
  const input = inputOf(100_000, 1);
  let commitment: Uint8Array;

  it.each([1, 130_672, 1_000_000])('%d bytes come back as they were', async (size) => {
    const data = inputOf(size, size);
    const given = await on().op.put(data);
    expect([...given.subarray(0, 3)]).toEqual([0x01, 0x43, 0x01]);
    const answer = await on().op.get(given);
    expect(answer).toMatchObject({ status: 200, type: 'application/octet-stream' });
    expect(same(answer.bytes, data)).toBe(true);
  });

  it('64 puts at once are served side by side and share blobs; each is read on its own', async () => {
    const inputs = Array.from({ length: 64 }, (_, i) => inputOf(1000 + i, 100 + i));
    const given = await Promise.all(inputs.map((one) => on().op.put(one)));
    const blobs = new Set(given.map((one) => decodeRollupCertificate(one).header.commitment));
    expect(blobs.size).toBeLessThanOrEqual(8);
    const back = await Promise.all(given.map((one) => on().op.input(one)));
    for (const [i, one] of back.entries()) expect(same(one, inputs[i]!), `input ${i}`).toBe(true);
  });

  it('takes /put/ as /put, answers wrong methods with 405 and other things with 400', async () => {
    const answer = await on().op.post('/put/', input);
    expect(answer.status).toBe(200);
    commitment = answer.bytes;
    const text = hex(commitment);
    for (const path of ['/put', '/put/']) expect((await on().op.request(path)).status).toBe(405);
    expect((await on().op.request(`/get/${text}`, { method: 'POST' })).status).toBe(405);
    expect((await on().op.post('/put', new Uint8Array(0))).status).toBe(400);
    expect((await on().op.post('/put', inputOf(INPUT_BYTES_MAX + 1, 2))).status).toBe(400);
    const wrong = [
      ...['/get', '/get/', '/get/0x', '/get/0x01', '/get/0x0143', '/get/0x0', '/get/zz'],
      ...[`/get/${text}/1`, '/get/0x00aabb', '/get/0x02aabbcc', `/get/${text}?commitment_mode=x`],
      `/get/${text}?l1_inclusion_block_number=x`,
    ];
    for (const path of wrong) expect((await on().op.request(path)).status, path).toBe(400);
  });

  it('a certificate that is no good is 418 with the reason, never 404', async () => {
    const drop = async (given: Uint8Array, reason: number, query = ''): Promise<void> => {
      const { status, text } = await on().op.get(given, query);
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
      expect((await on().op.get(commitment, `?l1_inclusion_block_number=${block}`)).status).toBe(
        200,
      );
    // Decided only when its window is over: until then 503, which op-node repeats.
    const head = (await on().network.reader.head()).number;
    await drop(forged(commitment, Math.max(0, head - 40)), 3);
    const entrance = await entranceOf(on().network);
    await drop(ofAnotherChain(commitment, entrance, Math.max(0, head - 40)), 3);
    expect((await on().op.get(forged(commitment, head))).status).toBe(503);
  });

  it('hex without 0x, standard mode, and the frame before decoding', async () => {
    const text = hex(commitment).slice(2);
    expect(same((await on().op.request(`/get/${text}`)).bytes, input)).toBe(true);
    const standard = await on().op.post('/put?commitment_mode=standard', input);
    expect(standard.bytes[0]).toBe(0x01);
    const back = await on().op.get(standard.bytes, '?commitment_mode=standard');
    expect(same(back.bytes, input)).toBe(true);
    const frame = await on().op.get(commitment, '?return_encoded_payload');
    const { header, offset } = decodeRollupCertificate(commitment);
    expect(Buffer.from(frame.bytes).readUInt32BE(1)).toBe(header.length);
    expect(same(frame.bytes.subarray(5 + offset, 5 + offset + input.length), input)).toBe(true);
  });

  it('keccak mode: stored under its hash, and 404 for what was never stored', async () => {
    const name = hex([0], keccak(input));
    expect(await on().op.post(`/put/${name}`, input)).toMatchObject({ status: 200, text: '' });
    expect(same((await on().op.request(`/get/${name}`)).bytes, input)).toBe(true);
    expect((await on().op.post(`/put/${name}`, inputOf(10, 3))).status).toBe(400);
    expect((await on().op.post(`/put/${hex(commitment)}`, input)).status).toBe(400);
    const long = inputOf(130_673, 4);
    expect((await on().op.post(`/put/${hex([0], keccak(long))}`, long)).status).toBe(400);
    expect((await on().op.request(`/get/${hex([0], keccak(long))}`)).status).toBe(404);
  });

  it('/health is empty, /config says what is served', async () => {
    expect(await on().op.request('/health')).toMatchObject({ status: 200, text: '' });
    const config = JSON.parse((await on().op.request('/config')).text);
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
}
