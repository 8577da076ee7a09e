import { bytesToHash32, seededRandom, silentLogger } from '@cairn/base';
import type { DaReader } from '@cairn/chain/da';
import { DA_SHAPES, encodeBlob } from '@cairn/erasure';
import { createTaskPool, loadNodeKernels } from '@cairn/kernels/node';
import type { BlobHeader } from '@cairn/quorum';
import { MemberPool } from '@cairn/sdk/da';
import { afterAll, describe, expect, it } from 'vitest';
import { BlobSource, type PayloadSource } from '../../src/reading/blob-source.ts';

const { kernels } = await loadNodeKernels('reference');
const threads = await createTaskPool({ threads: 1, backend: 'reference' });
const members = new MemberPool();
afterAll(async () => {
  members.close();
  await threads[Symbol.asyncDispose]();
});

const address = `0x${'22'.repeat(20)}` as never;
const payload = seededRandom(1).bytes(1000);
const blob = encodeBlob(kernels, payload, { version: 0x11, shape: DA_SHAPES[0] });
const header: BlobHeader = {
  ...{ version: 0x11, shape: 0, length: 1000, rowSize: 64 },
  commitment: bytesToHash32(blob.commitment),
  ...{ account: address, disperser: address, nonce: 1n },
  ...{ epoch: 1, quorum: 0, expiry: 1, maxFee: 1n },
};

/** A source whose members are gone: the chain does not know the epoch any more. */
function sourceOf(...fallbacks: [name: string, payload: Uint8Array | undefined | Error][]) {
  const asked: string[] = [];
  const source = new BlobSource(
    {
      reader: { epoch: () => Promise.resolve(undefined) } as unknown as DaReader,
      ...{ members, kernels, threads, entrance: { chainId: 1, contract: address } },
      fallbacks: fallbacks.map(
        ([name, found]): PayloadSource => ({
          name,
          find: () => {
            asked.push(name);
            return found instanceof Error ? Promise.reject(found) : Promise.resolve(found);
          },
        }),
      ),
      log: silentLogger,
    },
    { cacheBytesMax: 1 << 20, timeoutMs: 10_000 },
  );
  return { source, asked };
}
const changed = payload.slice();
changed[500]! ^= 1;

describe('blobs whose members have dropped them', () => {
  it('come from the first fallback whose bytes give the commitment; tampered ones are passed over', async () => {
    const { source, asked } = sourceOf(
      ['broken', new Error('disk')],
      ['empty', undefined],
      ['shorter', payload.subarray(1)],
      ['tampered', changed],
      ['good', payload],
      ['last', payload],
    );
    const rows = await source.dataRows(header);
    expect(rows).toEqual(blob.rows.subarray(0, rows.length));
    expect(asked).toEqual(['broken', 'empty', 'shorter', 'tampered', 'good']);
    await source.dataRows(header);
    expect(asked).toHaveLength(5);
  });

  it('are not to be had when no copy is good: the failure of the members is told, never wrong bytes', async () => {
    const { source } = sourceOf(['tampered', changed]);
    await expect(source.dataRows(header)).rejects.toThrow('epoch 1 is not known any more');
  });

  it('readers at the same time share one read', async () => {
    const { source, asked } = sourceOf(['good', payload]);
    const [a, b] = await Promise.all([source.dataRows(header), source.dataRows(header)]);
    expect(a).toBe(b);
    expect(asked).toEqual(['good']);
  });

  it('proofs can be made of what came from a fallback', async () => {
    const { source } = sourceOf(['good', payload]);
    expect((await source.encoded(header)).commitment).toEqual(blob.commitment);
  });
});
