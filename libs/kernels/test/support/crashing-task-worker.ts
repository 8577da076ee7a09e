// A task thread that dies on rows whose first byte is 1 (by throwing) or 2 (by exiting). Everything else it runs.
import { parentPort } from 'node:worker_threads';
import { type KernelTask, referenceKernels, runTask } from '../../src/index.ts';

const kernels = referenceKernels();
parentPort!.on('message', (task: KernelTask) => {
  if (task.kind === 'hashPieceTrees' && task.job.rows[0] === 1) throw new Error('out of luck');
  if (task.kind === 'hashPieceTrees' && task.job.rows[0] === 2) process.exit(7);
  runTask(kernels, task);
  parentPort!.postMessage('done');
});
parentPort!.postMessage('ready');
