export * from './keccak/keccak.ts';
export { segmentRootOf, segmentRootsOf } from './keccak/segment-roots.ts';
export * from './kernels.ts';
export * from './load.ts';
export { referenceKernels } from './reference.ts';
export { wasmKernels } from './wasm.ts';
export type { WasmSimd } from './wasm-module.ts';
