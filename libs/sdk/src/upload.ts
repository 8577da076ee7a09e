/*
 * Upload: hash → find or submit → send each node the segments of its shard → wait until they say finalized.
 *
 * Nodes are picked so that every shard has `replicas` holders. A node that fails is replaced from those left over when
 * the requirement can still be met. Memory: at most `inFlightMax` requests of 16 segments (4 MiB) per upload.
 */
import { CodedError, errorMessage, forEachLimit, isCodedError, systemClock } from '@cairn/base';
import type { FlowWriter } from '@cairn/chain';
import type { Kernels } from '@cairn/kernels';
import { type FileTree, segmentCounts } from '@cairn/merkle';
import {
  type FileInfo,
  RPC_TEXT,
  SECTORS_PER_SEGMENT,
  SEGMENTS_PER_CALL_MAX,
  shardHolds,
} from '@cairn/protocol';
import type { SegmentHasher } from './download.ts';
import { hashSource } from './hash.ts';
import { type NodeDirectory, type StorageNode, selectCovering } from './nodes.ts';
import { readSegment, sendSegments } from './segments.ts';
import type { UploadSource } from './source.ts';
import { IndexSet, type UploadState, type UploadStateStore } from './upload-state.ts';

export type UploadPhase = 'hash' | 'submit' | 'wait' | 'send' | 'finalize';
export type UploadProgress = { phase: UploadPhase; bytes: number; totalBytes: number };
export type UploadOptions = {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: UploadProgress) => void) | undefined;
  /** Holders that every segment must have. Default: 2 where the network has them, else 1. */
  replicas?: number | undefined;
  tags?: `0x${string}` | undefined;
  /** Return at once when the network has the file (default true). */
  skipIfFinalized?: boolean | undefined;
  /** Makes the upload resumable. */
  state?: UploadStateStore | undefined;
  /** A tree that was computed before. */
  tree?: FileTree | undefined;
  /** A submission that was made before. */
  txSeq?: number | undefined;
  inFlightMax?: number | undefined;
};
export type UploadTimings = {
  hashMs: number;
  submitMs: number;
  waitMs: number;
  sendMs: number;
  finalizeMs: number;
};
export type UploadResult = {
  root: string;
  txSeq: number;
  /** Absent when the file was on the network already. */
  txHash?: string;
  size: number;
  segments: number;
  /** Bytes sent, over all nodes. */
  sentBytes: number;
  nodes: string[];
  feeWei: bigint;
  timings: UploadTimings;
};
export type UploadDeps = {
  kernels: Kernels;
  directory: NodeDirectory;
  writer: () => Promise<FlowWriter>;
  flow: () => Promise<string>;
  /** Hashing in worker threads for sources that do not bring their own. */
  hasher?: SegmentHasher | undefined;
};

const POLL_MS = 100;
const ENTRY_TIMEOUT_MS = 120_000;
const FINALIZE_TIMEOUT_MS = 600_000;
const BUSY_TRIES = 30;
const STATE_EVERY_MS = 500;

/** Throws `SDK_EMPTY_FILE`. */
export function checkNotEmpty(source: UploadSource): void {
  if (source.size > 0) return;
  throw new CodedError({
    code: 'SDK_EMPTY_FILE',
    kind: 'invalid',
    message: 'an empty file cannot be stored',
    hint: 'the protocol has no empty files; directories keep them by name',
  });
}

export async function uploadFile(
  deps: UploadDeps,
  source: UploadSource,
  options: UploadOptions,
): Promise<UploadResult> {
  checkNotEmpty(source);
  const { signal } = options;
  const timings: UploadTimings = { hashMs: 0, submitMs: 0, waitMs: 0, sendMs: 0, finalizeMs: 0 };
  const timed = async <T>(name: keyof UploadTimings, run: () => Promise<T>): Promise<T> => {
    const started = performance.now();
    try {
      return await run();
    } finally {
      // Nodes are served side by side: the longest of them is the time of the phase.
      timings[name] = Math.max(timings[name], performance.now() - started);
    }
  };
  let hashed = 0;
  const tree =
    options.tree ??
    (await timed('hashMs', () =>
      hashSource(deps.kernels, source, {
        signal,
        hasher: deps.hasher,
        onProgress: (bytes) => {
          hashed += bytes;
          options.onProgress?.({ phase: 'hash', bytes: hashed, totalBytes: source.size });
        },
      }),
    ));
  const all = await deps.directory.writable(signal);
  const selection = new Selection(all, options.replicas);
  const base = { root: tree.root, size: source.size, segments: segmentCounts(source.size).real };

  const known = await knownFile(selection, tree.root, signal);
  const isEverywhere =
    known !== undefined && (await everyFinalized(selection.chosen, known.tx.seq, signal));
  if (isEverywhere && (options.skipIfFinalized ?? true)) {
    await options.state?.clear(tree.root);
    return {
      ...base,
      txSeq: known.tx.seq,
      sentBytes: 0,
      nodes: selection.urls,
      feeWei: 0n,
      timings,
    };
  }

  const state = await loadState(deps, options.state, tree);
  let txSeq =
    options.txSeq ?? state.txSeq ?? ((options.skipIfFinalized ?? true) ? known?.tx.seq : undefined);
  let feeWei = 0n;
  if (txSeq === undefined) {
    options.onProgress?.({ phase: 'submit', bytes: 0, totalBytes: source.size });
    const submitted = await timed('submitMs', async () =>
      (await deps.writer()).submit(
        [
          {
            size: source.size,
            nodes: tree.submissionNodes,
            ...(options.tags ? { tags: options.tags } : {}),
          },
        ],
        { signal },
      ),
    );
    txSeq = submitted.seqs[0]!;
    feeWei = submitted.feeWei;
    state.txSeq = txSeq;
    state.txHash = submitted.txHash;
    await options.state?.save(state);
  }
  const job: SendJob = { tree, source, txSeq, selection, state, options };
  const sentBytes = await sendEverywhere(job, timed);
  await options.state?.clear(tree.root);
  return {
    ...base,
    txSeq,
    ...(state.txHash ? { txHash: state.txHash } : {}),
    sentBytes,
    nodes: selection.urls,
    feeWei,
    timings,
  };
}

