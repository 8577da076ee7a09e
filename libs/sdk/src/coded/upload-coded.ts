/*
 * Upload of an erasure-coded file: the data as ever, and its parity as a second, ordinary file whose tags name the first
 * (spec/storage-erasure.md section 4). Both are submitted in one transaction, data first, and sent side by side.
 */
import { bytesToHex, CodedError, type DataRoot } from '@cairn/base';
import {
  CODED_FILE_BYTES_MIN,
  codedFileLayout,
  encodeParityDescriptor,
  type StripeCode,
} from '@cairn/erasure';
import type { FileTree } from '@cairn/merkle';
import { hashSource } from '../hash.ts';
import type { UploadSource } from '../source.ts';
import {
  checkNotEmpty,
  findSubmission,
  type ParityResult,
  type UploadDeps,
  type UploadOptions,
  type UploadResult,
  type UploadTimings,
  uploadFile,
} from '../upload.ts';
import { findParities } from './find-parity.ts';
import { writeParity } from './parity-file.ts';
import { memoryScratch, type Scratch } from './scratch.ts';

export type CodedUploadOptions = Omit<UploadOptions, 'tags' | 'txSeq'> & {
  /** Fragments of a stripe of 16 segments of data: 32 stores twice the bytes, 24 one and a half times. */
  code: StripeCode;
};
export type CodedUploadResult = UploadResult & { parity: ParityResult };

/** Throws `SDK_CODE_SIZE` for a file that is too small to be coded. */
export function checkCodedSize(size: number): void {
  if (size >= CODED_FILE_BYTES_MIN) return;
  throw new CodedError({
    code: 'SDK_CODE_SIZE',
    kind: 'invalid',
    message: `a file of ${size} bytes is too small to be coded (8 MiB at least)`,
    hint: 'keep more replicas of it instead, or bundle it with others',
    details: { bytes: size, bytesMin: CODED_FILE_BYTES_MIN },
  });
}

/** A file and its parity before they are sent: both trees, and the parity's bytes until it is disposed. */
export type PreparedCode = AsyncDisposable & {
  tree: FileTree;
  parityTree: FileTree;
  scratch: Scratch;
  tags: `0x${string}`;
  /** Time of hashing and encoding, which run side by side. */
  hashMs: number;
};

