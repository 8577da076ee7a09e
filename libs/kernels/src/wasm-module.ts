// Instantiates what scripts/build-wasm.ts generated.

/** The builds of one module, base64. `relaxed` uses relaxed SIMD and gives the same bytes. */
export type WasmBuilds = { readonly strict: string; readonly relaxed?: string };

/** Which SIMD a module was built for. */
export type WasmSimd = 'strict' | 'relaxed';

function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text);
  const out = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) out[i] = binary.charCodeAt(i);
  return out;
}

/**
 * The relaxed build where this engine accepts it, else the strict one; `simd` forces one of them (tests). Throws where WASM
 * SIMD is missing.
 */
export async function compileWasm(
  builds: WasmBuilds,
  simd?: WasmSimd,
): Promise<{ module: WebAssembly.Module; simd: WasmSimd }> {
  if (builds.relaxed !== undefined && simd !== 'strict') {
    const relaxed = decodeBase64(builds.relaxed);
    if (WebAssembly.validate(relaxed))
      return { module: await WebAssembly.compile(relaxed), simd: 'relaxed' };
  }
  return { module: await WebAssembly.compile(decodeBase64(builds.strict)), simd: 'strict' };
}

/** Compiles and instantiates; `memory` for modules that import theirs. */
export async function instantiateWasm<Exports>(
  builds: WasmBuilds,
  options: { simd?: WasmSimd | undefined; memory?: WebAssembly.Memory } = {},
): Promise<Exports> {
  const { module } = await compileWasm(builds, options.simd);
  const instance = await WebAssembly.instantiate(module, {
    env: { abort: () => {}, ...(options.memory ? { memory: options.memory } : {}) },
  });
  return instance.exports as unknown as Exports;
}
