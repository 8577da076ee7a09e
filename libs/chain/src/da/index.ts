export * from './assignment.ts';
export type { ConfirmedAt, FoundBlob } from './confirmed.ts';
export { encodeBlockHeader } from './header.ts';
export * from './operator.ts';
export * from './reader.ts';
export * from './rollup-verifier.ts';
export * from './types.ts';
