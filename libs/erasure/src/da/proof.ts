// What travels: rows with the hashes that tie them to a commitment. Layout of the parts: see tree.ts and multiproof.ts.

/** One row for somebody who has the blob's rlc (or does not check the encoding). */
export type RowProof = {
  index: number;
  /** `rowBytes` bytes. */
  row: Uint8Array;
  /** `log2 n` siblings of 32 bytes, from the leaf up. */
  path: Uint8Array;
};

/** One data row for somebody who has nothing but the commitment. */
export type DataRowProof = RowProof & {
  /** `log2 K` siblings of the row's leaf in the tree of combinations. */
  rlcPath: Uint8Array;
};

/** Rows for a member or a reader, with one proof for all of them. */
export type Shard = {
  /** Strictly increasing row numbers. */
  indices: readonly number[];
  /** `indices.length * rowBytes` bytes, in that order. */
  rows: Uint8Array;
  /** Multiproof of the rows under `rowRoot`. */
  siblings: Uint8Array;
  /** 32 bytes; believed only once it and `rlc` hash to the commitment. */
  rowRoot: Uint8Array;
  /** Linear combinations of the data rows, `16 K` bytes. */
  rlc: Uint8Array;
};

/** One piece of a row, as a challenge is answered on chain (version 0x11). */
export type PieceProof = {
  rowIndex: number;
  pieceIndex: number;
  /** 2048 bytes, fewer at the end of a row. */
  piece: Uint8Array;
  /** Siblings up to the row leaf. */
  piecePath: Uint8Array;
  /** `log2 n` siblings from the row leaf up to the row root. */
  rowPath: Uint8Array;
  /** 32 bytes. */
  rlcRoot: Uint8Array;
};
