// The erasure code: what may be lost is lost, in every way or in very many.
import type { FaultRow } from './row.ts';
import { testRow } from './test-row.ts';

const REED_SOLOMON = {
  project: 'unit',
  file: 'libs/erasure/test/code/reed-solomon.test.ts',
} as const;

export const codeRows: readonly FaultRow[] = [
  testRow({
    ...REED_SOLOMON,
    id: 'every-loss',
    family: 'code',
    injection:
      'every set of rows that leaves K, of six small codes, in each layout and both fields',
    pass: 'every row comes back, exact',
    size: { full: 1, short: 1 },
    unit: 'loss patterns',
    name: 'every loss pattern of small codes',
  }),
  testRow({
    ...REED_SOLOMON,
    id: 'random-loss',
    family: 'code',
    injection: 'random sets of 16 rows lost of (16,32)',
    pass: 'every row comes back, exact',
    size: { full: 20_000, short: 50 },
    unit: 'loss patterns',
    name: 'random losses of .16,32.',
  }),
  testRow({
    id: 'lost-fragments',
    family: 'code',
    injection:
      'random losses of segments of (16,32) and (16,24) files, read as a node repairs them: with trees and proofs',
    pass: 'segments and their proofs come back, exact, from 16 fragments',
    size: { full: 1500, short: 40 },
    unit: 'losses',
    project: 'unit',
    file: 'libs/erasure/test/files/recover.test.ts',
    name: 'brings back any loss that leaves 16 fragments',
  }),
];
