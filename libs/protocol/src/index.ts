export * from './coded.ts';
export * from './constants.ts';
export * from './devnet-file.ts';
export * from './directory.ts';
export * from './presets.ts';
export * from './segment-frame.ts';
export * from './shard.ts';
export * from './zgs.ts';
