/*
 * Download: several nodes at once, every segment verified against the root before it is written.
 *
 * Work is cut into runs of segments of one shard class. Each run is asked of a node that holds it; a node that lies, is
 * silent or fails is dropped and its run goes to another. With a range only the touched segments travel. When the nodes that
 * are left do not hold all of a coded file, work is cut into stripes instead: what nobody holds is rebuilt with parity.
 */
import { CodedError, type DataRoot, errorMessage, forEachLimit } from '@cairn/base';
import { STRIPE_DATA } from '@cairn/erasure';
import type { Kernels } from '@cairn/kernels';
import { BYTES_PER_SEGMENT } from '@cairn/protocol';
import { findHolders, openStripes, placeOf } from './coded/open.ts';
import type { StripeReader } from './coded/stripe-reader.ts';
import type { NodeDirectory } from './nodes.ts';
import type { DownloadSink } from './source.ts';
import { Sources } from './sources.ts';
import { type FilePlace, type Run, StoredFile } from './stored-file.ts';

/** Half-open byte range of the file. */
export type ByteRange = { start: number; end: number };
export type DownloadOptions = {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: { bytes: number; totalBytes: number }) => void) | undefined;
  range?: ByteRange | undefined;
  /** Only to measure what verification costs: false trusts the nodes. */
  verify?: boolean | undefined;
  /** Segments that the sink has already; they are not fetched. */
  skip?: ((segmentIndex: number) => boolean) | undefined;
  /** A segment has been written to the sink. */
  onSegment?: ((segmentIndex: number) => void) | undefined;
  inFlightMax?: number | undefined;
  /** What the chain says of the file. Without it the nodes are believed about its size, which a root does not cover. */
  submission?: { txSeq: number; size: number; startSector: number } | undefined;
  /** How long a node may take for a run of 4 segments before another is asked, default 15 s. */
  requestTimeoutMs?: number | undefined;
};
export type DownloadResult = {
  root: DataRoot;
  txSeq: number;
  /** Bytes of the whole file. */
  size: number;
  /** Bytes written to the sink. */
  bytes: number;
  /** Segments that nobody held any more and that were rebuilt with parity. */
  rebuiltSegments: number;
  /** Nodes that served, and those that were dropped with the reason. */
  nodes: string[];
  dropped: { url: string; reason: string }[];
};
/** Hashes segments somewhere else, worker threads for example. 32 bytes each. */
export type SegmentHasher = (
  data: Uint8Array,
  options: { lastLeafCount: number; signal?: AbortSignal | undefined },
) => Promise<Uint8Array>;
export type DownloadDeps = {
  kernels: Kernels;
  directory: NodeDirectory;
  hasher?: SegmentHasher | undefined;
};

const SEGMENTS_PER_RUN = 4;
const RUN_TIMEOUT_MS = 15_000;
/** Stripes of 4 MiB that are rebuilt at once: each holds its fragments, a copy of them and what was lost. */
const STRIPES_AT_ONCE = 2;

/**
 * Fetches a file, or a range of it. Where no node holds a segment any more it is rebuilt, if the file is coded. Throws
 * `SDK_NOT_FOUND`, `SDK_UNAVAILABLE`, `SDK_VERIFICATION` (every node that was asked lied), `SDK_RANGE`, and what the sink throws.
 */
export async function downloadFile(
  deps: DownloadDeps,
  root: DataRoot,
  sink: DownloadSink | ((size: number) => Promise<DownloadSink>),
  options: DownloadOptions,
): Promise<DownloadResult> {
  const { signal } = options;
  const timeoutMs = options.requestTimeoutMs ?? RUN_TIMEOUT_MS;
  const file = await openFile(deps, root, { timeoutMs, signal }, options.submission);
  const { place, sources } = file;
  const { txSeq, size } = place;
  const range = checkedRange(options.range, size);
  const target = typeof sink === 'function' ? await sink(size) : sink;
  let written = 0;
  const totalBytes = range.end - range.start;
  const emit = async (index: number, data: Uint8Array): Promise<void> => {
    const part = clip({ index, data }, range, size);
    await target.write(part.offset, part.bytes);
    written += part.bytes.length;
    options.onSegment?.(index);
    options.onProgress?.({ bytes: written, totalBytes });
  };
  let opening: Promise<StripeReader> | undefined;
  const openedStripes = (): Promise<StripeReader> => {
    opening ??= openStripes(deps, file, { timeoutMs, signal });
    return opening;
  };

  if (sources.isCovering) {
    const limit = options.inFlightMax ?? 4;
    await forEachLimit(
      runs(range, sources.stride, options.skip),
      { limit, ...(signal ? { signal } : {}) },
      async (run, runSignal) => {
        let todo = run;
        while (todo.count > 0) {
          const node = file.pick(todo.index);
          if (!node) {
            // Its last holder went away while we were reading.
            const stripes = await openedStripes();
            await emit(todo.index, await stripes.segment(todo.index, runSignal));
            todo = next(todo, 1);
            continue;
          }
          try {
            const frames = await file.ask(node, todo, runSignal);
            if (options.verify ?? true) await file.verify(frames, runSignal);
            for (const { index, data } of frames) await emit(index, data);
            sources.served(node);
            todo = next(todo, frames.length);
          } catch (error) {
            signal?.throwIfAborted();
            file.blame(node, error, runSignal);
          } finally {
            sources.release(node);
          }
        }
      },
    );
  } else {
    const stripes = await openedStripes();
    await forEachLimit(
      stripesOf(range, options.skip),
      { limit: STRIPES_AT_ONCE, ...(signal ? { signal } : {}) },
      async (indexes, stripeSignal) => {
        for (const [index, data] of await stripes.read(indexes, stripeSignal))
          await emit(index, data);
      },
    );
  }
  const stripes = await opening;
  return {
    root,
    txSeq,
    size,
    bytes: written,
    rebuiltSegments: stripes?.rebuiltSegments ?? 0,
    nodes: [...new Set([...sources.servedUrls, ...(stripes?.servedUrls ?? [])])],
    dropped: [...sources.dropped, ...(stripes?.dropped ?? [])],
  };
}

