/*
 * Writes test/vectors/blob-0x11.json with the twin of `reference.ts` alone (nothing of src):
 *
 *     node --conditions=source libs/erasure/test/da/make-vectors.ts          about two minutes
 *
 * The contracts run the piece proofs. Shapes with ids below 200 are the network's; others exist for the vectors only.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesToHex, concatBytes } from '@cairn/base';
import { sha256 } from '@noble/hashes/sha2.js';
import {
  combinationOf,
  encodeRows,
  extendByTables,
  frameOf,
  leafOf,
  piecesOf,
  type TwinFormat,
  treePath,
  twinBlob,
} from '../reference.ts';

const VERSION = 0x11;
const hex = (bytes: Uint8Array): string => bytesToHex(bytes);
const sha = (bytes: Uint8Array): string => hex(sha256(bytes));

/** The payload every case encodes: byte i of `bytes`. */
function payloadOf(bytes: number): Uint8Array {
  const out = new Uint8Array(bytes);
  for (let i = 0; i < bytes; i++) out[i] = i * 31 + (i >> 8) * 17 + (i >> 16) * 7 + 5;
  return out;
}

type Wanted = {
  shapeId: number;
  dataRows: number;
  payloadBytes: number;
  /** Pieces to prove: [row, piece]. */
  pieces: [number, number][];
};

const CASES: Wanted[] = [
  {
    shapeId: 200,
    dataRows: 4,
    payloadBytes: 1,
    pieces: [
      [0, 0],
      [3, 0],
      [4, 0],
      [15, 0],
    ],
  },
  {
    shapeId: 200,
    dataRows: 4,
    payloadBytes: 251,
    pieces: [
      [1, 0],
      [9, 0],
    ],
  },
  {
    shapeId: 200,
    dataRows: 4,
    payloadBytes: 252,
    pieces: [
      [2, 0],
      [10, 0],
    ],
  },
  // Rows of 2048, 2112, 4160 and 10304 bytes: one whole piece, two, three and six pieces, the last ones short.
  {
    shapeId: 200,
    dataRows: 4,
    payloadBytes: 8_187,
    pieces: [
      [0, 0],
      [15, 0],
    ],
  },
  {
    shapeId: 200,
    dataRows: 4,
    payloadBytes: 8_188,
    pieces: [
      [0, 0],
      [0, 1],
      [13, 0],
      [13, 1],
    ],
  },
  {
    shapeId: 200,
    dataRows: 4,
    payloadBytes: 16_500,
    pieces: [
      [5, 0],
      [5, 1],
      [5, 2],
    ],
  },
  {
    shapeId: 201,
    dataRows: 16,
    payloadBytes: 164_000,
    pieces: [
      [0, 0],
      [17, 1],
      [33, 2],
      [48, 3],
      [62, 4],
      [63, 5],
    ],
  },
  // The network's shapes.
  {
    shapeId: 0,
    dataRows: 1024,
    payloadBytes: 60_000,
    pieces: [
      [0, 0],
      [1023, 0],
      [4095, 0],
    ],
  },
  {
    shapeId: 0,
    dataRows: 1024,
    payloadBytes: 4_200_000,
    pieces: [
      [0, 0],
      [1024, 1],
      [4095, 2],
    ],
  },
  {
    shapeId: 1,
    dataRows: 4096,
    payloadBytes: 200_000,
    pieces: [
      [1, 0],
      [4096, 0],
      [16_383, 0],
    ],
  },
];

function build({ shapeId, dataRows, payloadBytes, pieces }: Wanted): unknown {
  const rowBytes = 64 * Math.ceil((5 + payloadBytes) / (64 * dataRows));
  const parityRows = 3 * dataRows;
  const format: TwinFormat = { version: VERSION, shapeId, dataRows, parityRows, rowBytes };
  const data = frameOf(format, payloadOf(payloadBytes));
  const parity =
    dataRows > 16 ? extendByTables(data, parityRows) : encodeRows('natural', data, parityRows);
  const blob = twinBlob(format, data, parity);
  const limbs = (index: number): string => hex(new Uint8Array(blob.coefficients.at(index)!.buffer));
  return {
    format: { ...format, payloadBytes },
    paritySha256: sha(concatBytes(...parity)),
    rowRoot: hex(blob.rowRoot),
    coefficientFirst: limbs(0),
    coefficientLast: limbs(-1),
    rlcSha256: sha(concatBytes(...blob.rlc)),
    rlcExtendedSha256: sha(
      concatBytes(...blob.rows.map((row) => combinationOf(row, blob.coefficients))),
    ),
    rlcRoot: hex(blob.rlcRoot),
    commitment: hex(blob.commitment),
    pieces: pieces.map(([rowIndex, pieceIndex]) => {
      const parts = piecesOf(VERSION, blob.rows[rowIndex]!);
      return {
        rowIndex,
        pieceIndex,
        piece: hex(parts[pieceIndex]!),
        piecePath: treePath(VERSION, parts.map(leafOf), pieceIndex).map(hex),
        rowPath: treePath(VERSION, blob.leaves, rowIndex).map(hex),
      };
    }),
  };
}

const about = {
  purpose: 'blob version 0x11: rows, row tree, linear combinations, commitment, piece proofs',
  source: 'design/da-protocol.md section 3, spec/da-encoding.md sections 2 to 8',
  madeBy:
    'node --conditions=source libs/erasure/test/da/make-vectors.ts: the twin of test/reference.ts (Lagrange interpolation, recursive trees, @noble/hashes), no code of src',
  payload: 'byte i is (31 i + 17 (i >> 8) + 7 (i >> 16) + 5) & 255, payloadBytes of them',
  paths:
    'siblings from the leaf up; piecePath leads to the row leaf, rowPath from there to rowRoot',
  combinations:
    'rlcSha256: SHA-256 of the 16-byte combinations of the data rows in order; rlcExtendedSha256: of those of all rows, each computed from the row itself',
  shapes: 'ids below 200 are shapes of the network; the others are for these vectors',
};
writeFileSync(
  join(import.meta.dirname, '../vectors/blob-0x11.json'),
  `${JSON.stringify({ about, cases: CASES.map(build) }, undefined, 1)}\n`,
);
