/*
 * Upload: hash → find or submit → send each node the segments of its shard → wait until they say finalized.
 *
 * Nodes are picked so that every shard has `replicas` holders. A node that fails is replaced from those left over when
 * the requirement can still be met. Memory: at most `inFlightMax` requests of 16 segments (4 MiB) per upload.
 */
import { CodedError, errorMessage, isCodedError, parseHash32, systemClock } from '@cairn/base';
import type { FlowWriter, Submission } from '@cairn/chain';
import type { StripeCode } from '@cairn/erasure';
import type { Kernels } from '@cairn/kernels';
import { type FileTree, segmentCounts } from '@cairn/merkle';
import { type FileInfo, RPC_TEXT } from '@cairn/protocol';
import type { ScratchSpace } from './coded/scratch.ts';
import type { SegmentHasher } from './download.ts';
import { hashSource } from './hash.ts';
import type { NodeDirectory, StorageNode } from './nodes.ts';
import { Selection } from './selection.ts';
import type { UploadSource } from './source.ts';
import {
  entryOf,
  type SendJob,
  sendToNode,
  submissionLost,
  waitFinalized,
  waitForEntry,
} from './upload-node.ts';
import type { UploadState, UploadStateStore } from './upload-state.ts';

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
  /** The second file of a coded one. */
  parity?: ParityResult;
};
/** What became of a parity file; its fee is in that of the data. */
export type ParityResult = Pick<UploadResult, 'root' | 'txSeq' | 'size' | 'sentBytes' | 'nodes'> & {
  /** Fragments of a stripe of 16 segments of data. */
  code: StripeCode;
};
export type UploadDeps = {
  kernels: Kernels;
  directory: NodeDirectory;
  writer: () => Promise<FlowWriter>;
  flow: () => Promise<string>;
  /** Hashing in worker threads for sources that do not bring their own. */
  hasher?: SegmentHasher | undefined;
  /** Where parity is kept between its making and its sending; memory by default. */
  scratch?: ScratchSpace | undefined;
};

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
  const given =
    options.txSeq ?? state.txSeq ?? ((options.skipIfFinalized ?? true) ? known?.tx.seq : undefined);
  let feeWei = 0n;
  let block: number | undefined;
  const submit = async (): Promise<number> => {
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
    feeWei += submitted.feeWei;
    state.txSeq = submitted.seqs[0]!;
    state.txHash = submitted.txHash;
    block = submitted.blockNumber;
    await options.state?.save(state);
    return state.txSeq;
  };
  let txSeq = given ?? (await submit());
  let sentBytes = 0;
  const onSent = (bytes: number): void => {
    sentBytes += bytes;
    options.onProgress?.({
      phase: 'send',
      bytes: sentBytes,
      totalBytes: Math.max(sentBytes, source.size * selection.replicas),
    });
  };
  for (let attempt = 1; ; attempt++) {
    const place = txSeq;
    const isLost = (isTaken: boolean): Promise<boolean> => hasMoved(deps, state, place, isTaken);
    try {
      await sendEverywhere(
        { tree, source, txSeq, block, selection, state, options, isLost },
        timed,
        onSent,
      );
      break;
    } catch (error) {
      if (!isCodedError(error, 'SDK_SUBMISSION_LOST') || attempt >= SUBMIT_TRIES) throw error;
      state.acknowledged = {};
      const again = await findAgain(deps, state, tree, signal);
      block = again?.blockNumber;
      txSeq = again?.seq ?? (await submit());
      state.txSeq = txSeq;
      await options.state?.save(state);
    }
  }
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

/** Requests of 4 MiB in flight, over all nodes: 16 MiB cover a gigabit at 130 ms, and bound the client's memory. */
const IN_FLIGHT = 4;
/** Submissions of one upload, when reorgs drop them. */
const SUBMIT_TRIES = 5;
/** Times that one node is sent everything again, when reorgs take what it had. */
const RESEND_TRIES = 5;
const PENDING_TRIES = 120;
const PENDING_MS = 500;

