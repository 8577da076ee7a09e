// Our own API, `cairn.da.v1.Disperser`: dispersal paid by the caller's account, a stream of states, certificates.
import { bytesToHash32, bytesToHex, CodedError, hexToBytes, parseAddress } from '@cairn/base';
import type { DaReader } from '@cairn/chain/da';
import { decodeHeader, encodeHeader } from '@cairn/quorum';
import type { GrpcContext, GrpcService } from '@cairn/rpc/grpc';
import { z } from 'zod';
import type { Preparer } from '../pipeline/preparer.ts';
import type { BlobQueue, BlobState, QueuedBlob } from '../queue/blob-queue.ts';
import type { Retriever } from '../reading/retriever.ts';

export type OwnServiceDeps = {
  queue: BlobQueue;
  preparer: Preparer;
  retriever: Retriever;
  reader: Pick<DaReader, 'parameters' | 'contracts'>;
  info: {
    disperser: `0x${string}`;
    payloadBytesMax: number;
    /** Whether blobs that come through 0G's API are paid for. */
    pays: boolean;
    /** Whether there is a storage network that blobs can be copied to. */
    archives: boolean;
    version: string;
  };
};

const PART_BYTES = 1024 * 1024;
/** A stream of states ends after this long; the client asks again. */
const WATCH_MS = 10 * 60_000;

const ENDED: ReadonlySet<BlobState> = new Set<BlobState>([
  'FINALIZED',
  'FAILED',
  'INSUFFICIENT_SIGNATURES',
]);

const bytes = z.instanceof(Uint8Array);
const keyRequest = z.object({ blobKey: bytes.refine((key) => key.length === 32, '32 bytes') });
const openPart = z.object({
  open: z.object({
    account: bytes.refine((account) => account.length === 20, '20 bytes'),
    maxFee: bytes.refine((fee) => fee.length <= 32, 'at most 32 bytes'),
    length: z.int().min(1),
    archive: z.boolean(),
  }),
});
const dataPart = z.object({ data: bytes.refine((part) => part.length <= PART_BYTES, '1 MiB') });
const disperseRequest = keyRequest.extend({
  authorization: bytes.refine((signature) => signature.length === 65, '65 bytes'),
});

function parse<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new CodedError({
    code: 'DISPERSER_MALFORMED',
    kind: 'invalid',
    message: `malformed request: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`,
  });
}

