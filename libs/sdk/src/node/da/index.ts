export * from './challenge.ts';
export * from './direct.ts';
export * from './disperse.ts';
export * from './headers.ts';
export * from './members.ts';
export * from './retrieve.ts';
export * from './sample.ts';
export * from './through.ts';
