export * from './disperse.ts';
export * from './members.ts';
export * from './retrieve.ts';
