export * from './files.ts';
export * from './folder.ts';
export * from './resumable.ts';
