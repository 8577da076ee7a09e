export * from './database.ts';
export * from './disk.ts';
export * from './memory-disk.ts';
export * from './segment-store.ts';