type SendJob = {
  tree: FileTree;
  source: UploadSource;
  txSeq: number;
  selection: Selection;
  state: UploadState;
  options: UploadOptions;
};
type Timed = <T>(name: keyof UploadTimings, run: () => Promise<T>) => Promise<T>;

/** The nodes in use, and who steps in when one fails. */
class Selection {
  readonly replicas: number;
  chosen: StorageNode[];
  readonly #all: readonly StorageNode[];
  readonly #failed = new Set<string>();

  constructor(all: readonly StorageNode[], replicas: number | undefined) {
    this.#all = all;
    this.replicas = replicas ?? (selectCovering(all, 2) ? 2 : 1);
    const chosen = selectCovering(all, this.replicas);
    if (!chosen) {
      throw new CodedError({
        code: 'SDK_NOT_ENOUGH_NODES',
        kind: 'unavailable',
        message: `${all.length} nodes do not hold every shard ${this.replicas} times`,
        hint: 'ask for fewer replicas, or wait for more nodes',
      });
    }
    this.chosen = chosen;
  }

  get urls(): string[] {
    return this.chosen.map((node) => node.client.url);
  }

  /** Takes a node out; returns the ones that are new, or throws when the rest cannot cover the file even once. */
  fail(node: StorageNode, cause: unknown): StorageNode[] {
    this.#failed.add(node.client.url);
    const left = this.#all.filter(({ client }) => !this.#failed.has(client.url));
    const next = selectCovering(left, this.replicas) ?? selectCovering(left, 1);
    if (!next) {
      throw new CodedError({
        code: 'SDK_UPLOAD_FAILED',
        kind: 'unavailable',
        message: `storage node ${node.client.url} failed and no other can take its part: ${errorMessage(cause)}`,
        hint: 'run the same command again when the node is back; it goes on where it stopped',
        cause,
      });
    }
    const fresh = next.filter((candidate) => !this.chosen.includes(candidate));
    this.chosen = next;
    return fresh;
  }
}

/** The submission that a file of this root can use: one of an interrupted upload, or one the network knows. */
export async function findSubmission(
  deps: UploadDeps,
  tree: FileTree,
  options: UploadOptions,
): Promise<number | undefined> {
  const state = await loadState(deps, options.state, tree);
  if (state.txSeq !== null) return state.txSeq;
  if (!(options.skipIfFinalized ?? true)) return undefined;
  const selection = new Selection(await deps.directory.writable(options.signal), options.replicas);
  return (await knownFile(selection, tree.root, options.signal))?.tx.seq;
}

async function knownFile(
  selection: Selection,
  root: string,
  signal: AbortSignal | undefined,
): Promise<FileInfo | undefined> {
  for (const node of [...selection.chosen]) {
    try {
      const info = await node.client.getFileInfo(root, true, { signal, timeoutMs: 10_000 });
      if (info) return info;
    } catch (error) {
      signal?.throwIfAborted();
      selection.fail(node, error);
    }
  }
  return undefined;
}

async function everyFinalized(
  nodes: readonly StorageNode[],
  txSeq: number,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const infos = await Promise.all(
    nodes.map(({ client }) => client.getFileInfoByTxSeq(txSeq, { signal }).catch(() => null)),
  );
  return infos.every((info) => info?.finalized === true);
}

async function loadState(
  deps: UploadDeps,
  store: UploadStateStore | undefined,
  tree: FileTree,
): Promise<UploadState> {
  const flow = await deps.flow();
  const saved = await store?.load(tree.root);
  if (saved && saved.size === tree.size && saved.flow === flow) return saved;
  return { root: tree.root, size: tree.size, flow, txSeq: null, txHash: null, acknowledged: {} };
}

