export * from './kernels.ts';
export * from './load.ts';
export { referenceKernels } from './reference.ts';
export { segmentRootOf, segmentRootsOf } from './segment-roots.ts';
export { wasmKernels } from './wasm.ts';
