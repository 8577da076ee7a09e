import { CodedError, hexToBytes, isCodedError } from '@cairn/base';
import {
  decodeFrames,
  encodeFrameParts,
  type FileInfo,
  type FlowProof,
  FRAMES_BODY_BYTES_MAX,
  fileInfoSchema,
  fileProofSchema,
  HELD_SEGMENTS_MAX,
  hash32Schema,
  heldSegmentsSchema,
  type NodeStatus,
  nodeStatusSchema,
  type ParityRecord,
  parityRecordsSchema,
  type SegmentFrame,
  type SegmentWithProof,
  type ShardConfig,
  type SignedReceipt,
  segmentsPath,
  shardConfigSchema,
  signedReceiptSchema,
} from '@cairn/protocol';
import { z } from 'zod';
import { badResponse, parseJson, remoteError, rpcCall } from './call.ts';
import { fetchTransport, type HttpTransport } from './transport.ts';

export type CallOptions = {
  signal?: AbortSignal | undefined;
  timeoutMs?: number | undefined;
  /** Memory for a binary answer; the caller must not use it for anything else until the call settles. */
  allocate?: ((bytes: number) => Uint8Array) | undefined;
};
export type NodeClientOptions = {
  transport?: HttpTransport | undefined;
  timeoutMs?: number | undefined;
};

/** One storage node, ours or 0G's. Answers are checked for shape; what they claim is not. */
export interface NodeClient {
  readonly url: string;
  getStatus(options?: CallOptions): Promise<NodeStatus>;
  getShardConfig(options?: CallOptions): Promise<ShardConfig>;
  getFileInfo(
    root: string,
    needAvailable: boolean,
    options?: CallOptions,
  ): Promise<FileInfo | null>;
  getFileInfoByTxSeq(txSeq: number, options?: CallOptions): Promise<FileInfo | null>;
  getSectorProof(
    sector: number,
    flowRoot: string | null,
    options?: CallOptions,
  ): Promise<FlowProof>;
  getFlowContext(options?: CallOptions): Promise<[string, number]>;
  /** The node's receipt for a submission; null when it has none to give. Ours only: 0G's nodes answer with an error. */
  getReceipt(txSeq: number, options?: CallOptions): Promise<SignedReceipt | null>;
  uploadSegmentsByTxSeq(
    segments: readonly SegmentWithProof[],
    txSeq: number,
    options?: CallOptions,
  ): Promise<void>;
  downloadSegmentWithProofByTxSeq(
    txSeq: number,
    index: number,
    options?: CallOptions,
  ): Promise<SegmentWithProof | null>;
  /** Submissions that say they are the parity of a file; none from a node that does not know the method. */
  getParity(dataRoot: string, options?: CallOptions): Promise<ParityRecord[]>;
  /**
   * Which segments of a file the node holds: a bit for each, least significant first; undefined when it does not know the
   * file or the method.
   */
  getHeldSegments(
    txSeq: number,
    options?: CallOptions,
  ): Promise<{ segments: number; held: Uint8Array } | undefined>;
  /** True when the node speaks our binary route; asked once. */
  supportsBinary(options?: CallOptions): Promise<boolean>;
  /** Sends frames on the binary route; returns how many were accepted. */
  uploadFrames(
    root: string,
    file: { fileSize: number; txSeq?: number | undefined },
    frames: readonly SegmentFrame[],
    options?: CallOptions,
  ): Promise<number>;
  /** Frames of segments index, index + stride, … (`count` of them); data and siblings are views of the answer. */
  downloadFrames(
    txSeq: number,
    range: {
      index: number;
      count: number;
      stride?: number | undefined;
      /** The file that must be there; another at this place counts as absent. */
      root?: string | undefined;
    },
    options?: CallOptions,
  ): Promise<SegmentFrame[]>;
}

/** A node of another make: 0G's know none of our methods. */
const isUnknownMethod = (error: unknown): boolean =>
  isCodedError(error, 'RPC_REMOTE') && error.details.code === METHOD_NOT_FOUND;
const METHOD_NOT_FOUND = -32601;

const segmentWithProofSchema = z.object({
  root: hash32Schema,
  data: z.string(),
  index: z.int().min(0),
  proof: fileProofSchema,
  fileSize: z.int().min(0),
});
const errorSchema = z.object({
  code: z.number(),
  message: z.string(),
  data: z.string().optional(),
});

