// The gRPC service `cairn.da.v1.DANode`: strangers' messages to typed values, the part that does it, the answer.
import { type Address, bytesToHash32, CodedError, type Hash32, hexToBytes } from '@cairn/base';
import type { DaReader } from '@cairn/chain/da';
import { type Batch, decodeHeader, encodeHeader, epochAt } from '@cairn/quorum';
import type { GrpcContext, GrpcService } from '@cairn/rpc/grpc';
import { z } from 'zod';
import type { Attester } from '../blobs/attest.ts';
import type { Receiver } from '../blobs/receive.ts';
import type { RowServer } from '../blobs/serve.ts';
import type { BlobIndex } from '../store/blob-index.ts';
import type { PeerRates } from './peer-rates.ts';
import { readRows } from './read-rows.ts';

export type DaNodeServiceDeps = {
  receiver: Receiver;
  attester: Attester;
  rows: RowServer;
  index: BlobIndex;
  reader: DaReader;
  /** How often each peer may ask for a signature, which costs a look at the chain and a BLS signature. */
  signing: Pick<PeerRates, 'count'>;
  operator: Address;
  publicKey: Uint8Array;
  version: string;
};

const bytes = z.instanceof(Uint8Array);
const hash = z.instanceof(Uint8Array).refine((value) => value.length === 32, 'expected 32 bytes');
const openSchema = z.object({
  header: bytes,
  authorization: bytes,
  member: z.int().min(0),
  rowRoot: bytes,
  rlc: bytes,
  siblings: bytes,
});
const batchSchema = z.object({
  epoch: z.int().min(0),
  quorum: z.int().min(0),
  referenceBlock: z.int().min(0),
  expiry: z.int().min(0),
  blobs: z.int().min(1).max(64),
  root: hash,
});
const signSchema = z.object({ batch: batchSchema, blobKeys: z.array(hash).min(1).max(64) });
const getSchema = z.object({
  blobKey: hash,
  indices: z.array(z.int().min(0)).max(65_536),
  withoutRlc: z.boolean(),
});

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new CodedError({
    code: 'DA_MALFORMED',
    kind: 'invalid',
    message: `malformed request: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`,
  });
}

export function daNodeService(deps: DaNodeServiceDeps): GrpcService {
  const { receiver, attester, rows, index, reader } = deps;
  return {
    name: 'cairn.da.v1.DANode',
    methods: {
      async StoreRows(parts: AsyncIterable<unknown>, { signal }: GrpcContext) {
        const iterator = parts[Symbol.asyncIterator]();
        const first = await iterator.next();
        const { open } = parse(z.object({ open: openSchema }), first.done ? {} : first.value);
        const { header, authorization, member, ...proof } = open;
        const pieces = (async function* () {
          for (;;) {
            const next = await iterator.next();
            if (next.done) return;
            yield parse(z.object({ rows: bytes }), next.value).rows;
          }
        })();
        const known = await receiver.receive(
          {
            ...{ header: decodeHeader(header), authorization, member },
            take: async ({ rowsBytes }, limited) => ({
              ...proof,
              rows: await readRows(pieces, rowsBytes, limited),
            }),
          },
          signal,
        );
        return { known };
      },
      async SignBatch(request: unknown, { peer }: GrpcContext) {
        deps.signing.count(peer);
        const { batch, blobKeys } = parse(signSchema, request);
        const parsed: Batch = { ...batch, root: bytesToHash32(batch.root) };
        return attester.sign(parsed, blobKeys.map(toHash));
      },
      async *GetRows(request: unknown) {
        const { blobKey, indices, withoutRlc } = parse(getSchema, request);
        const opened = await rows.open(toHash(blobKey), indices);
        const { head, blob } = opened;
        yield {
          head: {
            header: encodeHeader(blob.header),
            rowRoot: head.rowRoot,
            rlc: withoutRlc ? new Uint8Array(0) : head.rlc,
            rows: indices.length > 0 ? indices.length : head.indices.length,
          },
        };
        for await (const row of opened.rows) yield { row };
      },
      async GetStatus() {
        const [head, parameters] = await Promise.all([reader.head(), reader.parameters()]);
        const { blobs, bytes: storedBytes } = index.stats();
        return {
          chainId: parameters.chainId,
          entrance: hexToBytes(reader.contracts.entrance),
          operator: hexToBytes(deps.operator),
          publicKey: deps.publicKey,
          block: head.number,
          epoch: epochAt(parameters, head.number) ?? 0,
          storedBlobs: blobs,
          storedBytes,
          inFlightBytes: receiver.inFlightBytes,
          version: deps.version,
        };
      },
    },
  };
}

function toHash(value: Uint8Array): Hash32 {
  return bytesToHash32(value);
}