/** A file's place and holders. Throws `SDK_NOT_FOUND`. */
async function openFile(
  deps: DownloadDeps,
  root: DataRoot,
  options: { timeoutMs: number; signal: AbortSignal | undefined },
  submission?: DownloadOptions['submission'],
): Promise<StoredFile> {
  const { timeoutMs, signal } = options;
  const nodes = await deps.directory.holding(root, signal);
  if (nodes.length > 0) {
    const sources = new Sources(nodes);
    const place = submission
      ? { root, ...submission }
      : await askSubmission(sources, root, deps.kernels, signal);
    return new StoredFile(deps, place, sources, timeoutMs);
  }
  // Nobody names a set of nodes that covers it: some of it may be left.
  const left = await findHolders(deps.directory, root, signal);
  if (!left.info) throw notFound(root);
  const place = submission ? { root, ...submission } : placeOf(deps.kernels, root, left.info);
  return new StoredFile(deps, place, left.nodes, timeoutMs);
}

/** Bytes of a stored file. Throws `SDK_NOT_FOUND`. */
export async function storedSize(
  deps: DownloadDeps,
  root: DataRoot,
  signal?: AbortSignal,
): Promise<number> {
  return (await openFile(deps, root, { timeoutMs: RUN_TIMEOUT_MS, signal })).place.size;
}

const next = ({ index, count, stride }: Run, done: number): Run => ({
  index: index + done * stride,
  count: count - done,
  stride,
});

/** Segments of the range that are wanted, a stripe at a time. */
function* stripesOf(
  range: ByteRange,
  skip: ((index: number) => boolean) | undefined,
): Generator<number[]> {
  const to = Math.ceil(range.end / BYTES_PER_SEGMENT);
  let indexes: number[] = [];
  for (let index = Math.floor(range.start / BYTES_PER_SEGMENT); index < to; index++) {
    if (!skip?.(index)) indexes.push(index);
    if (index + 1 < to && (index + 1) % STRIPE_DATA !== 0) continue;
    if (indexes.length > 0) yield indexes;
    indexes = [];
  }
}

/** Runs of segments that one node holds, in order of position. */
function* runs(
  range: ByteRange,
  stride: number,
  skip: ((index: number) => boolean) | undefined,
): Generator<Run> {
  if (range.end <= range.start) return;
  const from = Math.floor(range.start / BYTES_PER_SEGMENT);
  const to = Math.ceil(range.end / BYTES_PER_SEGMENT);
  const window = SEGMENTS_PER_RUN * stride;
  for (let base = from; base < to; base += window) {
    for (let lane = 0; lane < stride; lane++) {
      let run: Run | undefined;
      for (let index = base + lane; index < Math.min(to, base + window); index += stride) {
        if (skip?.(index)) {
          if (run) yield run;
          run = undefined;
        } else if (run) run.count++;
        else run = { index, count: 1, stride };
      }
      if (run) yield run;
    }
  }
}

/** The range within a file of `size` bytes. Throws `SDK_RANGE` when it lies outside. */
export function checkedRange(range: ByteRange | undefined, size: number): ByteRange {
  if (!range) return { start: 0, end: size };
  const { start, end } = range;
  if (
    !Number.isSafeInteger(start) ||
    !Number.isSafeInteger(end) ||
    start < 0 ||
    end <= start ||
    start >= size
  ) {
    throw new CodedError({
      code: 'SDK_RANGE',
      kind: 'invalid',
      message: `range ${start}-${end} does not lie in a file of ${size} bytes`,
      details: { start, end, size },
    });
  }
  return { start, end: Math.min(end, size) };
}

/** The bytes of a segment that belong to the range and the file. */
function clip(
  frame: { index: number; data: Uint8Array },
  range: ByteRange,
  size: number,
): { offset: number; bytes: Uint8Array } {
  const base = frame.index * BYTES_PER_SEGMENT;
  const start = Math.max(range.start, base);
  const end = Math.min(range.end, size, base + frame.data.length);
  return { offset: start, bytes: frame.data.subarray(start - base, end - base) };
}

async function askSubmission(
  sources: Sources,
  root: DataRoot,
  kernels: Kernels,
  signal: AbortSignal | undefined,
): Promise<FilePlace> {
  let last: unknown;
  for (const node of sources.all) {
    try {
      const info = await node.client.getFileInfo(root, true, { signal, timeoutMs: 10_000 });
      if (info?.tx.dataMerkleRoot === root) return placeOf(kernels, root, info);
    } catch (error) {
      signal?.throwIfAborted();
      last = error;
      sources.drop(node, errorMessage(error), false);
    }
  }
  throw notFound(root, last);
}

function notFound(root: string, cause?: unknown): CodedError {
  return new CodedError({
    code: 'SDK_NOT_FOUND',
    kind: 'not_found',
    message: `no node has the file ${root}`,
    hint: 'check the root; an upload that is not finished is not found',
    details: { root },
    cause,
  });
}