export function createNodeClient(url: string, clientOptions: NodeClientOptions = {}): NodeClient {
  const transport = clientOptions.transport ?? fetchTransport;
  const base = url.replace(/\/+$/, '');
  let binary: Promise<boolean> | undefined;
  const call = <T>(
    method: string,
    params: readonly unknown[],
    schema: z.ZodType<T>,
    options: CallOptions = {},
  ): Promise<T> =>
    rpcCall(base, method, params, {
      signal: options.signal,
      timeoutMs: options.timeoutMs ?? clientOptions.timeoutMs,
      schema,
      transport,
    });
  const http = async (
    path: string,
    body: readonly Uint8Array[] | undefined,
    options: CallOptions,
  ): Promise<Uint8Array> => {
    const answer = await transport(`${base}${path}`, {
      method: body ? 'POST' : 'GET',
      headers: body ? { 'content-type': 'application/octet-stream' } : {},
      body,
      signal: options.signal,
      timeoutMs: options.timeoutMs ?? clientOptions.timeoutMs ?? 60_000,
      maxBytes: FRAMES_BODY_BYTES_MAX,
      ...(options.allocate ? { allocate: options.allocate } : {}),
    });
    if (answer.status === 200) return answer.body;
    const error = errorSchema.safeParse(parseJson(answer.body));
    if (error.success) throw remoteError(base, path, error.data);
    throw badResponse(base, path, `HTTP ${answer.status}`);
  };

  return {
    url,
    getStatus: (options) => call('zgs_getStatus', [], nodeStatusSchema, options),
    getShardConfig: (options) => call('zgs_getShardConfig', [], shardConfigSchema, options),
    getFileInfo: (root, needAvailable, options) =>
      call('zgs_getFileInfo', [root, needAvailable], fileInfoSchema.nullable(), options),
    getFileInfoByTxSeq: (txSeq, options) =>
      call('zgs_getFileInfoByTxSeq', [txSeq], fileInfoSchema.nullable(), options),
    getSectorProof: (sector, flowRoot, options) =>
      call('zgs_getSectorProof', [sector, flowRoot], fileProofSchema, options),
    getFlowContext: (options) =>
      call('zgs_getFlowContext', [], z.tuple([z.string(), z.number()]), options),
    getReceipt: (txSeq, options) =>
      call('cairn_getReceipt', [txSeq], signedReceiptSchema.nullable(), options),
    uploadSegmentsByTxSeq: async (segments, txSeq, options) => {
      await call('zgs_uploadSegmentsByTxSeq', [segments, txSeq], z.unknown(), options);
    },
    downloadSegmentWithProofByTxSeq: (txSeq, index, options) =>
      call(
        'zgs_downloadSegmentWithProofByTxSeq',
        [txSeq, index],
        segmentWithProofSchema.nullable() as unknown as z.ZodType<SegmentWithProof | null>,
        options,
      ),
    getParity: (dataRoot, options) =>
      call('cairn_getParity', [dataRoot], parityRecordsSchema, options).catch((error: unknown) => {
        if (isUnknownMethod(error)) return [];
        throw error;
      }),
    async getHeldSegments(txSeq, options) {
      try {
        const answer = await call(
          'cairn_getHeldSegments',
          [txSeq],
          heldSegmentsSchema.nullable(),
          options,
        );
        if (!answer) return undefined;
        const held = hexToBytes(answer.held);
        if (answer.segments > HELD_SEGMENTS_MAX || held.length !== Math.ceil(answer.segments / 8))
          throw badResponse(base, 'cairn_getHeldSegments', 'bits and segments do not agree');
        return { segments: answer.segments, held };
      } catch (error) {
        if (isUnknownMethod(error)) return undefined;
        throw error;
      }
    },
    supportsBinary(options = {}) {
      binary ??= transport(`${base}/cairn/v1/info`, {
        method: 'GET',
        signal: options.signal,
        timeoutMs: 5000,
        maxBytes: 65_536,
      }).then(
        (answer) =>
          answer.status === 200 &&
          z.object({ binary: z.literal(true) }).safeParse(parseJson(answer.body)).success,
        (error: unknown) => {
          binary = undefined;
          if (isCodedError(error, 'RPC_RESPONSE_TOO_LARGE')) return false;
          throw error;
        },
      );
      return binary;
    },
    async uploadFrames(root, file, frames, options = {}) {
      const query = `?fileSize=${file.fileSize}${file.txSeq === undefined ? '' : `&txSeq=${file.txSeq}`}`;
      const answer = await http(`${segmentsPath(root)}${query}`, encodeFrameParts(frames), options);
      const parsed = z.object({ accepted: z.int() }).safeParse(parseJson(answer));
      if (!parsed.success) throw badResponse(base, 'upload', 'no count of accepted segments');
      return parsed.data.accepted;
    },
    async downloadFrames(txSeq, { index, count, stride = 1, root }, options = {}) {
      const only = root === undefined ? '' : `&root=${root}`;
      const frames = decodeFrames(
        await http(
          `${segmentsPath(txSeq)}/${index}?count=${count}&stride=${stride}${only}`,
          undefined,
          options,
        ),
      );
      if (
        frames.length !== count ||
        frames.some((frame, i) => frame.index !== index + i * stride)
      ) {
        throw new CodedError({
          code: 'RPC_BAD_RESPONSE',
          kind: 'invalid',
          message: `${url} sent other segments than it was asked for`,
        });
      }
      return frames;
    },
  };
}
