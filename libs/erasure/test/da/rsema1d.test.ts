import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesToHex, concatBytes, hexToBytes } from '@cairn/base';
import { chacha8 } from '@noble/ciphers/chacha.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { describe, expect, it } from 'vitest';
import {
  type BlobFormat,
  type BlobVersion,
  certifyRows,
  checkDataRow,
  checkRow,
  extendRlc,
  openCommitment,
  ReedSolomon,
  rlcCoefficients,
  rowCode,
} from '../../src/index.ts';
import { plainKernels } from '../support.ts';

type Case = {
  name: string;
  mode: 'high' | 'low';
  K: number;
  N: number;
  rowSize: number;
  data?: string[];
  rowRoot: string;
  coeff0: string;
  coeff1: string;
  coeffLast: string;
  rlcOrig?: string[];
  rlcOrigSha256: string;
  rlcExtendedSha256: string;
  paritySha256: string;
  rlcRoot: string;
  commitment: string;
  proofs: { index: number; rowProof: string[]; rlcProof?: string[]; rlc: string }[];
};
type RsCase = {
  field: 'gf8' | 'gf16';
  mode: 'high' | 'low';
  K: number;
  N: number;
  rowSize: number;
  data: string[];
  parity: string[];
};
type UpstreamCase = {
  mode: 'high' | 'low' | 'either';
  K: number;
  N: number;
  rowSize: number;
  seed: number;
  sha256: string;
};
const vectors = JSON.parse(
  readFileSync(join(import.meta.dirname, '../vectors/rsema1d.json'), 'utf8'),
) as {
  reedSolomon: RsCase[];
  reedSolomonUpstreamHashes: { cases: UpstreamCase[] };
  rsema1d: Case[];
};

const kernels = plainKernels();
const layouts = {
  high: ['leopard-high'],
  low: ['natural'],
  either: ['leopard-high', 'natural'],
} as const;
const hex = (bytes: Uint8Array): string => bytesToHex(bytes).slice(2);
const sha = (bytes: Uint8Array): string => hex(sha256(bytes));
const bytesOf = (parts: string[]): Uint8Array => concatBytes(...parts.map(hexToBytes));
const keystream = (seed: number, bytes: number): Uint8Array =>
  chacha8(new Uint8Array(32).fill(seed), new Uint8Array(12), new Uint8Array(bytes));

describe('Reed-Solomon vectors', () => {
  it('parity rows of every generated case', () => {
    for (const { field, mode, K, N, rowSize, data, parity } of vectors.reedSolomon) {
      const code = new ReedSolomon(kernels.galois, {
        field: field === 'gf8' ? 8 : 16,
        layout: layouts[mode][0],
        dataRows: K,
        parityRows: N,
      });
      expect(hex(code.encode(bytesOf(data), rowSize))).toBe(parity.join(''));
    }
  });

  it('hashes of parity rows printed upstream, row counts that are no powers of two', () => {
    const small = vectors.reedSolomonUpstreamHashes.cases.filter(({ K }) => K < 3000);
    expect(small.length).toBeGreaterThan(3);
    for (const { mode, K, N, rowSize, seed, sha256: expected } of small) {
      for (const layout of layouts[mode]) {
        const shape = { field: 16, layout, dataRows: K, parityRows: N } as const;
        const code = new ReedSolomon(kernels.galois, shape);
        expect(sha(code.encode(keystream(seed, K * rowSize), rowSize))).toBe(expected);
      }
    }
  });
});

describe('rsema1d vectors (blob versions 0x00 and 0x10)', () => {
  for (const one of vectors.rsema1d) {
    it(one.name, () => {
      const { K, N, rowSize } = one;
      const version: BlobVersion = one.mode === 'high' ? 0x00 : 0x10;
      const shape = { id: 0, dataRows: K, parityRows: N };
      const format: BlobFormat = { version, shape, rowBytes: rowSize };
      const seed = Number(/key (0x\d\d)/.exec(one.name)?.[1]);
      const data = one.data ? bytesOf(one.data) : keystream(seed, K * rowSize);
      const parity = rowCode(kernels, format).encode(data, rowSize);
      expect(sha(parity)).toBe(one.paritySha256);

      const blob = certifyRows(kernels, format, concatBytes(data, parity));
      expect(hex(blob.rowRoot)).toBe(one.rowRoot);
      const coefficients = rlcCoefficients(kernels.sha256, format, blob.rowRoot);
      expect(hex(coefficients.subarray(0, 16))).toBe(one.coeff0);
      expect(hex(coefficients.subarray(16, 32))).toBe(one.coeff1);
      expect(hex(coefficients.subarray(-16))).toBe(one.coeffLast);
      expect(sha(blob.rlc)).toBe(one.rlcOrigSha256);
      expect(hex(blob.rlcRoot)).toBe(one.rlcRoot);
      expect(hex(blob.commitment)).toBe(one.commitment);
      const extended = extendRlc(kernels, format, blob.rlc);
      expect(sha(extended)).toBe(one.rlcExtendedSha256);

      const open = openCommitment(kernels, blob, blob);
      for (const { index, rowProof, rlcProof, rlc } of one.proofs) {
        const proof = blob.rowProof(index);
        expect(hex(proof.path)).toBe(rowProof.join(''));
        expect(hex(extended.subarray(16 * index, 16 * index + 16))).toBe(rlc);
        checkRow(kernels, open, proof);
        if (index >= K || !rlcProof) continue;
        const alone = blob.dataRowProof(index);
        expect(hex(alone.rlcPath)).toBe(rlcProof.join(''));
        checkDataRow(kernels, blob, alone);
      }
    });
  }
});
