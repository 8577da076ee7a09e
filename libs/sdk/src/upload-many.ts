/*
 * Many files at once: hashed a group at a time, the new ones of a group submitted in one transaction, then sent a few
 * side by side. Files with equal bytes are sent once. Coded files are submitted one by one, each with its parity, which is encoded
 * while the file is hashed.
 */
import { forEachLimit } from '@cairn/base';
import { CODED_FILE_BYTES_MIN, type StripeCode } from '@cairn/erasure';
import type { FileTree } from '@cairn/merkle';
import { prepareCoded, sendCoded } from './coded/upload-coded.ts';
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

type Job = { index: number; source: UploadSource };
type HashedJob = Job & { tree: FileTree; hashMs: number };

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
  const { signal } = each;
  const results: UploadResult[] = new Array(count);
  for (let start = 0; start < count; start += batchSize) {
    await using opened = new AsyncDisposableStack();
    const plain: HashedJob[] = [];
    const coded: Job[] = [];
    for (let index = start; index < Math.min(count, start + batchSize); index++) {
      signal?.throwIfAborted();
      const source = await open(index);
      opened.defer(() => source[Symbol.asyncDispose]?.());
      if (code !== undefined && source.size >= CODED_FILE_BYTES_MIN) coded.push({ index, source });
      else plain.push(await hashJob(deps, { index, source }, each));
    }
    const distinct = [...new Map(plain.map((job) => [job.tree.root, job])).values()];
    const submitted = await submitNew(deps, distinct, each);
    const byRoot = new Map<string, Promise<UploadResult>>();
    /** Runs an upload unless one of the same bytes runs already. */
    const once = (root: string, index: number, run: () => Promise<UploadResult>) => {
      const running = byRoot.get(root);
      if (running) return running;
      const upload = run().then((result) => {
        onFile?.(result, index);
        return result;
      });
      byRoot.set(root, upload);
      return upload;
    };
    const limit = { limit: parallel, ...(signal ? { signal } : {}) };
    await forEachLimit(distinct, limit, ({ tree, source, index, hashMs }) =>
      once(tree.root, index, async () => {
        const made = submitted.get(tree.root);
        const result = await uploadFile(deps, source, { ...each, tree, txSeq: made?.txSeq });
        return {
          ...result,
          ...(made ? { txHash: made.txHash, feeWei: made.feeWei } : {}),
          timings: { ...result.timings, hashMs: result.timings.hashMs + hashMs },
        };
      }).then(() => undefined),
    );
    for (const { index, tree } of plain) results[index] = await byRoot.get(tree.root)!;
    await forEachLimit(coded, limit, async ({ source, index }) => {
      const asked = { ...each, code: code! };
      await using prepared = await prepareCoded(deps, source, asked);
      results[index] = await once(prepared.tree.root, index, () =>
        sendCoded(deps, source, prepared, asked),
      );
    });
  }
  return results;
}

async function hashJob(deps: UploadDeps, job: Job, options: UploadOptions): Promise<HashedJob> {
  const { signal, onProgress } = options;
  const { source } = job;
  let hashed = 0;
  const started = performance.now();
  const tree = await hashSource(deps.kernels, source, {
    signal,
    hasher: deps.hasher,
    onProgress: (bytes) => {
      hashed += bytes;
      onProgress?.({ phase: 'hash', bytes: hashed, totalBytes: source.size });
    },
  });
  return { ...job, tree, hashMs: performance.now() - started };
}

type Submitted = { txSeq: number; txHash: string; feeWei: bigint };

/** One transaction for every file of the group that the network does not know. */
async function submitNew(
  deps: UploadDeps,
  jobs: readonly HashedJob[],
  options: UploadOptions,
): Promise<Map<string, Submitted>> {
  const fresh: HashedJob[] = [];
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
