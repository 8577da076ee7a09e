/*
 * Linear memory of the finite-field module. Rows travel through it a column range at a time: a range of every row is copied
 * in ("staged"), worked on in narrower stripes that stay in cache, and copied out. Ranges are wide enough that the calls of
 * `set` do not count, and small enough that few rows stay in cache.
 *
 *     tables of GF(2^8), both bases | bits of GF(2^16) | pointers | matrix tables | coefficients | GF(2^16) twiddles | work | stage | workspace
 */
import { assert } from '@cairn/base';
import { GALOIS_WASM } from '../generated/galois-wasm.ts';
import { instantiateWasm, type WasmSimd } from '../wasm-module.ts';
import { fieldMul, twiddleTables } from './field.ts';
import type { GaloisBasis, GaloisField } from './galois.ts';

/** Layers `d` (and `d + 1`) of an FFT, from rows at `s`, `ss` apart, to rows at `t`, `ts` apart; groups that begin below `limit`. */
type Pass = (
  s: number,
  ss: number,
  t: number,
  ts: number,
  d: number,
  off: number,
  limit: number,
  width: number,
) => void;
type Matrix = (
  tables: number,
  sources: number,
  sourceCount: number,
  targets: number,
  accumulate: boolean,
  width: number,
) => void;
type Combine = (
  tile: number,
  count: number,
  coefficients: number,
  bits: number,
  sums: number,
) => void;

export type GaloisExports = Record<`${'fft' | 'ifft'}${GaloisField}Pass${2 | 4}`, Pass> &
  Record<`matrix8x${1 | 2 | 3 | 4}` | `matrix16x${1 | 2}`, Matrix> & {
    memory: WebAssembly.Memory;
    combine4: Combine;
    combine8: Combine;
    useTables(t8: number, twiddles: number, t16: number): void;
    heapBase(): number;
    xorRows(target: number, source: number, bytes: number): void;
    doubleTables(tables: number, bytes: number, unit: number, tableBytes: number): void;
    tableOf16(bits: number, constant: number, out: number): void;
    gatherBlocks(rows: number, stride: number, count: number, tile: number): void;
  };

/** A rectangle of bytes in linear memory: row i is at `at + i * stride`. */
export type Region = { at: number; stride: number };

const KIB = 1024;
/** Source rows one matrix call takes; the rest is added by further calls. */
export const MATRIX_ROWS_MAX = 128;
/** Bytes of a coefficient table of the widest staged range of a combination. */
export const COMBINE_WIDTH_MAX = 64 * KIB;
const WORK_BYTES = 8 * KIB * KIB;
/** All rows of a 32 MiB blob with its parity. */
const WORKSPACE_BYTES = 128 * KIB * KIB;
const PAGE_BYTES = 64 * KIB;
/** A staged range aims at this much in all (it leaves the second-level cache to the caller's rows), and at this much per row. */
const STAGE_BYTES = 256 * KIB;
const STAGE_WIDTH = 2 * KIB;

export const roundUp = (value: number, unit: number): number => Math.ceil(value / unit) * unit;

/** `constant * symbol` for 16 symbols: the value of a nibble at bit `shift`. */
function nibbleProducts(
  field: GaloisField,
  constant: number,
  shift: number,
  basis: GaloisBasis,
): number[] {
  return Array.from({ length: 16 }, (_, v) => fieldMul(field, constant, v << shift, basis));
}

export class GaloisMemory {
  readonly wasm: GaloisExports;
  /** Views of the whole memory: other ones after `workspace`. */
  bytes: Uint8Array;
  words: Uint32Array;
  /** Tables of the constants 1, 2, 4, … of GF(2^16), 128 bytes each. */
  readonly bits: number;
  /** `MATRIX_ROWS_MAX` source addresses, then 4 target addresses. */
  readonly sources: number;
  readonly targets: number;
  readonly matrixTables: number;
  readonly coefficients: number;
  readonly work: number;
  readonly workBytes: number = WORK_BYTES;
  readonly #tables8: number;
  readonly #twiddles8: number;
  readonly #tables16: number;
  readonly #stage: number;
  readonly #stageBytes: number;
  /** Where the workspace begins, once it was asked for. */
  #workspace: number | undefined;
  /** Even constants of GF(2^16) that have a table. */
  #tables16Count = 1;

  constructor(wasm: GaloisExports) {
    this.wasm = wasm;
    this.bytes = new Uint8Array(wasm.memory.buffer);
    this.words = new Uint32Array(wasm.memory.buffer);
    let next = roundUp(wasm.heapBase(), 64);
    const take = (bytes: number): number => {
      const at = next;
      next += roundUp(bytes, 64);
      return at;
    };
    this.#tables8 = take(2 * 256 * 32);
    this.#twiddles8 = take(2 * 8 * 256);
    this.bits = take(16 * 128);
    this.sources = take(4 * MATRIX_ROWS_MAX);
    this.targets = take(4 * 4);
    this.matrixTables = take(MATRIX_ROWS_MAX * 2 * 128);
    this.coefficients = take(8 * COMBINE_WIDTH_MAX);
    this.#tables16 = take(128 * 32_768);
    this.work = take(WORK_BYTES);
    this.#stage = next;
    this.#stageBytes = this.bytes.length - next;
    this.#fillTables8();
    this.#fillBits();
  }

  #fillTables8(): void {
    for (const [b, basis] of (['cantor', 'polynomial'] as const).entries()) {
      for (let constant = 0; constant < 256; constant++) {
        const at = this.#tables8 + (b * 256 + constant) * 32;
        this.bytes.set(nibbleProducts(8, constant, 0, basis), at);
        this.bytes.set(nibbleProducts(8, constant, 4, basis), at + 16);
      }
      for (const [d, layer] of twiddleTables(8, basis).layers.entries())
        this.bytes.set(layer, this.#twiddles8 + (b * 8 + d) * 256);
    }
  }