type Timed = <T>(name: keyof UploadTimings, run: () => Promise<T>) => Promise<T>;

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

/** Serves every chosen node, and whoever replaces one that fails. */
async function sendEverywhere(
  outer: SendJob,
  timed: Timed,
  onSent: (bytes: number) => void,
): Promise<void> {
  const { selection } = outer;
  const stop = new AbortController();
  const signal = outer.options.signal
    ? AbortSignal.any([outer.options.signal, stop.signal])
    : stop.signal;
  const job: SendJob = { ...outer, options: { ...outer.options, signal } };
  const inFlight = Math.max(
    1,
    Math.floor((job.options.inFlightMax ?? IN_FLIGHT) / selection.chosen.length),
  );
  const serve = async (node: StorageNode, resends = 0): Promise<void> => {
    try {
      const info = await timed('waitMs', () => waitForEntry(node, job));
      if (!info.finalized)
        await timed('sendMs', () => sendToNode(node, info, job, inFlight, onSent));
      await timed('finalizeMs', () => waitFinalized(node, job));
    } catch (error) {
      signal.throwIfAborted();
      // A reorg that gave the file the same place again costs what the node had of it, not the node.
      if (isReorgRefusal(error) && resends < RESEND_TRIES) {
        delete job.state.acknowledged[node.client.url];
        return serve(node, resends + 1);
      }
      if (!isNodeFailure(error)) throw error;
      const entry = await entryOf(node, job).catch(() => 'silent' as const);
      signal.throwIfAborted(); // another node found the submission gone: this one did nothing wrong
      if (entry === undefined) throw submissionLost(job.txSeq);
      await Promise.all(selection.fail(node, error).map((next) => serve(next)));
    }
  };
  let failure: unknown;
  // One that fails for good stops the others; none goes on behind the caller's back.
  await Promise.all(
    [...selection.chosen].map((node) =>
      serve(node).catch((error: unknown) => {
        failure ??= error;
        stop.abort(error);
      }),
    ),
  );
  if (failure !== undefined) throw failure;
}

/** True when the transaction that made the submission no longer gives this place. */
async function hasMoved(
  deps: UploadDeps,
  state: UploadState,
  txSeq: number,
  isTaken: boolean,
): Promise<boolean> {
  if (!state.txHash) return isTaken; // somebody else's: nothing to go by but the nodes
  const found = await (await deps.writer()).transactionState(parseHash32(state.txHash));
  return found.state !== 'mined' || !found.submissions.some(({ seq }) => seq === txSeq);
}

/** The place a reorg gave to our transaction; undefined when it is gone. Waits while it is pending. */
async function findAgain(
  deps: UploadDeps,
  state: UploadState,
  tree: FileTree,
  signal: AbortSignal | undefined,
): Promise<Submission | undefined> {
  if (!state.txHash) return undefined;
  const writer = await deps.writer();
  for (let tries = 0; tries < PENDING_TRIES; tries++) {
    const found = await writer.transactionState(parseHash32(state.txHash));
    if (found.state === 'unknown') return undefined;
    if (found.state === 'mined')
      return found.submissions.find(
        ({ size, nodes }) =>
          size === tree.size &&
          nodes.length === tree.submissionNodes.length &&
          nodes.every(({ root }, i) => root === tree.submissionNodes[i]!.root),
      );
    await systemClock.sleep(PENDING_MS, signal);
  }
  return undefined;
}

function isReorgRefusal(error: unknown): boolean {
  if (isCodedError(error, 'SDK_SEGMENTS_LOST')) return true;
  const text = errorMessage(error);
  return text.includes(RPC_TEXT.reverted) || text.includes(RPC_TEXT.revertedWhile);
}

/** A failure of one node, as opposed to one of the file or of the user. */
function isNodeFailure(error: unknown): boolean {
  return (
    isCodedError(error) && (error.code.startsWith('RPC_') || error.code === 'SDK_NODE_TIMEOUT')
  );
}
