export * from './load.ts';
export * from './secret.ts';