  #fillBits(): void {
    for (let bit = 0; bit < 16; bit++) {
      for (let nibble = 0; nibble < 4; nibble++) {
        const products = nibbleProducts(16, 1 << bit, 4 * nibble, 'cantor');
        const at = this.bits + bit * 128 + nibble * 32;
        this.bytes.set(
          products.map((value) => value & 255),
          at,
        );
        this.bytes.set(
          products.map((value) => value >> 8),
          at + 16,
        );
      }
    }
  }

  /** Makes the tables ready for transforms over the points below `points`. */
  useField(field: GaloisField, basis: GaloisBasis | undefined, points: number): void {
    const b = basis === 'polynomial' ? 1 : 0;
    if (field === 16) {
      for (; 2 * this.#tables16Count < points; this.#tables16Count *= 2) {
        const unit = this.bits + 128 * (1 + Math.log2(this.#tables16Count));
        this.wasm.doubleTables(this.#tables16, 128 * this.#tables16Count, unit, 128);
      }
    }
    const tables8 = this.#tables8 + b * 256 * 32;
    this.wasm.useTables(tables8, this.#twiddles8 + b * 8 * 256, this.#tables16);
  }

  /** Writes the table of a constant to `at`, a multiple of 4: 128 bytes, 32 for GF(2^8). */
  writeTable(
    field: GaloisField,
    basis: GaloisBasis | undefined,
    constant: number,
    at: number,
  ): void {
    if (field === 16) {
      this.wasm.tableOf16(this.bits, constant, at);
      return;
    }
    // Word by word: `copyWithin` costs ten times as much at this length.
    const table = (this.#tables8 + ((basis === 'polynomial' ? 256 : 0) + constant) * 32) / 4;
    for (let i = 0; i < 8; i++) this.words[at / 4 + i] = this.words[table + i]!;
  }

  /** Widest range of columns, a multiple of 64, that `rowCount` rows (and 3 more) fit the stage with. */
  stageWidth(rowCount: number, width: number, widthMax = Number.POSITIVE_INFINITY): number {
    const rows = rowCount + 3;
    const wanted = Math.max(STAGE_WIDTH, STAGE_BYTES / rows);
    const fits = Math.min(wanted, this.#stageBytes / rows, widthMax);
    assert(fits >= 64, 'galois: too many rows');
    return Math.min(roundUp(width, 64), Math.floor(fits / 64) * 64);
  }

  /** See `GaloisKernels.workspace`. */
  workspace(bytes: number): Uint8Array {
    if (bytes > WORKSPACE_BYTES) return new Uint8Array(bytes);
    this.#workspace ??= this.#grow(WORKSPACE_BYTES);
    return this.bytes.subarray(this.#workspace, this.#workspace + bytes);
  }

  /** Adds memory at the end and returns its address. Happens once: growing detaches every view given out before. */
  #grow(bytes: number): number {
    const at = this.bytes.length;
    this.wasm.memory.grow(bytes / PAGE_BYTES);
    this.bytes = new Uint8Array(this.wasm.memory.buffer);
    this.words = new Uint32Array(this.wasm.memory.buffer);
    return at;
  }

  /**
   * Where columns [start, end) of rows lie when kernels can use them in place: in this memory, and no part of 64 bytes beside
   * them is touched.
   */
  direct(rows: Uint8Array, rowBytes: number, start: number, end: number): Region | undefined {
    if (rows.buffer !== this.bytes.buffer || (end - start) % 64 !== 0) return undefined;
    return { at: rows.byteOffset + start, stride: rowBytes };
  }

  /** Rows of the stage, `stride` bytes each, from row `firstRow`. */
  stage(stride: number, firstRow = 0): Region {
    return { at: this.#stage + firstRow * stride, stride };
  }

  /** Copies `width` bytes at `start` of rows [first, first + count) of `rows` into a region. */
  copyIn(
    region: Region,
    rows: Uint8Array,
    part: { rowBytes: number; start: number; width: number; first: number; count: number },
  ): void {
    const { rowBytes, start, width, first, count } = part;
    if (width === rowBytes && region.stride === rowBytes) {
      this.bytes.set(rows.subarray(first * rowBytes, (first + count) * rowBytes), region.at);
      return;
    }
    for (let i = 0, from = first * rowBytes + start; i < count; i++, from += rowBytes)
      this.bytes.set(rows.subarray(from, from + width), region.at + i * region.stride);
  }

  /** The way back. */
  copyOut(
    region: Region,
    rows: Uint8Array,
    part: { rowBytes: number; start: number; width: number; first: number; count: number },
  ): void {
    const { rowBytes, start, width, first, count } = part;
    if (width === rowBytes && region.stride === rowBytes) {
      const end = region.at + count * rowBytes;
      rows.set(this.bytes.subarray(region.at, end), first * rowBytes);
      return;
    }
    for (let i = 0, to = first * rowBytes + start, at = region.at; i < count; i++) {
      rows.set(this.bytes.subarray(at, at + width), to);
      to += rowBytes;
      at += region.stride;
    }
  }
}

/** Compiles and instantiates the module (a few ms); `simd` forces a build. Throws where WASM SIMD is missing. */
export async function createGaloisMemory(simd?: WasmSimd): Promise<GaloisMemory> {
  return new GaloisMemory(await instantiateWasm<GaloisExports>(GALOIS_WASM, { simd }));
}
