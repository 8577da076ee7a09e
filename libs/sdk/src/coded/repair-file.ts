/*
 * Repair of one file from outside: what some node has is copied to those that lack it, what none has is rebuilt with parity and
 * given to those it belongs to. One stripe at a time and a second beside it; everything verified before it is sent, and again by
 * the node that takes it. Reads at most 16 segments a stripe to rebuild all that it lacks, and each copied segment once.
 */
import { CodedError, type DataRoot, forEachLimit, isCodedError } from '@cairn/base';
import {
  type CodedFileKind,
  fragmentPlace,
  type ProvenSegment,
  recoverStripe,
  recoverUnused,
  STRIPE_DATA,
  unusedParity,
} from '@cairn/erasure';
import { siblingsToProof } from '@cairn/merkle';
import { bytesToBase64 } from '../base64.ts';
import type { StorageNode } from '../nodes.ts';
import { type FilePlace, StoredFile } from '../stored-file.ts';
import type { OpenDeps } from './open.ts';
import { askCodedPresence, type CodedPresence, type FilePresence } from './presence.ts';
import { fragmentSource } from './stripe-reader.ts';

export type RepairOptions = {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: { stripes: number; totalStripes: number }) => void) | undefined;
};
export type RepairResult = {
  root: DataRoot;
  stripes: number;
  /** Segments that no node had and that were rebuilt; copies that were made of others. */
  rebuiltSegments: number;
  copiedSegments: number;
  /** Bytes of segments read from nodes, and sent to them. */
  readBytes: number;
  sentBytes: number;
  /** Stripes of which too little is left, or whose parity is not theirs. */
  failedStripes: number;
};

const STRIPES_AT_ONCE = 2;
const REQUEST_MS = 60_000;

/** Repairs what can be. Throws `SDK_NOT_FOUND` when no node knows the file, and what sending throws. */
export async function repairFile(
  deps: OpenDeps,
  root: DataRoot,
  options: RepairOptions = {},
): Promise<RepairResult> {
  const { signal } = options;
  const presence = await askCodedPresence(deps, root, signal);
  const stripes = presence.layout?.stripes ?? Math.ceil(presence.data.segments / STRIPE_DATA);
  const job = new Repair(deps, presence);
  let done = 0;
  let failedStripes = 0;
  await forEachLimit(
    Array.from({ length: stripes }, (_, stripe) => stripe),
    { limit: STRIPES_AT_ONCE, ...(signal ? { signal } : {}) },
    async (stripe, stripeSignal) => {
      if (!(await job.stripe(stripe, stripeSignal))) failedStripes++;
      options.onProgress?.({ stripes: ++done, totalStripes: stripes });
    },
  );
  await job.unused(signal ?? new AbortController().signal);
  const { rebuiltSegments, copiedSegments, readBytes, sentBytes } = job;
  return {
    root,
    stripes,
    rebuiltSegments,
    copiedSegments,
    readBytes,
    sentBytes,
    failedStripes,
  };
}

class Repair {
  rebuiltSegments = 0;
  copiedSegments = 0;
  readBytes = 0;
  sentBytes = 0;
  readonly #deps: OpenDeps;
  readonly #presence: CodedPresence;
  readonly #data: StoredFile;
  readonly #parity: StoredFile | undefined;

  constructor(deps: OpenDeps, presence: CodedPresence) {
    this.#deps = deps;
    this.#presence = presence;
    const stored = (file: FilePresence): StoredFile =>
      new StoredFile(deps, file.place, file.nodes, REQUEST_MS, (node, index) =>
        file.holds(node, index),
      );
    this.#data = stored(presence.data);
    this.#parity = presence.parity && stored(presence.parity);
  }

