// 0G's `disperser.Disperser` and `retriever.Retriever`, unchanged for their clients (spec/da-upstream.md sections 6.1 and 6.3).
import { createHash } from 'node:crypto';
import { bytesToHash32, type Clock, isCodedError, type RandomSource } from '@cairn/base';
import { decodeHeader } from '@cairn/quorum';
import { type GrpcService, GrpcStatusError } from '@cairn/rpc/grpc';
import { z } from 'zod';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { BlobQueue, BlobState, QueuedBlob } from '../queue/blob-queue.ts';
import type { Retriever } from '../reading/retriever.ts';

export type ZeroGServiceDeps = {
  queue: BlobQueue;
  pipeline: Pipeline;
  retriever: Retriever;
  random: RandomSource;
  clock: Clock;
};

/** Largest blob 0G's disperser takes. */
export const ZEROG_PAYLOAD_BYTES_MAX = 32_505_852;
/** gRPC codes as 0G's Go server gives them: its plain errors are UNKNOWN. */
const UNKNOWN = 2;
const NOT_FOUND = 5;

const STATUS: Readonly<Record<BlobState, string>> = {
  PROCESSING: 'PROCESSING',
  CONFIRMED: 'CONFIRMED',
  FINALIZED: 'FINALIZED',
  FAILED: 'FAILED',
  INSUFFICIENT_SIGNATURES: 'INSUFFICIENT_SIGNATURES',
};

const bytes = z.instanceof(Uint8Array);
const placeSchema = z.object({
  storageRoot: bytes,
  epoch: z.number(),
  quorumId: z.number(),
});

function info(blob: QueuedBlob): unknown {
  const isSettled = blob.state === 'CONFIRMED' || blob.state === 'FINALIZED';
  if (!isSettled || !blob.header) return {};
  const header = decodeHeader(new Uint8Array(blob.header));
  return {
    blobHeader: { storageRoot: blob.commitment, epoch: header.epoch, quorumId: header.quorum },
  };
}

export function zeroGServices(deps: ZeroGServiceDeps): GrpcService[] {
  const { queue, pipeline, retriever, random, clock } = deps;
  const retrieve = async (request: unknown): Promise<{ data: Uint8Array }> => {
    const { storageRoot, epoch, quorumId } = placeSchema.parse(request);
    if (storageRoot.length !== 32)
      throw new GrpcStatusError(UNKNOWN, 'invalid storage root: expected 32 bytes');
    try {
      return {
        data: await retriever.retrieve({
          commitment: bytesToHash32(storageRoot),
          epoch,
          quorum: quorumId,
        }),
      };
    } catch (error) {
      if (isCodedError(error)) throw new GrpcStatusError(NOT_FOUND, error.message);
      throw error;
    }
  };
  return [
    {
      name: 'disperser.Disperser',
      methods: {
        async DisperseBlob(request: unknown) {
          const { data } = z.object({ data: bytes }).parse(request);
          if (data.length === 0)
            throw new GrpcStatusError(UNKNOWN, 'blob size must be greater than 0');
          if (data.length > ZEROG_PAYLOAD_BYTES_MAX)
            throw new GrpcStatusError(
              UNKNOWN,
              `blob size cannot exceed ${ZEROG_PAYLOAD_BYTES_MAX} bytes`,
            );
          const digest = createHash('sha256').update(data).digest('hex');
          const id = `${digest}-${Buffer.from(random.bytes(16)).toString('hex')}`;
          await queue.accept(id, data, { unixMs: clock.now() });
          pipeline.start(id);
          return { result: 'PROCESSING', requestId: Buffer.from(id) };
        },
        async GetBlobStatus(request: unknown) {
          const { requestId } = z.object({ requestId: bytes }).parse(request);
          if (requestId.length === 0)
            throw new GrpcStatusError(UNKNOWN, 'request_id must not be empty');
          const id = Buffer.from(requestId).toString('latin1');
          if (id.split('-').length !== 2)
            throw new GrpcStatusError(UNKNOWN, 'invalid metadata key');
          const blob = queue.get(id);
          // An unknown id is PROCESSING there, and its clients poll on that.
          if (!blob) return { status: 'PROCESSING', info: {} };
          return { status: STATUS[blob.state], info: info(blob) };
        },
        RetrieveBlob: retrieve,
      },
    },
    { name: 'retriever.Retriever', methods: { RetrieveBlob: retrieve } },
  ];
}
