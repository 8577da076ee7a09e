export * from './file-tree.ts';
export * from './flow-siblings.ts';
export * from './flow-tree.ts';
export * from './partial-tree.ts';
export * from './proof.ts';
export * from './shape.ts';
export * from './sub-segment.ts';
export { foldRight, hashPair, zeroHash, zeroTree } from './zero.ts';
