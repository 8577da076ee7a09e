export {
  type FieldTables,
  fieldInverse,
  fieldMul,
  fieldTables,
  type TwiddleTables,
  twiddleTables,
} from './galois/field.ts';
export * from './galois/galois.ts';
export * from './keccak/keccak.ts';
export { segmentRootOf, segmentRootsOf } from './keccak/segment-roots.ts';
export * from './kernels.ts';
export * from './load.ts';
export * from './mining/mining.ts';
export { referenceKernels } from './reference.ts';
export { hashPieceTrees, pieceLevel } from './sha256/piece-trees.ts';
export { hashPieces, type PiecesJob } from './sha256/pieces.ts';
export type { Sha256Kernels, Sha256ManyOptions } from './sha256/sha256.ts';
export * from './tasks/tasks.ts';
export { wasmKernels } from './wasm.ts';
export type { WasmSimd } from './wasm-module.ts';
export type { XorKernels } from './xor/xor.ts';
