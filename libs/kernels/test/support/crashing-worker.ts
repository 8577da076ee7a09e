// A hash thread that dies: on data whose first byte is 1 by throwing, 2 by exiting. Everything else it hashes.
import { parentPort } from 'node:worker_threads';
import { referenceKernels, segmentRootsOf } from '../../src/index.ts';
import type { HashJob } from '../../src/node/hash-worker.ts';

parentPort!.on('message', (job: HashJob) => {
  if (job.kind === 'file') throw new Error('no files here');
  if (job.data[0] === 1) throw new Error('out of luck');
  if (job.data[0] === 2) process.exit(7);
  const roots = segmentRootsOf(referenceKernels(), job.data, job.lastLeafCount);
  parentPort!.postMessage({ id: job.id, kind: 'done', roots });
});
parentPort!.postMessage('ready');
