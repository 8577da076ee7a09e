// Finite-field kernels on one thread: every backend at the shapes the codecs use. Rates are of data (source rows), and for
// mulAdd of the source.
import { type GaloisKernels, wasmKernels } from '@cairn/kernels';
import { nativeBackend } from './backends.ts';
import { type BenchCase, type BenchRatio, interleave, ratio, type Suite } from './harness.ts';

const KIB = 1024;
const MIB = KIB * KIB;

/** `workspace`: the rows lie in the kernels' own memory, which in WASM saves copies. */
type Variant = { name: string; galois: GaloisKernels; workspace: boolean };

/** Bytes for rows that are no pattern the caches could profit from. */
function memoryFor({ galois, workspace }: Variant, bytes: number): Uint8Array {
  const out = workspace ? galois.workspace(bytes) : new Uint8Array(bytes);
  for (let i = 0, state = 1; i < bytes; i += 61) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    out[i] = state >>> 24;
  }
  return out;
}

function repeat(times: number, run: () => void): () => void {
  return () => {
    for (let i = 0; i < times; i++) run();
  };
}

type Shape = { field: 8 | 16; data: number; parity: number; rowBytes: number; times: number };

function transformCase(
  variant: Variant,
  { field, data, parity, rowBytes, times }: Shape,
): BenchCase {
  const rows = memoryFor(variant, (data + parity) * rowBytes);
  const job = {
    field,
    ...(field === 8 ? { basis: 'polynomial' as const } : {}),
    blockRows: data,
    rowBytes,
    source: rows.subarray(0, data * rowBytes),
    sourceRows: data,
    sourcePoint: 0,
    target: rows.subarray(data * rowBytes),
    targetRows: parity,
    targetPoint: data,
  };
  return {
    name: `kernels.transform/backend=${variant.name}/field=${field}/rows=${data}+${parity}/rowBytes=${rowBytes}`,
    bytes: times * data * rowBytes,
    cpu: true,
    run: repeat(times, () => variant.galois.transform(job)),
  };
}

function matrixCase(variant: Variant): BenchCase {
  const [rowBytes, sources, targets, times] = [64 * KIB, 10, 4, 256];
  const rows = memoryFor(variant, (sources + targets) * rowBytes);
  const job = {
    field: 8 as const,
    rowBytes,
    source: rows.subarray(0, sources * rowBytes),
    target: rows.subarray(sources * rowBytes),
    constants: Array.from({ length: sources * targets }, (_, i) => (i * 37 + 2) % 256),
  };
  return {
    name: `kernels.multiplyMatrix/backend=${variant.name}/field=8/rows=10x4/rowBytes=${rowBytes}`,
    bytes: times * sources * rowBytes,
    cpu: true,
    run: repeat(times, () => variant.galois.multiplyMatrix(job)),
  };
}

function recoverCase(variant: Variant): BenchCase {
  const [size, kept, rowBytes] = [16_384, 4096, 2 * KIB];
  const rows = memoryFor(variant, 2 * kept * rowBytes);
  const inputRows = new Int32Array(size).fill(-1);
  const outputRows = new Int32Array(size).fill(-1);
  for (let i = 0; i < kept; i++) {
    inputRows[kept + 3 * i] = i;
    outputRows[i] = i;
  }
  const scale = Uint16Array.from({ length: size }, (_, p) => p * 4 + 3);
  const job = {
    ...{ field: 16 as const, size, rowBytes, inputRows, outputRows },
    ...{ inputScale: scale, outputScale: scale },
    input: rows.subarray(0, kept * rowBytes),
    output: rows.subarray(kept * rowBytes),
  };
  return {
    name: `kernels.recover/backend=${variant.name}/field=16/rows=${kept}of${size}/rowBytes=${rowBytes}`,
    bytes: kept * rowBytes,
    cpu: true,
    run: () => variant.galois.recover(job),
  };
}

function combineCase(variant: Variant): BenchCase {
  const [count, rowBytes] = [4096, 8 * KIB];
  const rows = memoryFor(variant, count * rowBytes);
  const coefficients = memoryFor({ ...variant, workspace: false }, 8 * rowBytes);
  const out = new Uint8Array(16 * count);
  return {
    name: `kernels.combineRows/backend=${variant.name}/rows=${count}/rowBytes=${rowBytes}`,
    bytes: count * rowBytes,
    cpu: true,
    run: () => variant.galois.combineRows({ rows, rowBytes, coefficients, out }),
  };
}

