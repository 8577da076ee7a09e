/*
 * Typed calls to a DA node, all on one port: rows are uploaded by HTTP/1.1, everything else is gRPC. Answers of strangers are
 * checked for shape and length before they are handed on.
 */
import { Agent } from 'node:http';
import { CodedError } from '@cairn/base';
import { z } from 'zod';
import { type RowsUpload, uploadRows } from '../upload-rows.ts';
import { type GrpcCallSettings, GrpcClient } from './client.ts';

export type WireBatch = {
  epoch: number;
  quorum: number;
  referenceBlock: number;
  expiry: number;
  blobs: number;
  root: Uint8Array;
};
export type RowsHead = { header: Uint8Array; rowRoot: Uint8Array; rlc: Uint8Array; rows: number };
export type WireRow = { index: number; row: Uint8Array; path: Uint8Array };

/** Combinations of the largest shape and a multiproof, with room. */
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;
/** Uploads to one member at once; more wait for their turn. */
const UPLOADS_MAX = 8;

const bytes = z.instanceof(Uint8Array);
const signReply = z.object({ member: z.int().min(0), signature: bytes });
const headSchema = z.object({ header: bytes, rowRoot: bytes, rlc: bytes, rows: z.int().min(0) });
const rowSchema = z.object({ index: z.int().min(0), row: bytes, path: bytes });
const rowsReply = z.object({ head: headSchema.nullish(), row: rowSchema.nullish() });
const statusSchema = z.object({
  chainId: z.int(),
  operator: bytes,
  publicKey: bytes,
  block: z.int(),
  epoch: z.int(),
  storedBlobs: z.int(),
  storedBytes: z.int(),
  version: z.string(),
});
export type DaNodeStatus = z.output<typeof statusSchema>;

export class DaNodeClient implements Disposable {
  readonly endpoint: string;
  readonly #client: GrpcClient;
  readonly #uploads = new Agent({
    keepAlive: true,
    maxSockets: UPLOADS_MAX,
    maxFreeSockets: 2,
    scheduling: 'lifo',
  });

  constructor(endpoint: string) {
    this.endpoint = endpoint;
    this.#client = new GrpcClient(endpoint, 'cairn.da.v1.DANode', {
      messageBytesMax: MESSAGE_BYTES_MAX,
    });
  }

  /** Sends the rows of one blob; resolves when they are durable there. Throws what `uploadRows` throws. */
  async storeRows(upload: RowsUpload, settings: GrpcCallSettings): Promise<void> {
    await uploadRows(this.#uploads, this.endpoint, upload, settings);
  }

  /** The member's signature on a batch, unverified. */
  async signBatch(
    batch: WireBatch,
    blobKeys: readonly Uint8Array[],
    settings: GrpcCallSettings,
  ): Promise<{ member: number; signature: Uint8Array }> {
    return this.#parse(
      signReply,
      await this.#client.unary('SignBatch', { batch, blobKeys }, settings),
    );
  }

  /** Head and rows of a blob as the member claims them, unverified. */
  async *getRows(
    request: { blobKey: Uint8Array; indices: readonly number[]; withoutRlc: boolean },
    settings: GrpcCallSettings,
  ): AsyncGenerator<{ head: RowsHead } | { row: WireRow }> {
    for await (const part of this.#client.serverStream('GetRows', request, settings)) {
      const { head, row } = this.#parse(rowsReply, part);
      if (head) yield { head };
      else if (row) yield { row };
    }
  }

  async getStatus(settings: GrpcCallSettings): Promise<DaNodeStatus> {
    return this.#parse(statusSchema, await this.#client.unary('GetStatus', {}, settings));
  }

  close(): void {
    this.#client.close();
    this.#uploads.destroy();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #parse<T>(schema: z.ZodType<T>, value: unknown): T {
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    throw new CodedError({
      code: 'RPC_BAD_RESPONSE',
      kind: 'invalid',
      message: `${this.endpoint} gave a malformed answer`,
      details: { endpoint: this.endpoint },
    });
  }
}
