import { CodedError } from '@cairn/base';
import type { HashFailure } from './hash-worker.ts';

/** Why a call to a pool was refused or failed. */
export type KernelsErrorCode =
  | 'KERNELS_QUEUE_FULL'
  | 'KERNELS_READ_FAILED'
  | 'KERNELS_FILE_CHANGED'
  | 'KERNELS_WORKER_DIED'
  | 'KERNELS_POOL_CLOSED';

const coded = (
  code: KernelsErrorCode,
  options: Omit<ConstructorParameters<typeof CodedError>[0], 'code'>,
): CodedError => new CodedError({ code, ...options });

export const poolClosed = (): CodedError =>
  coded('KERNELS_POOL_CLOSED', { kind: 'cancelled', message: 'kernel pool closed' });

export const queueFull = (queueMax: number): CodedError =>
  coded('KERNELS_QUEUE_FULL', {
    kind: 'exhausted',
    message: `more than ${queueMax} calls waiting for a kernel thread`,
    details: { queueMax },
  });

export const workerDied = (exitCode: number, cause: unknown): CodedError =>
  coded('KERNELS_WORKER_DIED', {
    kind: 'unavailable',
    message: 'a kernel thread died',
    details: { exitCode },
    cause,
  });

/** What a thread reports: reading went wrong. Bugs in a kernel end the thread instead. */
export function jobFailed(failure: HashFailure): CodedError {
  if (failure.reason === 'short') {
    return coded('KERNELS_FILE_CHANGED', {
      kind: 'conflict',
      message: failure.message,
      hint: 'wait until nothing writes to the file and try again',
    });
  }
  return coded('KERNELS_READ_FAILED', {
    kind: failure.errno === 'ENOENT' ? 'not_found' : 'unavailable',
    message: failure.message,
    details: { errno: failure.errno },
  });
}
