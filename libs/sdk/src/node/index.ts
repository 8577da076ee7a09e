export * from './files.ts';
export * from './folder.ts';
export * from './resumable.ts';
export * from './scratch.ts';
