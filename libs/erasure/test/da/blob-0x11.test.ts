import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesToHex, concatBytes, hexToBytes } from '@cairn/base';
import { sha256 } from '@noble/hashes/sha2.js';
import { describe, expect, it } from 'vitest';
import {
  checkPiece,
  encodeBlob,
  extendRlc,
  type PieceProof,
  pieceCountOf,
  rlcCoefficients,
} from '../../src/index.ts';
import { codeOf, flipped, payloadOf, plainKernels } from '../support.ts';

type Case = {
  format: {
    version: 0x11;
    shapeId: number;
    dataRows: number;
    parityRows: number;
    rowBytes: number;
    payloadBytes: number;
  };
  paritySha256: string;
  rowRoot: string;
  coefficientFirst: string;
  coefficientLast: string;
  rlcSha256: string;
  rlcExtendedSha256: string;
  rlcRoot: string;
  commitment: string;
  pieces: {
    rowIndex: number;
    pieceIndex: number;
    piece: string;
    piecePath: string[];
    rowPath: string[];
  }[];
};
const { cases } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../vectors/blob-0x11.json'), 'utf8'),
) as { cases: Case[] };

const kernels = plainKernels();
const sha = (bytes: Uint8Array): string => bytesToHex(sha256(bytes));
const bytesOf = (parts: string[]): Uint8Array => concatBytes(...parts.map(hexToBytes));
/** The plain kernels take about ten seconds over the largest case, which `kernels.test.ts` runs with fast ones. */
const PLAIN_BYTES_MAX = 1_000_000;

describe('blob version 0x11', () => {
  const plain = cases.filter(({ format }) => format.payloadBytes < PLAIN_BYTES_MAX);
  for (const one of plain) {
    const { shapeId, dataRows, parityRows, rowBytes, payloadBytes } = one.format;
    it(`${payloadBytes} bytes in ${dataRows} rows of ${rowBytes} (shape ${shapeId})`, () => {
      const shape = { id: shapeId, dataRows, parityRows };
      const blob = encodeBlob(kernels, payloadOf(payloadBytes), { version: 0x11, shape });
      expect(blob.format).toEqual({ version: 0x11, shape, rowBytes });
      expect(sha(blob.rows.subarray(dataRows * rowBytes))).toBe(one.paritySha256);
      expect(bytesToHex(blob.rowRoot)).toBe(one.rowRoot);
      const coefficients = rlcCoefficients(kernels.sha256, blob.format, blob.rowRoot);
      expect(bytesToHex(coefficients.subarray(0, 16))).toBe(one.coefficientFirst);
      expect(bytesToHex(coefficients.subarray(-16))).toBe(one.coefficientLast);
      expect(sha(blob.rlc)).toBe(one.rlcSha256);
      expect(sha(extendRlc(kernels, blob.format, blob.rlc))).toBe(one.rlcExtendedSha256);
      expect(bytesToHex(blob.rlcRoot)).toBe(one.rlcRoot);
      expect(bytesToHex(blob.commitment)).toBe(one.commitment);
      for (const { rowIndex, pieceIndex, piece, piecePath, rowPath } of one.pieces) {
        const proof = blob.pieceProof(rowIndex, pieceIndex);
        expect(proof).toEqual({
          rowIndex,
          pieceIndex,
          piece: hexToBytes(piece),
          piecePath: bytesOf(piecePath),
          rowPath: bytesOf(rowPath),
          rlcRoot: hexToBytes(one.rlcRoot),
        });
      }
    });
  }

  it('the piece proofs of every vector check, and no changed one does', () => {
    for (const { format: header, commitment: root, rlcRoot, pieces } of cases) {
      const { shapeId, rowBytes, ...rows } = header;
      const format = { version: 0x11 as const, shape: { id: shapeId, ...rows }, rowBytes };
      const commitment = hexToBytes(root);
      const count = pieceCountOf(format);
      for (const { rowIndex, pieceIndex, ...hex } of pieces) {
        const proof: PieceProof = {
          rowIndex,
          pieceIndex,
          piece: hexToBytes(hex.piece),
          piecePath: bytesOf(hex.piecePath),
          rowPath: bytesOf(hex.rowPath),
          rlcRoot: hexToBytes(rlcRoot),
        };
        const check = (change: Partial<PieceProof>, id = { format, commitment }): unknown =>
          codeOf(() => checkPiece(kernels.sha256, id, { ...proof, ...change }));
        expect(check({})).toBeUndefined();
        const rowCount = rows.dataRows + rows.parityRows;
        expect(check({ rowIndex: rowCount })).toBe('ERASURE_ROW_INDEX');
        expect(check({ rowIndex: -1 })).toBe('ERASURE_ROW_INDEX');
        expect(check({ pieceIndex: count })).toBe('ERASURE_ROW_INDEX');
        expect(check({ rowIndex: rowIndex ^ (rowCount >> 1) })).toBe('ERASURE_COMMITMENT');
        expect(check({ piece: proof.piece.subarray(1) })).toBe('ERASURE_ROW_LENGTH');
        expect(check({ piece: concatBytes(proof.piece, new Uint8Array(1)) })).toBe(
          'ERASURE_ROW_LENGTH',
        );
        for (const key of ['piecePath', 'rowPath', 'rlcRoot'] as const) {
          const longer = concatBytes(proof[key], new Uint8Array(32));
          expect(check({ [key]: longer })).toBe('ERASURE_PROOF_LENGTH');
          if (proof[key].length === 0) continue;
          expect(check({ [key]: proof[key].subarray(32) })).toBe('ERASURE_PROOF_LENGTH');
          expect(check({ [key]: flipped(proof[key], rowIndex) })).toBe('ERASURE_COMMITMENT');
        }
        expect(check({ piece: flipped(proof.piece, rowIndex) })).toBe('ERASURE_COMMITMENT');
        expect(check({}, { format, commitment: flipped(commitment, pieceIndex) })).toBe(
          'ERASURE_COMMITMENT',
        );
        const otherShape = { ...format, shape: { ...format.shape, id: shapeId ^ 1 } };
        expect(check({}, { format: otherShape, commitment })).toBe('ERASURE_COMMITMENT');
      }
    }
  });
});