export function ownService(deps: OwnServiceDeps): GrpcService {
  const { queue, preparer, retriever, reader, info } = deps;
  // A blob that its account signed has its key as id; others are known by the header they were dispersed under last.
  const known = (blobKey: Uint8Array): QueuedBlob | undefined =>
    queue.get(bytesToHash32(blobKey)) ?? queue.byKey(blobKey);
  const find = (request: unknown): QueuedBlob => {
    const { blobKey } = parse(keyRequest, request);
    const blob = known(blobKey);
    if (blob) return blob;
    const key = bytesToHash32(blobKey);
    throw new CodedError({
      code: 'DISPERSER_BLOB_UNKNOWN',
      kind: 'not_found',
      message: `blob ${key} is not known here`,
      hint: 'ended blobs are forgotten after a while; the chain and the members know them until their expiry',
      details: { blobKey: key },
    });
  };
  const rootOf = ({ key }: QueuedBlob): string | undefined =>
    key ? queue.archive.get(key)?.root : undefined;
  const reply = (blob: QueuedBlob): unknown => ({
    ...statusOf(blob),
    ...archiveRoot(rootOf(blob)),
  });
  return {
    name: 'cairn.da.v1.Disperser',
    methods: {
      async Prepare(parts: AsyncIterable<unknown>, { signal }: GrpcContext) {
        const iterator = parts[Symbol.asyncIterator]();
        const first = await iterator.next();
        const { open } = parse(openPart, first.done ? {} : first.value);
        if (open.length > info.payloadBytesMax)
          throw new CodedError({
            code: 'DISPERSER_LENGTH',
            kind: 'invalid',
            message: `a blob has at most ${info.payloadBytesMax} bytes`,
            details: { length: open.length, max: info.payloadBytesMax },
          });
        if (open.archive && !info.archives)
          throw new CodedError({
            code: 'DISPERSER_NO_ARCHIVE',
            kind: 'invalid',
            message: 'this disperser has no storage network to copy blobs to',
            hint: 'use one that archives, or store the data with cairn put beside it',
          });
        const { header, key } = await preparer.prepare(
          {
            account: parseAddress(bytesToHex(open.account)),
            length: open.length,
            maxFeeWei: open.maxFee.length === 0 ? undefined : BigInt(bytesToHex(open.maxFee)),
            isArchived: open.archive,
          },
          (async function* () {
            for (let next = await iterator.next(); !next.done; next = await iterator.next())
              yield parse(dataPart, next.value).data;
          })(),
          signal,
        );
        return { header: encodeHeader(header), blobKey: hexToBytes(key) };
      },
      async Disperse(request: unknown) {
        const { blobKey, authorization } = parse(disperseRequest, request);
        return reply(await preparer.disperse(bytesToHash32(blobKey), authorization));
      },
      async GetStatus(request: unknown) {
        const { blobKey } = parse(keyRequest, request);
        const archived = known(blobKey) ? undefined : queue.archive.get(blobKey);
        // The queue forgets what ended; what was noted for the archive had become final.
        return archived
          ? { state: 'BLOB_STATE_FINALIZED', reason: '', ...archiveRoot(archived.root) }
          : reply(find(request));
      },
      async *WatchStatus(request: unknown, { signal }: GrpcContext) {
        const { id } = find(request);
        const until = AbortSignal.any([signal, AbortSignal.timeout(WATCH_MS)]);
        for (let last = ''; !until.aborted; ) {
          // Listened before it is read: what happens in between is not missed.
          const listening = new AbortController();
          const change = queue.changed(id, AbortSignal.any([until, listening.signal]));
          try {
            const blob = queue.get(id);
            if (!blob) return;
            const root = rootOf(blob);
            const now = `${blob.state} ${root}`;
            if (now !== last) yield reply(blob);
            last = now;
            const awaitsRoot = blob.state === 'FINALIZED' && blob.isArchived && !root;
            if (ENDED.has(blob.state) && !awaitsRoot) return;
            await change;
          } finally {
            listening.abort();
          }
        }
      },
      async *Retrieve(request: unknown) {
        const blob = find(request);
        if (!blob.header || (blob.state !== 'CONFIRMED' && blob.state !== 'FINALIZED'))
          throw new CodedError({
            code: 'DISPERSER_NOT_CONFIRMED',
            kind: 'not_ready',
            message: `the blob is ${blob.state}`,
            details: { state: blob.state },
          });
        const { commitment, epoch, quorum } = decodeHeader(blob.header);
        const data = await retriever.retrieve({ commitment, epoch, quorum });
        for (let at = 0; at < data.length; at += PART_BYTES)
          yield { data: data.subarray(at, at + PART_BYTES) };
      },
      async GetInfo() {
        const { chainId } = await reader.parameters();
        const { entrance, registry } = reader.contracts;
        return {
          chainId,
          entrance: hexToBytes(entrance),
          registry: hexToBytes(registry),
          disperser: hexToBytes(info.disperser),
          payloadBytesMax: info.payloadBytesMax,
          pays: info.pays,
          archives: info.archives,
          version: info.version,
        };
      },
    },
  };
}

const archiveRoot = (root: string | undefined): { archiveRoot?: Uint8Array } =>
  root === undefined ? {} : { archiveRoot: hexToBytes(root) };

function statusOf(blob: QueuedBlob): object {
  return {
    state: `BLOB_STATE_${blob.state}`,
    reason: blob.reason,
    ...(blob.certificate && blob.lookup
      ? {
          certificate: {
            header: blob.header,
            certificate: blob.certificate,
            lookup: blob.lookup,
            block: blob.block ?? 0,
          },
        }
      : {}),
  };
}
