// One thread of a task pool. Tasks arrive as messages whose arrays are on shared memory; a task that throws is a bug and ends
// the thread, which the pool reports and replaces.
import { parentPort, workerData } from 'node:worker_threads';
import type { KernelBackend } from '../kernels.ts';
import { type KernelTask, runTask } from '../tasks/tasks.ts';
import { loadNodeKernels } from './load.ts';

const port = parentPort!;
const { backend } = workerData as { backend: 'auto' | KernelBackend };
const { kernels } = await loadNodeKernels(backend);

port.on('message', (task: KernelTask) => {
  runTask(kernels, task);
  port.postMessage('done');
});
port.postMessage('ready');
