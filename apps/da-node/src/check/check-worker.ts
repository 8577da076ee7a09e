// A thread that checks rows, one job at a time.
import { parentPort, workerData } from 'node:worker_threads';
import { errorMessage, isCodedError } from '@cairn/base';
import type { KernelBackend } from '@cairn/kernels';
import { loadNodeKernels } from '@cairn/kernels/node';
import { type CheckJob, runCheck } from './job.ts';

const { backend } = workerData as { backend: 'auto' | KernelBackend };
const { kernels } = await loadNodeKernels(backend);

parentPort!.on('message', (job: CheckJob) => {
  const rows = job.rows.buffer as ArrayBuffer;
  try {
    const checked = runCheck(kernels, job);
    parentPort!.postMessage({ rows: job.rows, checked }, [
      rows,
      checked.paths.buffer as ArrayBuffer,
    ]);
  } catch (error) {
    if (!isCodedError(error)) throw error;
    const { code, kind, details } = error;
    parentPort!.postMessage({ failure: { code, kind, details, message: errorMessage(error) } });
  }
});
