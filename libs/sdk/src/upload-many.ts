/*
 * Many files at once: hashed a group at a time, the new ones of a group submitted in one transaction, then sent a few
 * side by side. Files with equal bytes are sent once. Coded files are submitted one by one, each with its parity.
 */
import { forEachLimit } from '@cairn/base';
import { CODED_FILE_BYTES_MIN, type StripeCode } from '@cairn/erasure';
import type { FileTree } from '@cairn/merkle';
import { uploadCoded } from './coded/upload-coded.ts';
import { hashSource } from './hash.ts';
import type { UploadSource } from './source.ts';
import {
  findSubmission,
  type UploadDeps,
  type UploadOptions,
  type UploadResult,
  uploadFile,
} from './upload.ts';

export type UploadManyOptions = Omit<UploadOptions, 'tree' | 'txSeq'> & {
  /** Files submitted in one transaction, default 32. */
  batchSize?: number | undefined;
  /** Codes files of 8 MiB and more; smaller ones are kept as copies. */
  code?: StripeCode | undefined;
  /** Files sent side by side, default 4. */
  parallel?: number | undefined;
  /** After every file that is stored. */
  onFile?: ((result: UploadResult, index: number) => void) | undefined;
};

type Job = { index: number; source: UploadSource; tree: FileTree; hashMs: number };

/**
 * Stores files and returns their results in order. `open` is called once a file, when its turn comes, so that only the
 * files of one group are open; it must close what it opened when its result is disposed.
 */
export async function uploadMany(
  deps: UploadDeps,
  count: number,
  open: (index: number) => Promise<UploadSource & Partial<AsyncDisposable>>,
  options: UploadManyOptions,
): Promise<UploadResult[]> {
  const { batchSize = 32, parallel = 4, code, onFile, onProgress, ...rest } = options;
  // Progress is that of one file; of many, `onFile` tells.
  const each = count === 1 ? { ...rest, onProgress } : rest;
  const results: UploadResult[] = new Array(count);
  for (let start = 0; start < count; start += batchSize) {
    await using opened = new AsyncDisposableStack();
    const jobs: Job[] = [];
    for (let index = start; index < Math.min(count, start + batchSize); index++) {
      each.signal?.throwIfAborted();
      const source = await open(index);
      opened.defer(() => source[Symbol.asyncDispose]?.());
      const { signal } = each;
      let hashed = 0;
      const started = performance.now();
      const tree = await hashSource(deps.kernels, source, {
        signal,
        hasher: deps.hasher,
        onProgress: (bytes) => {
          hashed += bytes;
          if (count === 1) onProgress?.({ phase: 'hash', bytes: hashed, totalBytes: source.size });
        },
      });
      jobs.push({ index, source, tree, hashMs: performance.now() - started });
    }
    const distinct = [...new Map(jobs.map((job) => [job.tree.root, job])).values()];
    const isCoded = ({ source }: Job): boolean =>
      code !== undefined && source.size >= CODED_FILE_BYTES_MIN;
    const plain = distinct.filter((job) => !isCoded(job));
    const submitted = await submitNew(deps, plain, each);
    const byRoot = new Map<string, UploadResult>();
    await forEachLimit(
      distinct,
      { limit: parallel, ...(each.signal ? { signal: each.signal } : {}) },
      async (job) => {
        const { tree, source, index, hashMs } = job;
        const made = submitted.get(tree.root);
        const result =
          code !== undefined && isCoded(job)
            ? await uploadCoded(deps, source, { ...each, tree, code })
            : await uploadFile(deps, source, { ...each, tree, txSeq: made?.txSeq });
        const complete = {
          ...result,
          ...(made ? { txHash: made.txHash, feeWei: made.feeWei } : {}),
          timings: { ...result.timings, hashMs: result.timings.hashMs + hashMs },
        };
        byRoot.set(tree.root, complete);
        onFile?.(complete, index);
      },
    );
    for (const { index, tree } of jobs) results[index] = byRoot.get(tree.root)!;
  }
  return results;
}

type Submitted = { txSeq: number; txHash: string; feeWei: bigint };

/** One transaction for every file of the group that the network does not know. */
async function submitNew(
  deps: UploadDeps,
  jobs: readonly Job[],
  options: UploadOptions,
): Promise<Map<string, Submitted>> {
  const fresh: Job[] = [];
  for (const job of jobs)
    if ((await findSubmission(deps, job.tree, options)) === undefined) fresh.push(job);
  const out = new Map<string, Submitted>();
  if (fresh.length === 0) return out;
  const { seqs, txHash, feeWei } = await (await deps.writer()).submit(
    fresh.map(({ source, tree }) => ({
      size: source.size,
      nodes: tree.submissionNodes,
      ...(options.tags ? { tags: options.tags } : {}),
    })),
    { signal: options.signal },
  );
  const flow = await deps.flow();
  for (const [i, { tree }] of fresh.entries()) {
    const txSeq = seqs[i]!;
    // The transaction's fee is told once, with its first file.
    out.set(tree.root, { txSeq, txHash, feeWei: i === 0 ? feeWei : 0n });
    const { root, size } = tree;
    await options.state?.save({ root, size, flow, txSeq, txHash, acknowledged: {} });
  }
  return out;
}

/** What several uploads sent and paid together. */
export function uploadTotals(results: readonly UploadResult[]): {
  sentBytes: number;
  feeWei: bigint;
  segments: number;
} {
  return {
    sentBytes: results.reduce(
      (sum, result) => sum + result.sentBytes + (result.parity?.sentBytes ?? 0),
      0,
    ),
    feeWei: results.reduce((sum, result) => sum + result.feeWei, 0n),
    segments: results.reduce((sum, result) => sum + result.segments, 0),
  };
}
