/*
 * Which rows a member holds (da-protocol.md section 3). Members own runs of positions, by weight: a partition of all n rows
 * that a contract recomputes in O(1). A four-round Feistel permutation keyed by the commitment says which row lies at a
 * position, so an encoder cannot aim bad rows at a victim. Only 4·2^h round values differ per commitment: they are tabulated
 * (512 hashes for DA-M), after which a position costs four lookups.
 */
import { assert, type Hash32, log2Exact } from '@cairn/base';
import { encodeWords, hashToUint, hashWords, keccak } from './abi.ts';
import { quorumError } from './errors.ts';
import { TAG_ROWS, TAG_SAMPLE } from './tags.ts';
import type { Domain } from './vrf.ts';

/** Code words of the network: K data rows, n = 4K rows in all. */
export type Shape = {
  code: number;
  name: 'DA-S' | 'DA-M' | 'DA-L';
  dataRows: number;
  rows: number;
};

export const SHAPES: readonly Shape[] = [
  { code: 0, name: 'DA-S', dataRows: 1024, rows: 4096 },
  { code: 1, name: 'DA-M', dataRows: 4096, rows: 16_384 },
  { code: 2, name: 'DA-L', dataRows: 16_384, rows: 65_536 },
];

export const ROW_BYTES_MIN = 64;
export const ROW_BYTES_MAX = 32_768;
/** Version byte and length of the frame (spec/da-encoding.md section 4). */
export const FRAME_HEADER_BYTES = 5;
/** Rows per member below which a shape is too small. */
export const ROWS_PER_MEMBER_MIN = 64;
/** Distinct rows that convince a member: 100 bits at rate 1/4. */
export const SAMPLES = 148;
const ROUNDS = 4;
/** Where the low four bytes of the second and third word lie. */
const ROUND_AT = 60;
const RIGHT_AT = 92;

export function shapeOf(code: number): Shape {
  const shape = SHAPES[code];
  if (!shape) throw quorumError('QUORUM_HEADER', `unknown shape ${code}`, { shape: code });
  return shape;
}

/** `64·ceil((5 + length)/(64·K))`. */
export function rowBytes(shape: Shape, length: number): number {
  return 64 * Math.ceil((FRAME_HEADER_BYTES + length) / (64 * shape.dataRows));
}

/** The smallest shape with `n ≥ 64·members` and room for `length` bytes. Throws `QUORUM_HEADER` when none fits. */
export function chooseShape(memberCount: number, length: number): Shape {
  for (const shape of SHAPES) {
    if (shape.rows < ROWS_PER_MEMBER_MIN * memberCount) continue;
    if (rowBytes(shape, length) <= ROW_BYTES_MAX) return shape;
  }
  throw quorumError('QUORUM_HEADER', 'no shape has room for this blob and quorum', {
    memberCount,
    length,
  });
}

/** Weight of one member within its quorum. Exact: `n·weight` stays below 2^16·2^48, computed in bigint. */
export type Share = { weightBefore: number; weight: number; totalWeight: number };

/** Positions `[start, end)` of a member. Over all members they cover `[0, rows)` exactly once. */
export function memberPositions(share: Share, rows: number): { start: number; end: number } {
  const n = BigInt(rows);
  const total = BigInt(share.totalWeight);
  const before = BigInt(share.weightBefore);
  return {
    start: Number((n * before) / total),
    end: Number((n * (before + BigInt(share.weight))) / total),
  };
}

export type RowKeyInput = {
  epoch: number;
  quorum: number;
  mix: Hash32;
  commitment: Hash32;
};

/** Key of the permutation of one commitment. */
export function rowKey(entrance: Domain, input: RowKeyInput): Hash32 {
  return hashWords(
    TAG_ROWS,
    entrance.chainId,
    entrance.contract,
    input.epoch,
    input.quorum,
    input.mix,
    input.commitment,
  );
}

/** `position → row` of one commitment, tabulated. `rows` is an even power of two. */
export class RowPermutation {
  readonly rows: number;
  private readonly bits: number;
  private readonly mask: number;
  private readonly table: Uint16Array;

  constructor(key: Hash32, rows: number) {
    const bits = log2Exact(rows);
    assert(2 ** bits === rows && bits % 2 === 0 && bits <= 16, 'rows is an even power of two');
    this.rows = rows;
    this.bits = bits / 2;
    const side = 2 ** this.bits;
    this.mask = side - 1;
    this.table = new Uint16Array(ROUNDS * side);
    // K(abi(key, round, right)) over words that are written in place: every node makes this table for every blob.
    const words = encodeWords([key, 0, 0]);
    const view = new DataView(words.buffer);
    for (let round = 0; round < ROUNDS; round++) {
      view.setUint32(ROUND_AT, round);
      for (let right = 0; right < side; right++) {
        view.setUint32(RIGHT_AT, right);
        const hash = keccak(words);
        // The low 16 bits of the hash hold everything below 2^h.
        this.table[round * side + right] = ((hash[30]! << 8) | hash[31]!) & this.mask;
      }
    }
  }

  /** Row at a position in `[0, rows)`. */
  rowAt(position: number): number {
    assert(position >= 0 && position < this.rows, 'position in range');
    let left = position >>> this.bits;
    let right = position & this.mask;
    const side = this.mask + 1;
    for (let round = 0; round < ROUNDS; round++) {
      const next = left ^ this.table[round * side + right]!;
      left = right;
      right = next;
    }
    return (left << this.bits) | right;
  }

  /** Position that holds a row: the rounds backwards. */
  positionOf(row: number): number {
    assert(row >= 0 && row < this.rows, 'row in range');
    let left = row >>> this.bits;
    let right = row & this.mask;
    const side = this.mask + 1;
    for (let round = ROUNDS - 1; round >= 0; round--) {
      const before = right ^ this.table[round * side + left]!;
      right = left;
      left = before;
    }
    return (left << this.bits) | right;
  }
}

/** Rows a member keeps, serves and answers for, in the order of its positions. */
export function custodyRows(permutation: RowPermutation, share: Share): number[] {
  const { start, end } = memberPositions(share, permutation.rows);
  return Array.from({ length: end - start }, (_, i) => permutation.rowAt(start + i));
}

/**
 * Rows a member checks and drops, in the order of their draw: as many as make custody + sample `samples` distinct rows. They
 * convince a light member that its own rows belong to one code word.
 */
export function sampleRows(
  input: { epoch: number; member: number; commitment: Hash32 },
  options: { custody: readonly number[]; rows: number; samples?: number },
): number[] {
  const { custody, rows, samples = SAMPLES } = options;
  const seen = new Set(custody);
  const drawn: number[] = [];
  const want = Math.min(samples, rows);
  // Ends: a draw is new with probability ≥ 1 - samples/rows, and rows ≥ 4096 on the network.
  for (let j = 0; seen.size < want; j++) {
    const hash = hashWords(TAG_SAMPLE, input.epoch, input.member, input.commitment, j);
    const row = Number(hashToUint(hash) % BigInt(rows));
    if (seen.has(row)) continue;
    seen.add(row);
    drawn.push(row);
  }
  return drawn;
}

/** Where a member's rows come from: everything that decides them. */
export type AssignmentInput = RowKeyInput & Share & { entrance: Domain; member: number };

/** Custody and sample rows of one member for one commitment. */
export function assignRows(
  input: AssignmentInput,
  permutation: RowPermutation,
): { custody: number[]; sample: number[] } {
  const custody = custodyRows(permutation, input);
  return { custody, sample: sampleRows(input, { custody, rows: permutation.rows }) };
}