/** Hashes a file while its parity is encoded from it. Throws `SDK_CODE_SIZE`. */
export async function prepareCoded(
  deps: UploadDeps,
  source: UploadSource,
  options: Pick<CodedUploadOptions, 'code' | 'signal' | 'tree' | 'onProgress'>,
): Promise<PreparedCode> {
  checkNotEmpty(source);
  checkCodedSize(source.size);
  const { code, signal, onProgress } = options;
  const layout = codedFileLayout(source.size, code);
  await using stack = new AsyncDisposableStack();
  const scratch = stack.use(await (deps.scratch ?? memoryScratch)(layout.parityBytes));
  let done = 0;
  const hashed = (bytes: number): void => {
    done += bytes;
    onProgress?.({ phase: 'hash', bytes: done, totalBytes: source.size + layout.parityBytes });
  };
  const started = performance.now();
  const [tree, parityTree] = await Promise.all([
    options.tree ??
      hashSource(deps.kernels, source, { signal, hasher: deps.hasher, onProgress: hashed }),
    writeParity(deps, layout, source, scratch, { signal, onProgress: hashed }),
  ]);
  const hashMs = performance.now() - started;
  const tags = bytesToHex(
    encodeParityDescriptor({
      dataRoot: tree.root,
      dataBytes: source.size,
      code,
      checkRoot: new Uint8Array(32),
    }),
  );
  const owned = stack.move();
  return {
    ...{ tree, parityTree, scratch, tags, hashMs },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/**
 * Submits and sends what was prepared, both files side by side. Each segment has one holder unless `replicas` says otherwise: coding
 * takes the place of copies. Throws what an upload throws.
 */
export async function sendCoded(
  deps: UploadDeps,
  source: UploadSource,
  { tree, parityTree, scratch, tags, hashMs }: PreparedCode,
  options: CodedUploadOptions,
): Promise<CodedUploadResult> {
  const { code, onProgress, ...rest } = options;
  const totalBytes = source.size + scratch.size;
  const each: UploadOptions = { ...rest, replicas: rest.replicas ?? 1 };
  const placed = await submitBoth(deps, { tree, parityTree, tags }, each);

  // Half of the requests in flight each: together they hold what one upload does.
  const inFlightMax = Math.max(1, Math.floor((options.inFlightMax ?? IN_FLIGHT) / 2));
  const sent = { data: 0, parity: 0 };
  const send = async (kind: 'data' | 'parity'): Promise<UploadResult> => {
    const [file, from] = kind === 'data' ? [tree, source] : [parityTree, scratch];
    return uploadFile(deps, from, {
      ...each,
      inFlightMax,
      tree: file,
      txSeq: placed[kind],
      tags: kind === 'parity' ? tags : undefined,
      onProgress: ({ phase, bytes }) => {
        if (phase === 'send') sent[kind] = bytes;
        onProgress?.({
          phase,
          bytes: sent.data + sent.parity,
          totalBytes: totalBytes * (each.replicas ?? 1),
        });
      },
    });
  };
  const [data, parity] = await Promise.all([send('data'), send('parity')]);
  const { root, txSeq, size, sentBytes, nodes } = parity;
  return {
    ...data,
    // What a reorganization cost on top is in the two uploads.
    feeWei: placed.feeWei + data.feeWei + parity.feeWei,
    ...(placed.txHash ? { txHash: placed.txHash } : {}),
    timings: longest(data.timings, { ...parity.timings, hashMs }),
    parity: { root, txSeq, size, sentBytes, nodes, code },
  };
}

/** Files are sent side by side: the longer of two phases is the time of both. */
function longest(a: UploadTimings, b: UploadTimings): UploadTimings {
  return {
    hashMs: Math.max(a.hashMs, b.hashMs),
    submitMs: Math.max(a.submitMs, b.submitMs),
    waitMs: Math.max(a.waitMs, b.waitMs),
    sendMs: Math.max(a.sendMs, b.sendMs),
    finalizeMs: Math.max(a.finalizeMs, b.finalizeMs),
  };
}

/** Requests in flight, of both files together. */
const IN_FLIGHT = 8;

type Placed = {
  data: number | undefined;
  parity: number | undefined;
  txHash?: string;
  feeWei: bigint;
};

/** Submits what the network does not know, in one transaction. */
async function submitBoth(
  deps: UploadDeps,
  files: { tree: FileTree; parityTree: FileTree; tags: `0x${string}` },
  options: UploadOptions,
): Promise<Placed> {
  const { tree, parityTree, tags } = files;
  const { signal } = options;
  const known = {
    data: await findSubmission(deps, tree, options),
    parity: await knownParity(deps, tree, parityTree, options),
  };
  const fresh = (['data', 'parity'] as const).filter((kind) => known[kind] === undefined);
  if (fresh.length === 0) return { ...known, feeWei: 0n };
  const { seqs, txHash, feeWei } = await (await deps.writer()).submit(
    fresh.map((kind) =>
      kind === 'data'
        ? { size: tree.size, nodes: tree.submissionNodes }
        : { size: parityTree.size, nodes: parityTree.submissionNodes, tags },
    ),
    { signal },
  );
  const flow = await deps.flow();
  const placed: Placed = { ...known, txHash, feeWei };
  for (const [i, kind] of fresh.entries()) {
    const { root, size } = kind === 'data' ? tree : parityTree;
    placed[kind] = seqs[i]!;
    await options.state?.save({ root, size, flow, txSeq: seqs[i]!, txHash, acknowledged: {} });
  }
  return placed;
}

/** A submission of these bytes that names the data in its tags: one without them is no parity to anybody. */
async function knownParity(
  deps: UploadDeps,
  data: FileTree,
  parity: FileTree,
  options: UploadOptions,
): Promise<number | undefined> {
  const saved = await options.state?.load(parity.root);
  if (saved?.txSeq != null && saved.size === parity.size && saved.flow === (await deps.flow()))
    return saved.txSeq;
  if (!(options.skipIfFinalized ?? true)) return undefined;
  const { root, size } = data;
  const named = await findParities(
    deps.directory,
    { root: root as DataRoot, size },
    options.signal,
  );
  return named.find((place) => place.root === parity.root)?.txSeq;
}
