export * from './bundle.ts';
export * from './coded.ts';
export * from './constants.ts';
export * from './devnet-file.ts';
export * from './directory.ts';
export {
  checkEntryName,
  compareNames,
  type DirectoryEntry,
  type DirectoryFile,
  type DirectoryFolder,
  type DirectoryLink,
  findEntry,
  walkDirectory,
} from './directory-tree.ts';
export * from './presets.ts';
export * from './receipt.ts';
export * from './row-upload.ts';
export * from './segment-frame.ts';
export * from './shard.ts';
export * from './zgs.ts';
