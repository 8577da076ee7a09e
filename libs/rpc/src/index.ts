export * from './call.ts';
export * from './indexer-client.ts';
export * from './kv-client.ts';
export * from './node-client.ts';
export * from './rpc-error.ts';
export * from './transport.ts';
