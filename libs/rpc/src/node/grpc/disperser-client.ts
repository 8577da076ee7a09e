// Typed calls to a disperser's own API. What it answers is checked for shape; whether it is true is the caller's to check.
import { bytesToHex, CodedError } from '@cairn/base';
import { z } from 'zod';
import { type GrpcCallSettings, GrpcClient } from './client.ts';

export type BlobStatus = {
  state: 'PROCESSING' | 'CONFIRMED' | 'FINALIZED' | 'FAILED' | 'INSUFFICIENT_SIGNATURES';
  /** Why it failed. */
  reason: string;
  /** From CONFIRMED on. */
  certificate:
    | { header: Uint8Array; certificate: Uint8Array; lookup: Uint8Array; block: number }
    | undefined;
  /** Root of the blob as a file of the storage lane (0x-hex), once it is there. */
  archiveRoot: string | undefined;
};
export type DisperserInfo = z.output<typeof infoSchema>;

/** A status with a certificate of 64 absentees and a part of data, with room. */
const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;
const PART_BYTES = 512 * 1024;

const bytes = z.instanceof(Uint8Array);
const prepareReply = z.object({ header: bytes, blobKey: bytes });
const statusReply = z.object({
  state: z.enum([
    'BLOB_STATE_PROCESSING',
    'BLOB_STATE_CONFIRMED',
    'BLOB_STATE_FINALIZED',
    'BLOB_STATE_FAILED',
    'BLOB_STATE_INSUFFICIENT_SIGNATURES',
  ]),
  reason: z.string(),
  certificate: z
    .object({ header: bytes, certificate: bytes, lookup: bytes, block: z.int() })
    .nullish(),
  archiveRoot: bytes.refine((root) => root.length === 0 || root.length === 32),
});
const infoSchema = z.object({
  chainId: z.int(),
  entrance: bytes,
  registry: bytes,
  disperser: bytes,
  payloadBytesMax: z.int(),
  pays: z.boolean(),
  version: z.string(),
  archives: z.boolean(),
});

export class DisperserClient implements Disposable {
  readonly target: string;
  readonly #client: GrpcClient;

  constructor(target: string) {
    this.target = target;
    this.#client = new GrpcClient(target, 'cairn.da.v1.Disperser', {
      messageBytesMax: MESSAGE_BYTES_MAX,
    });
  }

  /** Hands the data over; the header that is proposed waits for a minute for its signature. */
  async prepare(
    request: { account: Uint8Array; maxFee: Uint8Array; data: Uint8Array; archive?: boolean },
    settings: GrpcCallSettings,
  ): Promise<{ header: Uint8Array; blobKey: Uint8Array }> {
    const { account, maxFee, data, archive = false } = request;
    const parts = function* (): Generator<unknown> {
      yield { open: { account, maxFee, length: data.length, archive } };
      for (let at = 0; at < data.length; at += PART_BYTES)
        yield { data: data.subarray(at, at + PART_BYTES) };
    };
    return this.#parse(prepareReply, await this.#client.clientStream('Prepare', parts(), settings));
  }

  /** Starts a prepared blob: on the disperser's disk when it resolves. */
  async disperse(
    blobKey: Uint8Array,
    authorization: Uint8Array,
    settings: GrpcCallSettings,
  ): Promise<BlobStatus> {
    return this.#status(await this.#client.unary('Disperse', { blobKey, authorization }, settings));
  }

  async getStatus(blobKey: Uint8Array, settings: GrpcCallSettings): Promise<BlobStatus> {
    return this.#status(await this.#client.unary('GetStatus', { blobKey }, settings));
  }

  /** The present status, then every change until a final one; of a blob that is archived, until it has its root. */
  async *watchStatus(blobKey: Uint8Array, settings: GrpcCallSettings): AsyncGenerator<BlobStatus> {
    for await (const part of this.#client.serverStream('WatchStatus', { blobKey }, settings))
      yield this.#status(part);
  }

  /** The bytes of a blob as the disperser has them; at most `bytesMax`. Throws `RPC_BAD_RESPONSE`. */
  async retrieve(
    blobKey: Uint8Array,
    settings: GrpcCallSettings & { bytesMax: number },
  ): Promise<Uint8Array> {
    const parts: Uint8Array[] = [];
    let length = 0;
    for await (const part of this.#client.serverStream('Retrieve', { blobKey }, settings)) {
      const { data } = this.#parse(z.object({ data: bytes }), part);
      length += data.length;
      if (length > settings.bytesMax) throw this.#malformed();
      parts.push(data);
    }
    const out = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
      out.set(part, at);
      at += part.length;
    }
    return out;
  }

  async getInfo(settings: GrpcCallSettings): Promise<DisperserInfo> {
    return this.#parse(infoSchema, await this.#client.unary('GetInfo', {}, settings));
  }

  close(): void {
    this.#client.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #status(value: unknown): BlobStatus {
    const { state, reason, certificate, archiveRoot } = this.#parse(statusReply, value);
    return {
      state: state.slice('BLOB_STATE_'.length) as BlobStatus['state'],
      reason,
      certificate: certificate ?? undefined,
      archiveRoot: archiveRoot.length > 0 ? bytesToHex(archiveRoot) : undefined,
    };
  }

  #parse<T>(schema: z.ZodType<T>, value: unknown): T {
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    throw this.#malformed();
  }

  #malformed(): CodedError {
    return new CodedError({
      code: 'RPC_BAD_RESPONSE',
      kind: 'invalid',
      message: `${this.target} gave a malformed answer`,
      details: { target: this.target },
    });
  }
}
