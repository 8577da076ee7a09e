// gRPC both ways over loopback: every kind of method, coded errors, cancelling, limits, health and reflection.
import { CodedError, silentLogger } from '@cairn/base';
import { credentials, loadPackageDefinition, type ServiceClientConstructor } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { protoPath } from 'grpc-health-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  GrpcClient,
  type GrpcMethod,
  GrpcServer,
  GrpcStatusError,
} from '../src/node/grpc/index.ts';

const MESSAGE_BYTES_MAX = 1024 * 1024;
const SETTINGS = { timeoutMs: 10_000 };
let server: GrpcServer;
let client: GrpcClient;
let cancelled: PromiseWithResolvers<void>;

type Part = { open?: { member: number }; rows?: Buffer };
const methods: Record<string, GrpcMethod> = {
  GetStatus: async () => ({ chainId: 31337, operator: Buffer.alloc(20, 7), version: 'x' }),
  async StoreRows(parts: AsyncIterable<Part>) {
    let bytes = 0;
    for await (const part of parts) {
      if (part.open && part.open.member === 13)
        throw new CodedError({
          code: 'DA_WRONG_MEMBER',
          kind: 'invalid',
          message: 'not a member “here”',
          details: { member: 13, weight: 2n ** 70n },
        });
      bytes += part.rows?.length ?? 0;
    }
    return { known: bytes > 3_000_000 };
  },
  async SignBatch() {
    throw new GrpcStatusError(2, 'blob size must be greater than 0');
  },
  async *GetRows({ indices }: { indices: number[] }, { signal }: { signal: AbortSignal }) {
    signal.addEventListener('abort', () => cancelled.resolve());
    yield { head: { rows: indices.length } };
    for (let i = 0; i < 1000; i++) yield { row: { index: i, row: Buffer.alloc(16_384, i) } };
    throw new Error('a bug with a secret in it');
  },
};

beforeEach(async () => {
  cancelled = Promise.withResolvers<void>();
  server = new GrpcServer(
    { log: silentLogger },
    {
      host: '127.0.0.1',
      port: 0,
      messageBytesMax: MESSAGE_BYTES_MAX,
      services: [{ name: 'cairn.da.v1.DANode', methods }],
    },
  );
  await server.start();
  client = new GrpcClient(server.address, 'cairn.da.v1.DANode', {
    messageBytesMax: MESSAGE_BYTES_MAX,
  });
});
afterEach(async () => {
  client.close();
  await server.stop(100);
});

describe('calls', () => {
  it('one to one: numbers, bytes and defaults arrive', async () => {
    const status = await client.unary<{ chainId: number; operator: Uint8Array; epoch: number }>(
      'GetStatus',
      {},
      SETTINGS,
    );
    expect(status).toMatchObject({ chainId: 31337, epoch: 0 });
    expect([...status.operator]).toEqual(Array(20).fill(7));
  });

  it('many to one: megabytes in pieces', async () => {
    const parts = function* (): Generator<Part> {
      yield { open: { member: 1 } };
      for (let i = 0; i < 16; i++) yield { rows: Buffer.alloc(250_000, i) };
    };
    expect(await client.clientStream('StoreRows', parts(), SETTINGS)).toEqual({ known: true });
  });

  it('one to many: leaving the loop cancels the call on the server', async () => {
    let rows = 0;
    for await (const part of client.serverStream<{ row?: { row: Uint8Array } }>(
      'GetRows',
      { indices: [1, 2] },
      SETTINGS,
    )) {
      if (part.row && ++rows === 5) break;
    }
    await cancelled.promise;
    expect(rows).toBe(5);
  });
});

describe('failures', () => {
  it('coded errors cross the wire whole, also while the client still sends', async () => {
    const parts = function* (): Generator<Part> {
      yield { open: { member: 13 } };
      for (let i = 0; i < 100; i++) yield { rows: Buffer.alloc(100_000) };
    };
    await expect(client.clientStream('StoreRows', parts(), SETTINGS)).rejects.toMatchObject({
      code: 'DA_WRONG_MEMBER',
      kind: 'invalid',
      message: 'not a member “here”',
      details: { member: 13, weight: (2n ** 70n).toString(), target: server.address },
    });
  });

  it("a peer's status and text stay as they are; a bug says nothing to strangers", async () => {
    await expect(client.unary('SignBatch', {}, SETTINGS)).rejects.toMatchObject({
      code: 'RPC_REMOTE',
      message: expect.stringContaining('blob size must be greater than 0'),
      details: { status: 'UNKNOWN' },
    });
    const drain = async (): Promise<void> => {
      for await (const _ of client.serverStream('GetRows', { indices: [] }, SETTINGS));
    };
    await expect(drain()).rejects.toMatchObject({ details: { status: 'INTERNAL' } });
    await expect(drain()).rejects.not.toMatchObject({ message: expect.stringContaining('secret') });
  });

  it('aborting, a deadline, a server that is gone, a message too large', async () => {
    const abort = new AbortController();
    const reason = new Error('enough');
    const stalled = client.clientStream(
      'StoreRows',
      (async function* () {
        await new Promise(() => {});
        yield {};
      })(),
      { ...SETTINGS, signal: abort.signal },
    );
    abort.abort(reason);
    await expect(stalled).rejects.toBe(reason);
    await expect(
      client.clientStream(
        'StoreRows',
        (async function* () {
          await new Promise(() => {});
          yield {};
        })(),
        { timeoutMs: 50 },
      ),
    ).rejects.toMatchObject({ code: 'RPC_TIMEOUT', kind: 'timeout' });
    await expect(
      client.clientStream('StoreRows', [{ rows: Buffer.alloc(2 * MESSAGE_BYTES_MAX) }], SETTINGS),
    ).rejects.toMatchObject({ kind: 'exhausted' });
    await server.stop(100);
    await expect(client.unary('GetStatus', {}, SETTINGS)).rejects.toMatchObject({
      code: 'RPC_UNREACHABLE',
      kind: 'unavailable',
    });
  });

  it('a port that is taken has its own error', async () => {
    const second = new GrpcServer(
      { log: silentLogger },
      { host: '127.0.0.1', port: server.port, messageBytesMax: 1024, services: [] },
    );
    await expect(second.start()).rejects.toMatchObject({ code: 'GRPC_CANNOT_LISTEN' });
  });
});

it('answers health checks and reflection as stock clients ask them', async () => {
  const health = loadPackageDefinition(loadSync(protoPath)) as unknown as {
    grpc: { health: { v1: { Health: ServiceClientConstructor } } };
  };
  const probe = new health.grpc.health.v1.Health(server.address, credentials.createInsecure());
  const answer = await new Promise((resolve, reject) => {
    probe.check!({ service: 'cairn.da.v1.DANode' }, (error: Error | null, value: unknown) =>
      error ? reject(error) : resolve(value),
    );
  });
  expect(answer).toMatchObject({ status: 1 });
  probe.close();
});
