import { CodedError, systemClock } from '@cairn/base';
import { encodeFrameParts } from '@cairn/protocol';
import type { HttpTransport } from '@cairn/rpc';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BulkPeer, BulkRoutes, bulkUrl, progression } from '../src/sync/bulk.ts';

const request = { txSeq: 4, root: `0x${'ab'.repeat(32)}`, indexes: [2, 6] };
const signal = new AbortController().signal;
const body = (): Uint8Array => new Uint8Array(Buffer.concat(encodeFrameParts(frames)));
const frames = [2, 6].map((index) => ({
  index,
  siblings: new Uint8Array(32),
  data: new Uint8Array(256),
}));

function peer(address: string, httpPort: number): BulkPeer {
  return {
    peer: 'peer' as BulkPeer['peer'],
    connection: { peer: 'peer' as BulkPeer['peer'], direction: 'inbound', address },
    status: { httpPort } as BulkPeer['status'],
  };
}

function routes(answer: () => Promise<{ status: number; body: Uint8Array }>, allowPrivate = true) {
  const asked: string[] = [];
  const transport: HttpTransport = async (url) => {
    asked.push(url);
    return { contentType: '', ...(await answer()) };
  };
  const bulk = new BulkRoutes({ transport, clock: systemClock }, { allowPrivate, timeoutMs: 1000 });
  return { bulk, asked };
}

describe('the binary route of a peer', () => {
  it('is at the host of its connection and nowhere else', () => {
    expect(bulkUrl('/ip4/8.8.4.4/tcp/1234', 5678, false)).toBe('http://8.8.4.4:5678');
    expect(bulkUrl('/ip6/2606:4700::1111/tcp/1', 80, false)).toBe('http://[2606:4700::1111]:80');
    for (const address of [
      '/ip4/10.0.0.1/tcp/1',
      '/ip4/127.0.0.1/tcp/1',
      '/ip4/169.254.169.254/tcp/1',
    ]) {
      expect(bulkUrl(address, 5678, false)).toBeUndefined();
      expect(bulkUrl(address, 5678, true)).toBeDefined();
    }
    for (const address of ['/dns4/localhost/tcp/1', '/unix/tmp', '', undefined])
      expect(bulkUrl(address, 5678, true)).toBeUndefined();
    expect(bulkUrl('/ip4/8.8.4.4/tcp/1234', 0, false)).toBeUndefined();
  });

  it('names the file by its root and takes what is asked for', async () => {
    const { bulk, asked } = routes(async () => ({ status: 200, body: body() }));
    expect(await bulk.segments(peer('/ip4/8.8.4.4/tcp/1', 80), request, signal)).toEqual(frames);
    expect(asked).toEqual([
      `http://8.8.4.4:80/cairn/v1/files/4/segments/2?count=2&stride=4&root=${request.root}`,
    ]);
  });

  it('is left for a while when it cannot be reached or gave other bytes, not when a segment is missing', async () => {
    let answer: () => Promise<{ status: number; body: Uint8Array }> = async () => ({
      status: 404,
      body: new TextEncoder().encode('{"code":-32000,"message":"segment not found"}'),
    });
    const { bulk, asked } = routes(() => answer());
    const other = peer('/ip4/8.8.4.4/tcp/1', 80);
    expect(await bulk.segments(other, request, signal)).toBeUndefined();
    answer = async () => ({ status: 200, body: body() });
    const got = await bulk.segments(other, request, signal);
    expect(got).toBeDefined();
    expect(bulk.refused(frames)).toBe(false); // came another way
    expect(bulk.refused(got!)).toBe(true);
    expect(await bulk.segments(other, request, signal)).toBeUndefined();
    expect(asked).toHaveLength(2);

    const unreachable = routes(async () => {
      throw new CodedError({ code: 'RPC_UNREACHABLE', kind: 'unavailable', message: 'no route' });
    });
    for (let i = 0; i < 3; i++)
      expect(await unreachable.bulk.segments(other, request, signal)).toBeUndefined();
    expect(unreachable.asked).toHaveLength(1);
  });

  it('is asked for indexes with one distance only', () => {
    expect(progression([])).toBeUndefined();
    expect(progression([7])).toEqual({ index: 7, count: 1, stride: 1 });
    expect(progression([3, 1])).toBeUndefined();
    expect(progression([1, 2, 4])).toBeUndefined();
    fc.assert(
      fc.property(
        fc.nat(1000),
        fc.integer({ min: 1, max: 64 }),
        fc.integer({ min: 2, max: 16 }),
        (index, stride, count) => {
          const indexes = Array.from({ length: count }, (_, i) => index + i * stride);
          expect(progression(indexes)).toEqual({ index, count, stride });
        },
      ),
    );
  });
});
