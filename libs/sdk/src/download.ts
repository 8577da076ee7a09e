/*
 * Download: several nodes at once, every segment verified against the root before it is written.
 *
 * Work is cut into runs of segments of one shard class. Each run is asked of a node that holds it; a node that lies, is
 * silent or fails is dropped and its run goes to another. With a range only the touched segments travel.
 */
import { CodedError, type DataRoot, errorMessage, forEachLimit, hexToBytes } from '@cairn/base';
import { type Kernels, segmentRootOf } from '@cairn/kernels';
import { segmentLeafCount, verifySegmentSiblings } from '@cairn/merkle';
import {
  BYTES_PER_SEGMENT,
  SECTORS_PER_SEGMENT,
  type SegmentFrame,
  shardHolds,
} from '@cairn/protocol';
import type { NodeDirectory, StorageNode } from './nodes.ts';
import { fetchSegments } from './segments.ts';
import type { DownloadSink } from './source.ts';

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

export async function downloadFile(
  deps: DownloadDeps,
  root: DataRoot,
  sink: DownloadSink | ((size: number) => Promise<DownloadSink>),
  options: DownloadOptions,
): Promise<DownloadResult> {
  const { signal } = options;
  const nodes = await deps.directory.holding(root, signal);
  if (nodes.length === 0) throw notFound(root);
  const sources = new Sources(nodes);
  const { txSeq, size, startSector } =
    options.submission ?? (await askSubmission(sources, root, signal));
  const range = checkedRange(options.range, size);
  const target = typeof sink === 'function' ? await sink(size) : sink;
  const file = { root, size, txSeq };
  const first = Math.floor(startSector / SECTORS_PER_SEGMENT);
  let written = 0;
  const totalBytes = range.end - range.start;

  await forEachLimit(
    runs(range, sources.stride, options.skip),
    { limit: options.inFlightMax ?? 4, ...(signal ? { signal } : {}) },
    async (run, runSignal) => {
      let todo = run;
      while (todo.count > 0) {
        const node = sources.pick(first + todo.index);
        if (!node) throw unavailable(root, todo.index, sources);
        try {
          const frames = await fetchSegments(node.client, deps.kernels, file, todo, {
            signal: runSignal,
            timeoutMs: options.requestTimeoutMs ?? RUN_TIMEOUT_MS,
          });
          if (frames.length === 0)
            throw new CodedError({
              code: 'SDK_SEGMENT_MISSING',
              kind: 'not_found',
              message: 'the node does not have the segment',
            });
          if (options.verify ?? true) await verify(deps, file, frames, runSignal);
          for (const frame of frames) {
            const part = clip(frame, range, size);
            await target.write(part.offset, part.bytes);
            written += part.bytes.length;
            options.onSegment?.(frame.index);
            options.onProgress?.({ bytes: written, totalBytes });
          }
          sources.served(node);
          todo = {
            index: todo.index + frames.length * todo.stride,
            count: todo.count - frames.length,
            stride: todo.stride,
          };
        } catch (error) {
          signal?.throwIfAborted();
          if (runSignal.aborted) throw runSignal.reason;
          if (!isNodeFault(error)) throw error;
          sources.drop(
            node,
            errorMessage(error),
            error instanceof CodedError && error.code.startsWith('MERKLE_'),
          );
        } finally {
          sources.release(node);
        }
      }
    },
  );
  return { root, txSeq, size, bytes: written, nodes: sources.servedUrls, dropped: sources.dropped };
}

/** Bytes of a stored file. Throws `SDK_NOT_FOUND`. */
export async function storedSize(
  { directory }: DownloadDeps,
  root: DataRoot,
  signal?: AbortSignal,
): Promise<number> {
  const nodes = await directory.holding(root, signal);
  if (nodes.length === 0) throw notFound(root);
  return (await askSubmission(new Sources(nodes), root, signal)).size;
}

type Run = { index: number; count: number; stride: number };

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
  frame: SegmentFrame,
  range: ByteRange,
  size: number,
): { offset: number; bytes: Uint8Array } {
  const base = frame.index * BYTES_PER_SEGMENT;
  const start = Math.max(range.start, base);
  const end = Math.min(range.end, size, base + frame.data.length);
  return { offset: start, bytes: frame.data.subarray(start - base, end - base) };
}

