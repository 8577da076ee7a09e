export * from './client.ts';
export * from './download.ts';
export * from './hash.ts';
export * from './nodes.ts';
export * from './source.ts';
export * from './upload.ts';
export * from './upload-state.ts';
