// One node's part of an upload: wait until it sees the submission, send its segments, wait until it has them all.
import { CodedError, errorMessage, forEachLimit, systemClock } from '@cairn/base';
import { type FileTree, segmentCounts } from '@cairn/merkle';
import {
  type FileInfo,
  RPC_TEXT,
  SECTORS_PER_SEGMENT,
  SEGMENTS_PER_CALL_MAX,
  shardHolds,
} from '@cairn/protocol';
import type { StorageNode } from './nodes.ts';
import { BATCH_BYTES, readSegments, sendSegments } from './segments.ts';
import type { Selection } from './selection.ts';
import type { UploadSource } from './source.ts';
import type { UploadOptions } from './upload.ts';
import { IndexSet, type UploadState } from './upload-state.ts';

export type SendJob = {
  tree: FileTree;
  source: UploadSource;
  txSeq: number;
  /** Block of our own transaction. A node that has not reached it may still show the same file of a chain that is gone. */
  block: number | undefined;
  selection: Selection;
  state: UploadState;
  options: UploadOptions;
  /** Asks the chain whether the submission is still where it was; `isTaken` when a node has another file there. */
  isLost: (isTaken: boolean) => Promise<boolean>;
};
const POLL_MS = 100;
const ENTRY_TIMEOUT_MS = 120_000;
const FINALIZE_TIMEOUT_MS = 600_000;
const BUSY_TRIES = 30;
/** The state is saved after this much time or this share of a node's bytes, whichever comes first. */
const STATE_EVERY_MS = 500;
const STATE_EVERY_SHARE = 0.02;
/** How long a node may not know the submission before the chain is asked. */
const LOST_CHECK_MS = 2000;
/** How long a node may lack segments that it acknowledged before they are sent again. */
const LACKING_MS = 3000;

/** A node lacks segments that it acknowledged: a reorg moved the file and took them along. */
export function segmentsLost(url: string): CodedError {
  return new CodedError({
    code: 'SDK_SEGMENTS_LOST',
    kind: 'conflict',
    message: `${url} lost segments to a reorganization of the chain`,
    hint: 'run the same command again',
    details: { url },
  });
}

/** The submission is not on the chain any more, or not at this place. */
export function submissionLost(txSeq: number): CodedError {
  return new CodedError({
    code: 'SDK_SUBMISSION_LOST',
    kind: 'conflict',
    message: `the chain was reorganized: submission ${txSeq} is not this file any more`,
    hint: 'run the same command again',
  });
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

export function waitForEntry(
  node: StorageNode,
  { txSeq, tree, block, options, isLost }: SendJob,
): Promise<FileInfo> {
  const { signal } = options;
  let checkedAt = systemClock.monotonic();
  return poll(
    `${node.client.url} to see submission ${txSeq}`,
    ENTRY_TIMEOUT_MS,
    signal,
    async () => {
      const info = await node.client.getFileInfoByTxSeq(txSeq, { signal, timeoutMs: 10_000 });
      if (info?.tx.dataMerkleRoot === tree.root) {
        if (block === undefined) return info;
        const { logSyncHeight } = await node.client.getStatus({ signal, timeoutMs: 10_000 });
        return logSyncHeight >= block ? info : undefined;
      }
      // Another file at this place, or nothing for a while: the chain tells whether ours is still there.
      if (info || systemClock.monotonic() - checkedAt > LOST_CHECK_MS) {
        checkedAt = systemClock.monotonic();
        if (await isLost(info !== null)) throw submissionLost(txSeq);
      }
      return undefined;
    },
  );
}

/** Throws `SDK_SEGMENTS_LOST` when the node stays short of what it acknowledged. */
export function waitFinalized(node: StorageNode, job: SendJob): Promise<true> {
  const acknowledged = new IndexSet(job.state.acknowledged[node.client.url] ?? []).size;
  let lackingSince: number | undefined;
  return poll(
    `${node.client.url} to finalize submission ${job.txSeq}`,
    FINALIZE_TIMEOUT_MS,
    job.options.signal,
    async () => {
      const info = await entryOf(node, job);
      if (!info) throw submissionLost(job.txSeq);
      if (info.finalized) return true;
      if (info.uploadedSegNum >= acknowledged) {
        lackingSince = undefined;
        return undefined;
      }
      const now = systemClock.monotonic();
      lackingSince ??= now;
      if (now - lackingSince > LACKING_MS) throw segmentsLost(node.client.url);
      return undefined;
    },
  );
}

/** What a node has at our place, if it is ours. */
export async function entryOf(
  { client }: StorageNode,
  { txSeq, tree, options }: SendJob,
): Promise<FileInfo | undefined> {
  const info = await client.getFileInfoByTxSeq(txSeq, {
    signal: options.signal,
    timeoutMs: 10_000,
  });
  return info?.tx.dataMerkleRoot === tree.root ? info : undefined;
}

export async function sendToNode(
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
  /** One for each request in flight. */
  const memories: Uint8Array[] = [];
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
  let unsaved = 0;
  const save = async (): Promise<void> => {
    savedAt = systemClock.monotonic();
    unsaved = 0;
    state.acknowledged[url] = done.toRanges();
    await options.state?.save(state);
  };
  try {
    await forEachLimit(
      batches(),
      { limit: inFlight, ...(options.signal ? { signal: options.signal } : {}) },
      async (batch, signal) => {
        const memory = memories.pop() ?? new Uint8Array(BATCH_BYTES);
        const segments = await readSegments(source, batch, memory);
        await sendPatiently(
          () => sendSegments(node.client, tree, txSeq, segments, { signal, timeoutMs: 120_000 }),
          signal,
        );
        memories.push(memory); // a failed one is not used again: it may still be on its way
        for (const { index, data } of segments) {
          done.add(index);
          unsaved += data.length;
          onSent(data.length);
        }
        const isDue =
          systemClock.monotonic() - savedAt > STATE_EVERY_MS ||
          unsaved > source.size * STATE_EVERY_SHARE;
        if (options.state && isDue) await save();
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
