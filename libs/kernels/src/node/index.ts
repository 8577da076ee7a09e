export {
  createHashPool,
  type HashCallOptions,
  type HashFileOptions,
  type HashPool,
  type HashPoolOptions,
} from './hash-pool.ts';
export * from './load.ts';
export * from './native.ts';
export type { KernelsErrorCode } from './pool-errors.ts';
export { createTaskPool, type TaskPool, type TaskPoolOptions } from './task-pool.ts';
