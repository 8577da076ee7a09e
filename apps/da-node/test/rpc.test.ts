// The gRPC service over parts that do nothing: what it refuses by itself.
import type { Clock } from '@cairn/base';
import type { GrpcContext } from '@cairn/rpc/grpc';
import { describe, expect, it } from 'vitest';
import { type DaNodeServiceDeps, daNodeService } from '../src/rpc/da-node.ts';
import { PeerRates } from '../src/rpc/peer-rates.ts';
import { readRows } from '../src/rpc/read-rows.ts';

let now = 0;
const clock: Clock = { now: () => now, monotonic: () => now, sleep: async () => {} };
const request = {
  batch: {
    ...{ epoch: 1, quorum: 0, referenceBlock: 5, expiry: 9, blobs: 1 },
    root: new Uint8Array(32),
  },
  blobKeys: [new Uint8Array(32)],
};

describe('signatures', () => {
  it('are given to each host so many times a second, whatever its ports', async () => {
    let signed = 0;
    const { methods } = daNodeService({
      signing: new PeerRates(clock, { perSecond: 5, hostsMax: 2 }),
      attester: { sign: async () => ({ member: 0, signature: new Uint8Array([signed++]) }) },
    } as unknown as DaNodeServiceDeps);
    const sign = (peer: string): Promise<unknown> =>
      (methods.SignBatch as (request: unknown, context: Partial<GrpcContext>) => Promise<unknown>)(
        request,
        { peer },
      );
    for (let i = 0; i < 5; i++) await sign(`10.0.0.1:${1000 + i}`);
    const refused = expect.objectContaining({ code: 'DA_TOO_MANY_CALLS', kind: 'exhausted' });
    await expect(sign('10.0.0.1:2000')).rejects.toEqual(refused);
    await sign('[::1]:2000'); // another host
    now += 400;
    await sign('10.0.0.1:2001');
    await sign('10.0.0.1:2001');
    await expect(sign('10.0.0.1:2001')).rejects.toEqual(refused);
    expect(signed).toBe(8);
    // A third host takes the place of the first, which begins anew.
    await sign('10.0.0.3:1');
    await sign('10.0.0.1:1');
  });
});

describe('rows in pieces', () => {
  const pieces = async function* (...lengths: number[]): AsyncGenerator<Uint8Array> {
    for (const length of lengths) yield new Uint8Array(length).fill(length);
  };
  const signal = new AbortController().signal;

  it('are put together, and refused when fewer or more come', async () => {
    expect([...(await readRows(pieces(1, 2), 3, signal))]).toEqual([1, 2, 2]);
    for (const lengths of [[], [2], [4], [2, 2]])
      await expect(readRows(pieces(...lengths), 3, signal)).rejects.toMatchObject({
        code: 'DA_ROWS_LENGTH',
      });
  });
});
