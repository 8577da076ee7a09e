// 0G's disperser API as a stock gRPC client uses it, against real DA nodes, a real disperser and a real chain.
import { join } from 'node:path';
import { seededRandom } from '@cairn/base';
import { REPOSITORY, waitFor } from '@cairn/testkit';
import { type Client, credentials, loadPackageDefinition, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DaNetwork, startDaNetwork } from '../src/da-network.ts';

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
