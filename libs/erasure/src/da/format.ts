/*
 * What a blob version and a shape mean: how many rows, where they lie on the code, how they are hashed. Sources:
 * spec/da-encoding.md sections 0, 1 and 4, design/da-protocol.md section 3.
 */
import { assert, divCeil, isPowerOfTwo } from '@cairn/base';
import type { RsLayout } from '../code/points.ts';
import { erasureError } from '../errors.ts';

/** First byte of a frame. 0x11 is the network's; 0x00 is rsema1d's (Fibre); 0x10 is 0x00 in the natural layout. */
export type BlobVersion = 0x00 | 0x10 | 0x11;

/** How many rows a blob has. Both counts and their sum are powers of two; the sum is at most 65,536. */
export type BlobShape = {
  /** The byte that stands for the shape in headers and in commitments of version 0x11. */
  id: number;
  /** Rows that carry the frame: K. */
  dataRows: number;
  /** Rows of redundancy: N. */
  parityRows: number;
};

/** The network's shapes by id, smallest first: K = 1024 * 4^id, N = 3 K. */
export const DA_SHAPES: readonly [s: BlobShape, m: BlobShape, l: BlobShape] = [
  { id: 0, dataRows: 1024, parityRows: 3072 },
  { id: 1, dataRows: 4096, parityRows: 12_288 },
  { id: 2, dataRows: 16_384, parityRows: 49_152 },
];

/** Everything a verifier must know besides the commitment. */
export type BlobFormat = {
  version: BlobVersion;
  shape: BlobShape;
  /** Bytes of one row: a multiple of 64, 64..32768. */
  rowBytes: number;
};

/** Bytes of a planar block: rows are whole blocks. */
export const ROW_BYTES_STEP = 64;
export const ROW_BYTES_MAX = 32_768;
/** Version byte and BE32 payload length. */
export const FRAME_HEADER_BYTES = 5;

/** How a version lays out and hashes rows. */
export type VersionRules = {
  layout: RsLayout;
  /** 0x01 in front of the two children of an inner node (RFC 6962). */
  nodePrefix: boolean;
  /** Rows are hashed as a tree of pieces of this many bytes; undefined: as one leaf. */
  pieceBytes: number | undefined;
  /** The commitment names version, shape and row size. */
  boundCommitment: boolean;
};

/** Bytes of a piece of a row, the unit of a challenge (the last one of a row may be shorter). */
export const PIECE_BYTES = 2048;

const RULES: Readonly<Record<BlobVersion, VersionRules>> = {
  0: {
    layout: 'leopard-high',
    nodePrefix: true,
    pieceBytes: undefined,
    boundCommitment: false,
  },
  16: { layout: 'natural', nodePrefix: true, pieceBytes: undefined, boundCommitment: false },
  17: { layout: 'natural', nodePrefix: false, pieceBytes: PIECE_BYTES, boundCommitment: true },
};

/** Rules of a version. */
export function versionRules(version: BlobVersion): VersionRules {
  return RULES[version];
}

/** Rows of a code word: n. */
export function rowCountOf(shape: BlobShape): number {
  return shape.dataRows + shape.parityRows;
}

/** Bytes of a row for a payload of `payloadBytes`: the smallest that fits, 64 bytes at a time. */
export function rowBytesFor(payloadBytes: number, shape: BlobShape): number {
  return (
    ROW_BYTES_STEP * divCeil(FRAME_HEADER_BYTES + payloadBytes, ROW_BYTES_STEP * shape.dataRows)
  );
}

/** Longest payload of a shape. DA-M: 128 MiB less the header. */
export function payloadBytesMax(shape: BlobShape): number {
  return Math.min(0xffff_ffff, shape.dataRows * ROW_BYTES_MAX - FRAME_HEADER_BYTES);
}

/** Asserts a shape the codec can work with; ours are in `DA_SHAPES`, others serve vectors and tests. */
export function assertShape(shape: BlobShape): void {
  const { id, dataRows, parityRows } = shape;
  assert(Number.isInteger(id) && id >= 0 && id <= 255, 'a shape id is a byte');
  assert(isPowerOfTwo(dataRows) && parityRows >= 1, 'a shape has rows');
  const rowCount = rowCountOf(shape);
  assert(isPowerOfTwo(rowCount) && rowCount <= 65_536, 'rows of a shape fit the field');
}

/** Asserts a format the codec can work with. */
export function assertFormat({ version, shape, rowBytes }: BlobFormat): void {
  assert(Object.hasOwn(RULES, version), 'a blob version exists');
  assertShape(shape);
  assert(rowBytes % ROW_BYTES_STEP === 0 && rowBytes > 0, 'a row is whole 64-byte blocks');
  assert(rowBytes <= ROW_BYTES_MAX, 'a row has 32 KiB at most');
}

/**
 * The format a stranger's header claims for a blob of the network. Throws `ERASURE_FORMAT` unless the version is 0x11, the
 * shape one of `DA_SHAPES`, `length` 1 or more and `rowBytes` exactly what `length` needs.
 */
export function parseBlobFormat(header: {
  version: number;
  shape: number;
  length: number;
  rowBytes: number;
}): BlobFormat {
  const { version, length, rowBytes } = header;
  const refuse = (message: string): Error => erasureError('ERASURE_FORMAT', message, { ...header });
  if (version !== 0x11) throw refuse(`blob version ${version} is not the network's`);
  const shape = DA_SHAPES.find(({ id }) => id === header.shape);
  if (!shape) throw refuse(`blob shape ${header.shape} does not exist`);
  if (!Number.isInteger(length) || length < 1 || length > payloadBytesMax(shape))
    throw refuse(`a blob of ${length} bytes does not fit shape ${shape.id}`);
  if (rowBytes !== rowBytesFor(length, shape))
    throw refuse(`${length} bytes need rows of ${rowBytesFor(length, shape)}, not ${rowBytes}`);
  return { version, shape, rowBytes };
}
