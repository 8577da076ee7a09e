export * from './accumulator.ts';
export * from './batch.ts';
export * from './builder.ts';
export * from './constants.ts';
export { bytesToText, compareBytes } from './key-text.ts';
export * from './permissions.ts';
export * from './replay.ts';
export * from './results.ts';
export * from './tags.ts';