async function verify(
  deps: DownloadDeps,
  file: { root: DataRoot; size: number },
  frames: readonly SegmentFrame[],
  signal: AbortSignal,
): Promise<void> {
  const rootBytes = hexToBytes(file.root);
  await Promise.all(
    frames.map(async ({ index, data, siblings }) => {
      const lastLeafCount = segmentLeafCount(file.size, index);
      const segmentRoot = deps.hasher
        ? await deps.hasher(data, { lastLeafCount, signal })
        : segmentRootOf(deps.kernels, data, lastLeafCount);
      verifySegmentSiblings(deps.kernels, {
        root: rootBytes,
        size: file.size,
        index,
        segmentRoot,
        siblings,
      });
    }),
  );
}

async function askSubmission(
  sources: Sources,
  root: DataRoot,
  signal: AbortSignal | undefined,
): Promise<{ txSeq: number; size: number; startSector: number }> {
  let last: unknown;
  for (const node of sources.all) {
    try {
      const info = await node.client.getFileInfo(root, true, { signal, timeoutMs: 10_000 });
      if (info?.tx.dataMerkleRoot === root) {
        const { seq: txSeq, size, startEntryIndex: startSector } = info.tx;
        return { txSeq, size, startSector };
      }
    } catch (error) {
      signal?.throwIfAborted();
      last = error;
      sources.drop(node, errorMessage(error), false);
    }
  }
  throw notFound(root, last);
}

/** The nodes of one download: who holds what, how busy each is, who was dropped and why. */
class Sources {
  readonly all: readonly StorageNode[];
  readonly stride: number;
  readonly dropped: { url: string; reason: string; lied: boolean }[] = [];
  readonly #load = new Map<StorageNode, number>();
  readonly #served = new Set<string>();

  constructor(nodes: readonly StorageNode[]) {
    this.all = nodes;
    // With a full node present runs are consecutive; otherwise they follow the finest sharding.
    this.stride = Math.max(...nodes.map((node) => node.shard.numShard));
    for (const node of nodes) this.#load.set(node, 0);
  }

  /** The least busy node that holds the segment at this index of the flow. */
  pick(flowSegment: number): StorageNode | undefined {
    let best: StorageNode | undefined;
    for (const [node, load] of this.#load) {
      if (shardHolds(node.shard, flowSegment) && (!best || load < this.#load.get(best)!))
        best = node;
    }
    if (best) this.#load.set(best, this.#load.get(best)! + 1);
    return best;
  }

  release(node: StorageNode): void {
    const load = this.#load.get(node);
    if (load !== undefined) this.#load.set(node, load - 1);
  }

  served(node: StorageNode): void {
    this.#served.add(node.client.url);
  }

  drop(node: StorageNode, reason: string, lied: boolean): void {
    if (this.#load.delete(node)) this.dropped.push({ url: node.client.url, reason, lied });
  }

  get servedUrls(): string[] {
    return [...this.#served];
  }
}

function isNodeFault(error: unknown): boolean {
  return (
    error instanceof CodedError &&
    /^(RPC_|MERKLE_|PROTOCOL_FRAME|SDK_SEGMENT_MISSING|BASE_INVALID)/.test(error.code)
  );
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

function unavailable(root: string, index: number, sources: Sources): CodedError {
  const lied = sources.dropped.length > 0 && sources.dropped.every((entry) => entry.lied);
  return new CodedError({
    code: lied ? 'SDK_VERIFICATION' : 'SDK_UNAVAILABLE',
    kind: lied ? 'corrupt' : 'unavailable',
    message: lied
      ? `every node that was asked gave wrong bytes for segment ${index} of ${root}`
      : `no node that answers has segment ${index} of ${root}`,
    hint: lied
      ? 'do not use what was downloaded; name other nodes'
      : 'try again later, or name other nodes',
    details: { root, segment: index, dropped: sources.dropped },
  });
}
