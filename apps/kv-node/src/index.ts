// What tests and benchmarks outside of this app start or drive; everything else is internal.
export { type KvConfig, kvConfigSchema } from './config.ts';
export { type KvNode, startKvNode } from './node.ts';
export { Walker } from './read/walker.ts';
export type { BatchFetcher } from './replay/fetcher.ts';
export { Replayer } from './replay/replayer.ts';
export { valueMethods } from './rpc/values.ts';
export { KvState } from './store/kv-state.ts';
export { MIGRATIONS } from './store/schema.ts';
