export * from './hash-pool.ts';
export * from './load.ts';
export * from './native.ts';
