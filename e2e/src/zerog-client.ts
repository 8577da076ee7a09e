// 0G's disperser API as a stock gRPC client sees it: the proto as its clients have it, loaded with a stock loader's own defaults.
import { join } from 'node:path';
import { REPOSITORY, waitFor } from '@cairn/testkit';
import { type Client, credentials, loadPackageDefinition, type ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

type Stock = Client &
  Record<
    string,
    (request: unknown, done: (error: ServiceError | null, reply: unknown) => void) => void
  >;
export type BlobPlace = { storageRoot: Buffer; epoch: string; quorumId: string };
export type BlobStatus = { status: string; info: { blobHeader: BlobPlace | null } };

const definition = loadPackageDefinition(
  loadSync(join(REPOSITORY, 'libs/rpc/proto/zerog/disperser.proto'), {
    ...{ enums: String, longs: String, defaults: true },
  }),
) as unknown as {
  disperser: { Disperser: new (target: string, creds: unknown, options: object) => Stock };
};

export class ZeroGClient implements Disposable {
  readonly #client: Stock;

  constructor(target: string) {
    this.#client = new definition.disperser.Disperser(target, credentials.createInsecure(), {
      'grpc.max_send_message_length': 1 << 26,
      'grpc.max_receive_message_length': 1 << 26,
    });
  }

  call<T>(name: string, request: unknown): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#client[name]!(request, (error, reply) => (error ? reject(error) : resolve(reply as T)));
    });
  }

  /** Id of an accepted blob. */
  async disperse(data: Uint8Array): Promise<Buffer> {
    const reply = await this.call<{ result: string; requestId: Buffer }>('disperseBlob', { data });
    if (reply.result !== 'PROCESSING') throw new Error(`the disperser answered ${reply.result}`);
    return reply.requestId;
  }

  /** Waits for a status; throws when the blob ends as another one. */
  until(requestId: Buffer, ...wanted: string[]): Promise<BlobStatus> {
    return waitFor(
      async () => {
        const reply = await this.call<BlobStatus>('getBlobStatus', { requestId });
        if (wanted.includes(reply.status)) return reply;
        if (reply.status === 'FAILED' || reply.status === 'INSUFFICIENT_SIGNATURES')
          throw new Error(`the blob ended as ${reply.status}`);
        return undefined;
      },
      { timeoutMs: 90_000, what: `the blob to be ${wanted.join(' or ')}`, intervalMs: 100 },
    );
  }

  async retrieve(place: BlobPlace | null): Promise<Buffer> {
    return (await this.call<{ data: Buffer }>('retrieveBlob', place)).data;
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}
