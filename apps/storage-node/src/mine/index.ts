// What benchmarks run of a node's mining; nodes themselves are composed in node.ts.
export { SealedStore } from './sealed-store.ts';
export { Search, type SearchHit, type SearchTask } from './search.ts';
