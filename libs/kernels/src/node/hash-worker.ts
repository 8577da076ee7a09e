// One hashing thread. Jobs arrive as messages; input is shared memory or a file range; results are posted back.
import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { errorMessage } from '@cairn/base';
import type { KernelBackend, Kernels } from '../kernels.ts';
import { segmentRootsOf } from '../segment-roots.ts';
import { loadNodeKernels } from './load.ts';

export type HashJob = { id: number; lastLeafCount: number } & (
  | { kind: 'bytes'; data: Uint8Array }
  | { kind: 'file'; path: string; start: number; end: number }
);
export type HashReply =
  | { id: number; kind: 'done'; roots: Uint8Array }
  | { id: number; kind: 'progress'; bytes: number }
  | { id: number; kind: 'failed'; message: string; code: string | undefined };

const BLOCK_BYTES = 1024 * 1024;
const SEGMENT_BYTES = 262_144;
const port = parentPort!;
const { backend } = workerData as { backend: 'auto' | KernelBackend };
const { kernels } = await loadNodeKernels(backend);
kernels.sectorTreeRoots(new Uint8Array(SEGMENT_BYTES), 1024); // compile the hot path before the first job

function hashFile(job: HashJob & { kind: 'file' }, hash: Kernels): Uint8Array {
  const file = openSync(job.path, 'r');
  try {
    const buffer = new Uint8Array(BLOCK_BYTES);
    const roots = new Uint8Array(32 * Math.ceil((job.end - job.start) / SEGMENT_BYTES));
    for (let at = job.start; at < job.end; at += BLOCK_BYTES) {
      const wanted = Math.min(BLOCK_BYTES, job.end - at);
      let got = 0;
      while (got < wanted) {
        const n = readSync(file, buffer, got, wanted - got, at + got);
        if (n === 0) throw new Error(`${job.path} became shorter while it was read`);
        got += n;
      }
      const isLast = at + wanted === job.end;
      const block = segmentRootsOf(
        hash,
        buffer.subarray(0, wanted),
        isLast ? job.lastLeafCount : 1024,
      );
      roots.set(block, (32 * (at - job.start)) / SEGMENT_BYTES);
      port.postMessage({ id: job.id, kind: 'progress', bytes: wanted } satisfies HashReply);
    }
    return roots;
  } finally {
    closeSync(file);
  }
}

port.on('message', (job: HashJob) => {
  try {
    const roots =
      job.kind === 'file'
        ? hashFile(job, kernels)
        : segmentRootsOf(kernels, job.data, job.lastLeafCount);
    port.postMessage({ id: job.id, kind: 'done', roots } satisfies HashReply);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
    port.postMessage({
      id: job.id,
      kind: 'failed',
      message: errorMessage(error),
      code,
    } satisfies HashReply);
  }
});
port.postMessage('ready');
