/*
 * Rows that lie, expire and go with their members. The right status each time, never a 404 that is not certain, never wrong bytes. In
 * this order: each test leaves less behind than it found.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { decodeRollupCertificate, keccak } from '@cairn/quorum';
import { DaNodeClient } from '@cairn/rpc/grpc';
import { waitFor } from '@cairn/testkit';
import { expect, it } from 'vitest';
import { toFreshEpoch } from '../../src/epochs.ts';
import { OpClient } from '../../src/op-client.ts';
import { readBlob } from '../../src/read-blob.ts';
import { hex, inputOf, LIAR, type OnRollups, same } from '../../src/rollup-network.ts';
import type { ServedArchive } from './serve.ts';

const FALLBACK = 'DA provider requests fallback to next writer';
const INVALID = 'certificate validation failed';
/** Of what nobody ever stored. */
const NEVER_STORED = hex([0], keccak(Uint8Array.of(9, 9, 9)));

export function losses(on: OnRollups, archive: () => ServedArchive): void {
  /** The disperser again, with neither a blob in memory nor a payload on disk: it has to ask the members. */
  const forget = async (extra: readonly string[] = []): Promise<void> => {
    await on().network.disperser.stop();
    rmSync(join(on().network.dir, 'disperser', 'payloads'), { recursive: true });
    await on().restart(['--tries-max', '1', ...extra]);
  };
  /** Nothing can be stored now, in the words of both stacks. */
  const expectFailover = async (): Promise<void> => {
    const [put, stored] = await Promise.allSettled([
      on().op.post('/put', inputOf(10, 52)),
      on().nitro.store(inputOf(10, 53)),
    ]);
    expect(put).toMatchObject({ status: 'fulfilled', value: { status: 503 } });
    expect(stored.status === 'rejected' && String(stored.reason)).toContain(FALLBACK);
  };
  /** It cannot be had now, and that says nothing about the certificate. */
  const expectNotNow = async (commitment: Uint8Array): Promise<void> => {
    expect((await on().op.get(commitment)).status).toBe(503);
    await expect(on().nitro.recoverPayload(commitment)).rejects.toThrow();
    await expect(on().nitro.recoverPayload(commitment)).rejects.not.toThrow(INVALID);
  };

  it('changed rows of a member never reach a rollup', async () => {
    const data = inputOf(60_000, 71);
    const commitment = await on().op.put(data);
    const { header } = decodeRollupCertificate(commitment);
    const liar = await on().network.endpointOf(LIAR);
    await expect(readBlob(on().network, header.commitment, liar)).rejects.toMatchObject({
      code: 'SDK_DA_LIES',
    });
    await forget();
    expect(same(await on().op.input(commitment), data)).toBe(true);
    expect(same(await on().nitro.recoverPayload(commitment), data)).toBe(true);
    const metrics = await on().metrics();
    expect(metrics).toMatch(/^disperser_read_blobs_total\{from="members"\} 1$/m);
    expect(metrics).toMatch(/^disperser_op_request_seconds_count\{kind="get",status="200"\} 1$/m);
    expect(metrics).toContain(
      'disperser_nitro_call_seconds_count{method="daprovider_recoverPayload"',
    );
  });

  it('rows that expired are "not now" where they were not archived, and come from the archive where they were', async () => {
    const { anvil, nodes, reader } = on().network;
    const input = inputOf(20_000, 72);
    const certificate = await on().op.put(input);
    const name = hex([0], keccak(input));
    expect((await on().op.post(`/put/${name}`, input)).status).toBe(200);
    const { retentionSeconds } = await reader.parameters();
    await anvil.rpc('evm_increaseTime', [retentionSeconds + 100]);
    for (const [i, { ready }] of nodes.entries()) {
      using node = new DaNodeClient(String(ready.url));
      await waitFor(
        async () => (await node.getStatus({ timeoutMs: 5000 })).storedBlobs === 0 || undefined,
        { timeoutMs: 30_000, what: `node ${i} to drop its rows` },
      );
    }
    // The disperser's own copy is good as long as it has one.
    expect(same(await on().op.input(certificate), input)).toBe(true);
    await forget();
    await expectNotNow(certificate);
    expect((await on().op.request(`/get/${name}`)).status).toBe(503);
    expect((await on().op.get(certificate.subarray(0, -1))).status).toBe(418);
    expect((await on().op.request(`/get/${NEVER_STORED}`)).status).toBe(404);
    const served = await archive().start(['--read-only']);
    const { commitment, input: archived } = archive();
    expect(same(await new OpClient(String(served.ready.op)).input(commitment), archived)).toBe(
      true,
    );
    await served.stop('SIGINT');
    // What is stored in an epoch that begins now is kept from now on.
    await toFreshEpoch(on().network);
    expect(same(await on().op.input(await on().op.put(input)), input)).toBe(true);
  });

  it('with less than two thirds of the weight puts fail over, and reads go on while rows suffice', async () => {
    const data = inputOf(5000, 51);
    const commitment = await on().op.put(data);
    const { nodes } = on().network;
    await nodes[0]!.stop('SIGKILL');
    await forget();
    await expectFailover();
    expect(same(await on().op.input(commitment), data)).toBe(true);
    // What is left are too few honest rows, and enough with those of the liar.
    await nodes[1]!.stop('SIGKILL');
    await forget();
    await expectNotNow(commitment);
    for (const node of nodes) await node.stop('SIGKILL');
    await forget();
    await expectNotNow(commitment);
  });

  it('without a quorum puts fail over; a 0G commitment of epochs that are over for good is certainly unknown', async () => {
    const { reader, anvil } = on().network;
    const { epochBlocks } = await reader.parameters();
    const { epoch } = (await reader.serving((await reader.head()).number))!;
    // The quorums of the last reveals serve two epochs more, and what they began may be confirmed after that.
    await anvil.mine(5 * epochBlocks);
    expect(await reader.serving((await reader.head()).number)).toBeUndefined();
    await expectFailover();
    const unknown = new Uint8Array(50);
    unknown.set([0x01, 0x47]);
    const view = new DataView(unknown.buffer);
    view.setBigUint64(2, BigInt(epoch), true);
    unknown.fill(7, 18);
    expect((await on().op.get(unknown)).status).toBe(404);
    view.setBigUint64(2, BigInt(epoch + 9), true);
    expect((await on().op.get(unknown)).status).toBe(503);
  });
}