/** Serves every chosen node, and whoever replaces one that fails. Returns bytes sent. */
async function sendEverywhere(job: SendJob, timed: Timed): Promise<number> {
  const { selection, options } = job;
  const perNode = selection.chosen.length;
  let sent = 0;
  const onSent = (bytes: number): void => {
    sent += bytes;
    options.onProgress?.({
      phase: 'send',
      bytes: sent,
      totalBytes: Math.max(sent, job.source.size * selection.replicas),
    });
  };
  const serve = async (node: StorageNode): Promise<void> => {
    try {
      const info = await timed('waitMs', () => waitForEntry(node, job));
      if (!info.finalized)
        await timed('sendMs', () =>
          sendToNode(
            node,
            info,
            job,
            Math.max(1, Math.floor((options.inFlightMax ?? 8) / perNode)),
            onSent,
          ),
        );
      await timed('finalizeMs', () => waitFinalized(node, job));
    } catch (error) {
      options.signal?.throwIfAborted();
      if (!isNodeFailure(error)) throw error;
      await Promise.all(selection.fail(node, error).map(serve));
    }
  };
  await Promise.all([...selection.chosen].map(serve));
  return sent;
}

/** A failure of one node, as opposed to one of the file or of the user. */
function isNodeFailure(error: unknown): boolean {
  return (
    isCodedError(error) && (error.code.startsWith('RPC_') || error.code === 'SDK_NODE_TIMEOUT')
  );
}

async function poll<T>(
  what: string,
  timeoutMs: number,
  signal: AbortSignal | undefined,
  look: () => Promise<T | undefined>,
): Promise<T> {
  const deadline = systemClock.monotonic() + timeoutMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (systemClock.monotonic() > deadline)
      throw new CodedError({
        code: 'SDK_NODE_TIMEOUT',
        kind: 'timeout',
        message: `${what} took more than ${timeoutMs / 1000} s`,
      });
    await systemClock.sleep(POLL_MS, signal);
  }
}

function waitForEntry(node: StorageNode, { txSeq, tree, options }: SendJob): Promise<FileInfo> {
  return poll(
    `${node.client.url} to see submission ${txSeq}`,
    ENTRY_TIMEOUT_MS,
    options.signal,
    async () => {
      const info = await node.client.getFileInfoByTxSeq(txSeq, {
        signal: options.signal,
        timeoutMs: 10_000,
      });
      return info && info.tx.dataMerkleRoot === tree.root ? info : undefined;
    },
  );
}

function waitFinalized(node: StorageNode, { txSeq, options }: SendJob): Promise<true> {
  return poll(
    `${node.client.url} to finalize submission ${txSeq}`,
    FINALIZE_TIMEOUT_MS,
    options.signal,
    async () =>
      (await node.client.getFileInfoByTxSeq(txSeq, { signal: options.signal, timeoutMs: 10_000 }))
        ?.finalized
        ? true
        : undefined,
  );
}

async function sendToNode(
  node: StorageNode,
  info: FileInfo,
  job: SendJob,
  inFlight: number,
  onSent: (bytes: number) => void,
): Promise<void> {
  const { tree, source, txSeq, state, options } = job;
  const { url } = node.client;
  const first = Math.floor(info.tx.startEntryIndex / SECTORS_PER_SEGMENT);
  const done = new IndexSet(state.acknowledged[url] ?? []);
  const batches = function* (): Generator<number[]> {
    let batch: number[] = [];
    for (let i = 0; i < segmentCounts(source.size).real; i++) {
      if (!shardHolds(node.shard, first + i) || done.has(i)) continue;
      batch.push(i);
      if (batch.length < SEGMENTS_PER_CALL_MAX) continue;
      yield batch;
      batch = [];
    }
    if (batch.length > 0) yield batch;
  };
  let savedAt = systemClock.monotonic();
  const save = async (): Promise<void> => {
    savedAt = systemClock.monotonic();
    state.acknowledged[url] = done.toRanges();
    await options.state?.save(state);
  };
  try {
    await forEachLimit(
      batches(),
      { limit: inFlight, ...(options.signal ? { signal: options.signal } : {}) },
      async (batch, signal) => {
        const segments = await Promise.all(
          batch.map(async (index) => ({ index, data: await readSegment(source, index) })),
        );
        await sendPatiently(
          () => sendSegments(node.client, tree, txSeq, segments, { signal, timeoutMs: 120_000 }),
          signal,
        );
        for (const { index, data } of segments) {
          done.add(index);
          onSent(data.length);
        }
        if (options.state && systemClock.monotonic() - savedAt > STATE_EVERY_MS) await save();
      },
    );
  } finally {
    if (options.state && done.size > 0) await save();
  }
}

/** Sends, takes "has it already" as success, and waits while the node is busy. */
async function sendPatiently(send: () => Promise<void>, signal: AbortSignal): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await send();
    } catch (error) {
      const text = errorMessage(error);
      if (text.includes(RPC_TEXT.alreadyFinalized) || text.includes(RPC_TEXT.duplicate)) return;
      const isBusy = text.includes('too many data writing') || text.includes('too much data waits');
      if (!isBusy || attempt >= BUSY_TRIES) throw error;
      await systemClock.sleep(Math.min(2000, 50 * 2 ** attempt) * (0.5 + Math.random()), signal);
    }
  }
}
