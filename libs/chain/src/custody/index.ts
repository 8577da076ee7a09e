export * from './calls.ts';
export { type CustodyReaderOptions, createCustodyReader } from './reader.ts';
export * from './types.ts';
