// What a kernel family hands to scripts/build-wasm.ts: one AssemblyScript module, generated or read from a file.

export type WasmModuleSource = {
  /** `<name>-wasm.ts` under src/generated; exports `<NAME>_WASM`. */
  name: string;
  /** Linear memory in pages of 64 KiB, allocated at start: growing it detaches every view. */
  pages: number;
  /** Where it may grow to, when that is more. */
  pagesMax?: number;
  /** Builds to make. A `relaxed` one is chosen at load where `WebAssembly.validate` accepts it. */
  builds: readonly ('strict' | 'relaxed')[];
  /** The memory comes from outside and threads may share it. */
  sharedMemory?: boolean;
  /** AssemblyScript text of one build. */
  source(build: 'strict' | 'relaxed'): string;
};
