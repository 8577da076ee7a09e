import { CodedError } from './errors.ts';

declare const brand: unique symbol;
/** A `T` that cannot be mixed up with another brand at compile time. A brand of a brand is assignable to the outer one. */
export type Brand<T, Name extends string> = T & {
  readonly [brand]: { readonly [K in Name]: true };
};

export type Hex = `0x${string}`;
/** 32 bytes as `0x` + 64 lowercase digits. */
export type Hash32 = Brand<Hex, 'Hash32'>;
/** Merkle root of a file's padded sectors (lowercase hex). */
export type DataRoot = Brand<Hash32, 'DataRoot'>;
/** 20-byte account or contract address, lowercase hex. */
export type Address = Brand<Hex, 'Address'>;
/** Index of a submission in the flow, from 0 without gaps. */
export type TxSeq = Brand<number, 'TxSeq'>;
/** Index of a 256-byte sector in the flow. */
export type SectorIndex = Brand<number, 'SectorIndex'>;
/** Index of a 256 KiB segment, in a file or in the flow as the name of the variable says. */
export type SegmentIndex = Brand<number, 'SegmentIndex'>;

const HASH32 = /^0x[0-9a-f]{64}$/;
const ADDRESS = /^0x[0-9a-f]{40}$/;

function invalid(what: string, expected: string, actual: unknown): CodedError {
  return new CodedError({
    code: 'BASE_INVALID_VALUE',
    kind: 'invalid',
    message: `${what}: expected ${expected}, got ${String(actual).slice(0, 80)}`,
    details: { what, expected, actual },
  });
}

/** Parses any letter case into a lowercase `Hash32`. Throws `BASE_INVALID_VALUE`. */
export function parseHash32(value: unknown, what = 'hash'): Hash32 {
  const lower = typeof value === 'string' ? value.toLowerCase() : '';
  if (!HASH32.test(lower)) throw invalid(what, '0x and 64 hex digits', value);
  return lower as Hash32;
}

/** As `parseHash32`, for a file root. */
export function parseDataRoot(value: unknown): DataRoot {
  return parseHash32(value, 'root') as DataRoot;
}

/** Parses any letter case into a lowercase `Address`. Throws `BASE_INVALID_VALUE`. */
export function parseAddress(value: unknown, what = 'address'): Address {
  const lower = typeof value === 'string' ? value.toLowerCase() : '';
  if (!ADDRESS.test(lower)) throw invalid(what, '0x and 40 hex digits', value);
  return lower as Address;
}

function position(value: number, what: string): number {
  if (!Number.isSafeInteger(value) || value < 0)
    throw invalid(what, 'an integer from 0 to 2^53-1', value);
  return value;
}

export const toTxSeq = (value: number): TxSeq => position(value, 'txSeq') as TxSeq;
export const toSectorIndex = (value: number): SectorIndex =>
  position(value, 'sector index') as SectorIndex;
export const toSegmentIndex = (value: number): SegmentIndex =>
  position(value, 'segment index') as SegmentIndex;

/** A uint256 from the ABI edge as a position; refuses what a `number` cannot hold exactly. */
export function positionFromBigint(value: bigint, what = 'position'): number {
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER))
    throw invalid(what, 'at most 2^53-1', value);
  return Number(value);
}
