// OP alt-DA as op-batcher and op-node use it, on real DA nodes, a real disperser and a real chain. The client knows the spec only.
import { seededRandom } from '@cairn/base';
import { decodeRollupCertificate } from '@cairn/quorum';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DaNetwork, startDaNetwork } from '../src/da-network.ts';
import { OpClient } from '../src/op-client.ts';

const STAKES = [400, 300, 200, 100];
let network: DaNetwork;
let client: OpClient;
const connect = (): void => {
  client = new OpClient(String(network.disperser.ready.op));
};
const bytes = (size: number, seed: number): Uint8Array => seededRandom(seed).bytes(size);
const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.from(a).equals(b);

beforeAll(async () => {
  network = await startDaNetwork(STAKES, ['--op-port', '0']);
  connect();
});
afterAll(async () => {
  await network?.[Symbol.asyncDispose]();
});

describe('storing and reading', () => {
  it.each([1, 1000, 130_672, 1_000_000])('%d bytes come back as they were', async (size) => {
    const input = bytes(size, size);
    const commitment = await client.put(input);
    expect([...commitment.subarray(0, 3)]).toEqual([0x01, 0x43, 0x01]);
    expect(commitment.length).toBeLessThanOrEqual(356);
    const answer = await client.get(commitment);
    expect(answer).toMatchObject({ status: 200, type: 'application/octet-stream' });
    expect(same(answer.bytes, input)).toBe(true);
  });

  it('64 puts at once are served side by side and share blobs; each is read on its own', async () => {
    const inputs = Array.from({ length: 64 }, (_, i) => bytes(1000 + i, 100 + i));
    const commitments = await Promise.all(inputs.map((input) => client.put(input)));
    const blobs = new Set(commitments.map((one) => decodeRollupCertificate(one).header.commitment));
    expect(blobs.size).toBeLessThanOrEqual(8);
    for (const [i, commitment] of commitments.entries())
      expect(same(await client.input(commitment), inputs[i]!), `input ${i}`).toBe(true);
  });
});