  /** False when not all that the stripe lacks could be brought back. */
  async stripe(stripe: number, signal: AbortSignal): Promise<boolean> {
    const { data, parity, layout } = this.#presence;
    const lost: number[] = [];
    const short: Record<CodedFileKind, number[]> = { data: [], parity: [] };
    const look = (
      kind: CodedFileKind,
      file: FilePresence,
      index: number,
      position: number,
    ): void => {
      if (file.lacking(index).length === 0) return;
      if (file.copies(index) === 0) lost.push(position);
      else short[kind].push(index);
    };
    if (layout && parity) {
      for (let position = 0; position < layout.code; position++) {
        const place = fragmentPlace(layout, { stripe, position });
        if (place.kind === 'zero') continue;
        look(place.kind, place.kind === 'data' ? data : parity, place.segmentIndex, position);
      }
    } else {
      const end = Math.min(data.segments, STRIPE_DATA * (stripe + 1));
      for (let i = STRIPE_DATA * stripe; i < end; i++) look('data', data, i, i % STRIPE_DATA);
    }
    const copies = {
      data: await this.#fetch('data', short.data, signal),
      parity: await this.#fetch('parity', short.parity, signal),
    };
    for (const kind of ['data', 'parity'] as const) {
      await this.#give(kind, copies[kind], signal);
      this.copiedSegments += copies[kind].length;
    }
    let isWhole =
      copies.data.length === short.data.length && copies.parity.length === short.parity.length;
    if (lost.length === 0) return isWhole;
    if (!layout || !parity || !this.#parity) return false;
    try {
      const rebuilt = await recoverStripe(
        this.#recoverDeps(this.#parity),
        { layout, data: data.place, parity: parity.place },
        { stripe, wanted: lost, given: copies.data, signal },
      );
      await this.#give('data', rebuilt.data, signal);
      await this.#give('parity', rebuilt.parity, signal);
      this.rebuiltSegments += rebuilt.data.length + rebuilt.parity.length;
    } catch (error) {
      const isExpected = isCodedError(error, 'ERASURE_PARITY') || isNotReady(error);
      if (!isExpected) throw error;
      isWhole = false;
    }
    return isWhole;
  }

  /** Zeros at the end of the parity, which are in no stripe. */
  async unused(signal: AbortSignal): Promise<void> {
    const { data, parity, layout } = this.#presence;
    if (!layout || !parity || !this.#parity) return;
    const wanted = unusedParity(layout).filter((index) => parity.lacking(index).length > 0);
    if (wanted.length === 0) return;
    try {
      const file = { layout, data: data.place, parity: parity.place };
      const zeros = await recoverUnused(this.#recoverDeps(this.#parity), file, wanted, signal);
      await this.#give('parity', zeros, signal);
      this.rebuiltSegments += zeros.length;
    } catch (error) {
      if (!isNotReady(error)) throw error;
    }
  }

  #recoverDeps(parity: StoredFile): Parameters<typeof recoverStripe>[0] {
    const files = fragmentSource(this.#data, parity);
    return {
      kernels: this.#deps.kernels,
      source: {
        has: files.has,
        fetch: (kind, indexes, signal) => this.#fetch(kind, indexes, signal),
      },
      segmentRoot: (bytes, leafCount, signal) => this.#data.segmentRoot(bytes, leafCount, signal),
    };
  }

  async #fetch(
    kind: CodedFileKind,
    indexes: readonly number[],
    signal: AbortSignal,
  ): Promise<ProvenSegment[]> {
    const file = kind === 'data' ? this.#data : this.#parity;
    if (!file || indexes.length === 0) return [];
    const segments = await file.fetch(indexes, signal);
    this.readBytes += segments.reduce((sum, { data }) => sum + data.length, 0);
    return segments;
  }

  /** Sends segments to the nodes that lack them. */
  async #give(
    kind: CodedFileKind,
    segments: readonly ProvenSegment[],
    signal: AbortSignal,
  ): Promise<void> {
    const file = kind === 'data' ? this.#presence.data : this.#presence.parity;
    if (!file) return;
    const parcels = new Map<StorageNode, ProvenSegment[]>();
    for (const segment of segments)
      for (const node of file.lacking(segment.index))
        parcels.set(node, [...(parcels.get(node) ?? []), segment]);
    await Promise.all(
      [...parcels].map(async ([node, parcel]) => {
        await sendProven(node, file.place, parcel, signal);
        this.sentBytes += parcel.reduce((sum, { data }) => sum + data.length, 0);
      }),
    );
  }
}

const isNotReady = (error: unknown): boolean =>
  error instanceof CodedError && error.kind === 'not_ready';

/** Sends at most 16 segments, with the proofs they come with. */
async function sendProven(
  { client }: StorageNode,
  { root, size, txSeq }: FilePlace,
  segments: readonly ProvenSegment[],
  signal: AbortSignal,
): Promise<void> {
  const options = { signal, timeoutMs: REQUEST_MS };
  if (await client.supportsBinary(options)) {
    const frames = segments.map(({ index, data, siblings }) => ({ index, data, siblings }));
    await client.uploadFrames(root, { fileSize: size, txSeq }, frames, options);
    return;
  }
  const json = segments.map(({ index, data, segmentRoot, siblings }) => ({
    root,
    data: bytesToBase64(data),
    index,
    proof: siblingsToProof({ size, index, segmentRoot, siblings, root }),
    fileSize: size,
  }));
  await client.uploadSegmentsByTxSeq(json, txSeq, options);
}
