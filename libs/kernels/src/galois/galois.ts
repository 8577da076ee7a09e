// Interfaces of the finite-field kernels: GF(2^8), GF(2^16), and F^8 with F = GF(2^16). Source: spec/da-encoding.md
// sections 2 to 8 and 12.

/** Bits of a symbol. 8: one byte. 16: planar 64-byte blocks, 32 low bytes then 32 high bytes. */
export type GaloisField = 8 | 16;

/**
 * What the bits of a stored element stand for. `cantor`, the default: coordinates in a Cantor basis, as in Leopard, rsema1d and
 * reed-solomon-simd. `polynomial`, GF(2^8) only: coefficients modulo 0x11d, as in most other Reed-Solomon libraries. There
 * the points 0 .. n-1 of a transform are theirs, so that a block of 2^t data rows and the blocks after it are the code words
 * of the systematic Vandermonde code of Backblaze, klauspost and reed-solomon-erasure.
 */
export type GaloisBasis = 'cantor' | 'polynomial';

/** Bytes of one planar block of GF(2^16); rows of that field are a multiple of it. */
export const GALOIS_BLOCK_BYTES = 64;

/** What every job on rows has. Rows lie one after another; row `i` of a buffer starts at byte `i * rowBytes`. */
export type RowJob = {
  field: GaloisField;
  basis?: GaloisBasis | undefined;
  /** Multiple of 64 for GF(2^16), any positive number for GF(2^8). */
  rowBytes: number;
  /**
   * The part of every row to work on, bytes [start, end) of it, multiples of 64 for GF(2^16); the rest of the target stays as
   * it is. Symbol columns are independent, so this is how work is shared between threads. Default: whole rows.
   */
  columns?: { start: number; end: number } | undefined;
};

/**
 * One additive-FFT re-evaluation of a polynomial per symbol column. With c = `blockRows`:
 *
 *     coefficients = XOR over source blocks t of IFFT(c source rows from row t c, at point sourcePoint + t c)
 *     target block j = FFT(coefficients, at point targetPoint + j c)
 *
 * Blocks cut short by `sourceRows` are filled with zero rows; of a target block cut short by `targetRows` only those rows are
 * given. Source and target may share a buffer when no row is in both.
 */
export type TransformJob = RowJob & {
  /** Power of two. */
  blockRows: number;
  /** `sourceRows * rowBytes` bytes. */
  source: Uint8Array;
  sourceRows: number;
  /** Multiple of `blockRows`. */
  sourcePoint: number;
  /** Receives `targetRows * rowBytes` bytes. */
  target: Uint8Array;
  targetRows: number;
  /** Multiple of `blockRows`. */
  targetPoint: number;
};

/**
 * A matrix times rows: target row i = XOR over j of `constants[i * k + j]` times source row j, for k source rows and
 * `constants.length / k` target rows. Faster than a transform for few rows (RS(10,4), repair of one row). No row is both
 * read and written.
 */
export type MatrixJob = RowJob & {
  /** Row by row, `targetCount * sourceCount` elements of the field. */
  constants: ArrayLike<number>;
  source: Uint8Array;
  /** Which rows of `source`, in the order of the columns of the matrix. Default: all of them. */
  sourceRows?: ArrayLike<number> | undefined;
  target: Uint8Array;
  /** Which rows of `target` to write. Default: the first ones. */
  targetRows?: ArrayLike<number> | undefined;
};

/**
 * Erasure decoding of one code word per symbol column (section 12): scale, IFFT, formal derivative, FFT, scale.
 * Position p of the code word takes row `inputRows[p]` of `input` times `inputScale[p]` (zero when -1), and goes to row
 * `outputRows[p]` of `output` times `outputScale[p]` (nowhere when -1). No row is both read and written.
 */
export type RecoverJob = RowJob & {
  /** Positions, a power of two. */
  size: number;
  input: Uint8Array;
  inputRows: Int32Array;
  inputScale: Uint16Array;
  output: Uint8Array;
  outputRows: Int32Array;
  outputScale: Uint16Array;
};

/** One linear combination per row: out row i = XOR over symbols j of sym(i, j) * coefficient j, limb by limb. */
export type CombineJob = {
  /** `rowCount * rowBytes` bytes; rowBytes is a multiple of 64. */
  rows: Uint8Array;
  rowBytes: number;
  /** 16 bytes (8 limbs, LE16) per symbol: `8 * rowBytes` bytes. */
  coefficients: Uint8Array;
  /** 16 bytes per row. */
  out?: Uint8Array | undefined;
};

export type MulAddJob = {
  field: GaloisField;
  basis?: GaloisBasis | undefined;
  /** Equal lengths, a multiple of 64 bytes for GF(2^16). They are one array or disjoint. */
  target: Uint8Array;
  source: Uint8Array;
  constant: number;
};

/** Finite-field work on whole rows. Inputs are views and are not changed; sizes are asserted. Every backend gives the same bytes. */
export interface GaloisKernels {
  /**
   * `bytes` bytes, any content, on which this backend works without a copy: in WASM its own linear memory, up to 128 MiB (other
   * memory beyond that), which the next call gives out again. Elsewhere new bytes. Rows that live in it save the staging
   * of every transform, matrix and combination (1.1 to 1.5 times as fast).
   */
  workspace(bytes: number): Uint8Array;
  /** `target ^= constant * source`. */
  mulAdd(job: MulAddJob): void;
  multiplyMatrix(job: MatrixJob): void;
  transform(job: TransformJob): void;
  recover(job: RecoverJob): void;
  /** Returns `out`, or 16 new bytes per row. */
  combineRows(job: CombineJob): Uint8Array;
}
