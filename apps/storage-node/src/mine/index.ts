// What benchmarks run of a node's mining; nodes themselves are composed in node.ts.
export { createSealCodec, encodeSealTag } from './seal-tag.ts';
export { SealedCopy } from './sealed-copy.ts';
export { Search, type SearchHit, type SearchTask } from './search.ts';