function mulAddCase(variant: Variant, field: 8 | 16): BenchCase {
  const [bytes, times] = [64 * KIB, 1024];
  const rows = memoryFor({ ...variant, workspace: false }, 2 * bytes);
  const job = {
    field,
    constant: 77,
    source: rows.subarray(0, bytes),
    target: rows.subarray(bytes),
  };
  return {
    name: `kernels.mulAdd/backend=${variant.name}/field=${field}/bytes=${bytes}`,
    bytes: times * bytes,
    cpu: true,
    run: repeat(times, () => variant.galois.mulAdd(job)),
  };
}

const SHAPES: readonly Shape[] = [
  { field: 16, data: 4096, parity: 12_288, rowBytes: KIB, times: 2 },
  { field: 16, data: 4096, parity: 12_288, rowBytes: 8 * KIB, times: 1 },
  { field: 16, data: 16, parity: 16, rowBytes: 256 * KIB, times: 16 },
  { field: 8, data: 64, parity: 64, rowBytes: 64 * KIB, times: 16 },
];
/** What a WASM workspace holds. */
const WORKSPACE_BYTES = 128 * MIB;

function casesOf(variant: Variant): BenchCase[] {
  const fitting = SHAPES.filter(
    ({ data, parity, rowBytes }) =>
      !variant.workspace || (data + parity) * rowBytes <= WORKSPACE_BYTES,
  );
  return [
    ...fitting.map((shape) => transformCase(variant, shape)),
    matrixCase(variant),
    combineCase(variant),
    ...(variant.workspace
      ? []
      : [recoverCase(variant), mulAddCase(variant, 8), mulAddCase(variant, 16)]),
  ];
}

/** Targets of native code over WASM on the same memory, by operation. */
const NATIVE_TARGETS: readonly (readonly [string, number])[] = [
  ['kernels.multiplyMatrix', 2],
  ['kernels.transform/backend=native/field=8', 1.1],
  ['kernels.transform/backend=native/field=16/rows=4096', 1.2],
  ['kernels.combineRows', 2],
];

async function run(options: { rounds?: number; signal?: AbortSignal }): ReturnType<Suite['run']> {
  const native = nativeBackend();
  const relaxed = (await wasmKernels('relaxed')).galois;
  const strict = (await wasmKernels('strict')).galois;
  const variants: Variant[] = [
    { name: 'wasm', galois: relaxed, workspace: false },
    { name: 'wasm-workspace', galois: relaxed, workspace: true },
    { name: 'wasm-strict-workspace', galois: strict, workspace: true },
    ...(native.kernels
      ? [{ name: 'native', galois: native.kernels.galois, workspace: false }]
      : []),
  ];
  const cases = variants.flatMap(casesOf);
  const rows = await interleave(cases, {
    rounds: options.rounds ?? 5,
    warmups: 2,
    signal: options.signal,
  });
  const measured = new Set(rows.map(({ name }) => name));
  const ratios: BenchRatio[] = [];
  for (const of of measured) {
    const target = NATIVE_TARGETS.find(([prefix]) => of.startsWith(prefix))?.[1];
    const other = (name: string): string => of.replace(/backend=[^/]*/, `backend=${name}`);
    if (of.includes('=native/')) ratios.push(ratio(rows, of, other('wasm'), target));
    if (of.includes('=wasm-workspace/')) {
      ratios.push(ratio(rows, of, other('wasm')), ratio(rows, of, other('wasm-strict-workspace')));
    }
  }
  return {
    rows,
    ratios,
    notes: [
      'one thread; rates are of source rows; transforms: n+m rows are n coefficients evaluated at m more points',
      'wasm: rows in memory of the caller, copied in and out; wasm-workspace: rows in the linear memory, up to 128 MiB',
      'backends give the same bytes: libs/kernels/test/galois',
      native.kernels ? `native: ${native.isa}` : `native: not measured, ${native.reason}`,
    ],
  };
}

export const suite: Suite = {
  description: 'Finite-field kernels: transforms, matrices, recovery, row combination, by backend',
  run,
};
