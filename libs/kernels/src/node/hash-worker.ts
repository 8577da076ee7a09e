// One hashing thread. Jobs arrive as messages; input is shared memory or a file range; roots are posted back. Anything but a
// failing read is a bug and ends the thread, which the pool reports and replaces.
import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { errorMessage } from '@cairn/base';
import { SECTOR_BYTES, TREE_LEAVES_MAX } from '../keccak/keccak.ts';
import { segmentRootsOf } from '../keccak/segment-roots.ts';
import type { KernelBackend } from '../kernels.ts';
import { loadNodeKernels } from './load.ts';

export type HashJob = { id: number; lastLeafCount: number } & (
  | { kind: 'bytes'; data: Uint8Array }
  | { kind: 'file'; path: string; start: number; end: number }
);
/** `short`: the file ended before the range did. `read`: the system refused; `errno` says how. */
export type HashFailure = { reason: 'short' | 'read'; message: string; errno: string | undefined };
export type HashReply =
  | { id: number; kind: 'done'; roots: Uint8Array }
  | ({ id: number; kind: 'failed' } & HashFailure);

/** Stays in the cache between the read and the hash; a multiple of the segment. */
const BLOCK_BYTES = 1024 * 1024;
const SEGMENT_BYTES = SECTOR_BYTES * TREE_LEAVES_MAX;
const port = parentPort!;
const { backend } = workerData as { backend: 'auto' | KernelBackend };
const { kernels } = await loadNodeKernels(backend);
const block = new Uint8Array(BLOCK_BYTES);

class ShortRead extends Error {}

/** Fills `target` from `position` of an open file. */
function readFully(file: number, target: Uint8Array, position: number): void {
  for (let got = 0; got < target.length; ) {
    const n = readSync(file, target, got, target.length - got, position + got);
    if (n === 0) throw new ShortRead();
    got += n;
  }
}

function hashFile(job: HashJob & { kind: 'file' }): HashReply {
  const { id, path, start, end } = job;
  const roots = new Uint8Array(32 * Math.ceil((end - start) / SEGMENT_BYTES));
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    for (let at = start; at < end; at += BLOCK_BYTES) {
      const data = block.subarray(0, Math.min(BLOCK_BYTES, end - at));
      readFully(file, data, at);
      const leaves = at + data.length === end ? job.lastLeafCount : TREE_LEAVES_MAX;
      roots.set(segmentRootsOf(kernels, data, leaves), (32 * (at - start)) / SEGMENT_BYTES);
    }
  } catch (error) {
    if (error instanceof ShortRead) {
      const message = `${path} became shorter while it was read`;
      return { id, kind: 'failed', reason: 'short', message, errno: undefined };
    }
    if (!(error instanceof Error && 'errno' in error && 'code' in error)) throw error;
    const message = errorMessage(error);
    return { id, kind: 'failed', reason: 'read', message, errno: String(error.code) };
  } finally {
    if (file !== undefined) closeSync(file);
  }
  return { id, kind: 'done', roots };
}

port.on('message', (job: HashJob) => {
  if (job.kind === 'file') return port.postMessage(hashFile(job));
  const roots = segmentRootsOf(kernels, job.data, job.lastLeafCount);
  port.postMessage({ id: job.id, kind: 'done', roots } satisfies HashReply);
});

// Compile the hot path before the first job: WASM runs at half speed until its functions are optimised.
for (let i = 0; i < 4; i++) kernels.sectorTreeRoots(block, TREE_LEAVES_MAX);
port.postMessage('ready');
