import { CodedError, type DataRoot, errorMessage, hexToBytes } from '@cairn/base';
import type { ProvenSegment } from '@cairn/erasure';
import { type Kernels, segmentRootOf } from '@cairn/kernels';
import { type SubmissionNode, segmentLeafCount, verifySegmentSiblings } from '@cairn/merkle';
import { SECTORS_PER_SEGMENT, SEGMENTS_PER_CALL_MAX, type SegmentFrame } from '@cairn/protocol';
import type { SegmentHasher } from './download.ts';
import type { StorageNode } from './nodes.ts';
import { fetchSegments } from './segments.ts';
import { isLie, isNodeFault, Sources } from './sources.ts';

/** A submission as nodes describe it. Only the root is certain; what is read is checked against it. */
export type FilePlace = {
  root: DataRoot;
  size: number;
  txSeq: number;
  startSector: number;
  nodes?: readonly SubmissionNode[] | undefined;
};
/** Segments index, index + stride, … (`count` of them). */
export type Run = { index: number; count: number; stride: number };
export type StoredFileDeps = {
  kernels: Kernels;
  hasher?: SegmentHasher | undefined;
};

/** One stored file and the nodes that have it: fetches segments, verified. */
export class StoredFile {
  readonly place: FilePlace;
  readonly sources: Sources;
  readonly #deps: StoredFileDeps;
  readonly #rootBytes: Uint8Array;
  readonly #firstSegment: number;
  readonly #timeoutMs: number;
  readonly #holds: (node: StorageNode, index: number) => boolean;

  /** `timeoutMs`: how long a node may take for one run. `holds`: what is known beyond the nodes' shards. */
  constructor(
    deps: StoredFileDeps,
    place: FilePlace,
    nodes: readonly StorageNode[] | Sources,
    timeoutMs: number,
    holds: (node: StorageNode, index: number) => boolean = () => true,
  ) {
    this.#deps = deps;
    this.place = place;
    this.sources = nodes instanceof Sources ? nodes : new Sources(nodes);
    this.#rootBytes = hexToBytes(place.root);
    this.#firstSegment = Math.floor(place.startSector / SECTORS_PER_SEGMENT);
    this.#timeoutMs = timeoutMs;
    this.#holds = holds;
  }

  /** The least busy node that holds the segment; give it back with `sources.release`. */
  pick(index: number): StorageNode | undefined {
    return this.sources.pick(this.#firstSegment + index, (node) => this.#holds(node, index));
  }

  /** Whether a node that was not dropped holds the segment. */
  has(index: number): boolean {
    return this.sources.holds(this.#firstSegment + index, (node) => this.#holds(node, index));
  }

  /** A run from one node, as it claims. Throws `SDK_SEGMENT_MISSING`, `RPC_*` and what malformed answers throw. */
  async ask(node: StorageNode, run: Run, signal: AbortSignal): Promise<SegmentFrame[]> {
    const frames = await fetchSegments(node.client, this.#deps.kernels, this.place, run, {
      signal,
      timeoutMs: this.#timeoutMs,
    });
    if (frames.length === 0)
      throw new CodedError({
        code: 'SDK_SEGMENT_MISSING',
        kind: 'not_found',
        message: 'the node does not have the segment',
      });
    return frames;
  }

  /** Throws a `MERKLE_PROOF_*` code when a frame is not the file's segment. */
  verify(frames: readonly SegmentFrame[], signal: AbortSignal): Promise<ProvenSegment[]> {
    const { size } = this.place;
    return Promise.all(
      frames.map(async ({ index, data, siblings }) => {
        const segmentRoot = await this.segmentRoot(data, segmentLeafCount(size, index), signal);
        const root = this.#rootBytes;
        verifySegmentSiblings(this.#deps.kernels, { root, size, index, segmentRoot, siblings });
        return { index, data, segmentRoot, siblings };
      }),
    );
  }

  async segmentRoot(data: Uint8Array, leafCount: number, signal: AbortSignal): Promise<Uint8Array> {
    const { hasher, kernels } = this.#deps;
    return hasher
      ? hasher(data, { lastLeafCount: leafCount, signal })
      : segmentRootOf(kernels, data, leafCount);
  }

  /** Drops a node for a fault of its own; throws what was not its fault. */
  blame(node: StorageNode, error: unknown, signal: AbortSignal): void {
    signal.throwIfAborted();
    if (!isNodeFault(error)) throw error;
    this.sources.drop(node, errorMessage(error), isLie(error));
  }

  /**
   * Segments from whoever holds them, verified, several nodes at once. A node that fails is dropped and others are asked; what
   * nobody gives is not in the result. Throws only the signal's reason and our own failures.
   */
  async fetch(indexes: readonly number[], signal: AbortSignal): Promise<ProvenSegment[]> {
    const out: ProvenSegment[] = [];
    let left = [...indexes];
    while (left.length > 0) {
      const asked = new Map<StorageNode, number[]>();
      for (const index of left) {
        const node = this.pick(index);
        if (!node) continue;
        // Load counts requests, and one request carries all that the node gives.
        if (asked.has(node)) this.sources.release(node);
        asked.set(node, [...(asked.get(node) ?? []), index]);
      }
      const parts = await Promise.all(
        [...asked].map(([node, mine]) => this.#fetchFrom(node, mine, signal)),
      );
      const got = new Set<number>();
      for (const segment of parts.flat()) {
        got.add(segment.index);
        out.push(segment);
      }
      if (asked.size === 0) break;
      left = left.filter((index) => !got.has(index));
    }
    return out;
  }

  async #fetchFrom(
    node: StorageNode,
    indexes: readonly number[],
    signal: AbortSignal,
  ): Promise<ProvenSegment[]> {
    const out: ProvenSegment[] = [];
    try {
      for (const run of runsOf(indexes))
        out.push(...(await this.verify(await this.ask(node, run, signal), signal)));
      this.sources.served(node);
    } catch (error) {
      this.blame(node, error, signal);
    } finally {
      this.sources.release(node);
    }
    return out;
  }
}

/** Ascending indexes as the fewest runs of equal steps that follow each other. */
export function* runsOf(indexes: readonly number[]): Generator<Run> {
  for (let from = 0; from < indexes.length; ) {
    const index = indexes[from]!;
    const stride = (indexes[from + 1] ?? index + 1) - index;
    let count = 1;
    while (count < SEGMENTS_PER_CALL_MAX && indexes[from + count] === index + count * stride)
      count++;
    yield { index, count, stride };
    from += count;
  }
}
