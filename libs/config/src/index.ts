export * from './kernels.ts';
export * from './key-file.ts';
export * from './load.ts';
export * from './process.ts';
export * from './secret.ts';
