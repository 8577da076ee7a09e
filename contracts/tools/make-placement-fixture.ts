// Writes test/fixtures/placement.json: the 30 flow placements of the shared vectors with the node roots of their files.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadKernels } from '@cairn/kernels';
import { fileTreeOfBytes } from '@cairn/merkle';

/** The pattern of the vectors (spec/storage-protocol.md 2.6). */
function patternBytes(size: number, seed: number): Uint8Array {
  return Uint8Array.from(
    { length: size },
    (_, i) => (i * 31 + (i >> 8) * 17 + (i >> 16) * 7 + 5 + seed) & 255,
  );
}

const root = join(import.meta.dirname, '..');
const vectors = JSON.parse(
  readFileSync(join(root, '..', 'libs', 'merkle', 'test', 'vectors', 'file-roots.json'), 'utf8'),
) as {
  flowPlacement: {
    rows: {
      size: number;
      seed: number;
      startIndex: number;
      lengthAfter: number;
      flowRoot: string;
    }[];
  };
};
const kernels = await loadKernels();
const { rows } = vectors.flowPlacement;
const nodes = rows.map(
  (row) => fileTreeOfBytes(kernels, patternBytes(row.size, row.seed)).submissionNodes,
);
const fixture = {
  note: 'Made by contracts/tools/make-placement-fixture.ts from libs/merkle/test/vectors/file-roots.json (flowPlacement).',
  sizes: rows.map((row) => row.size),
  starts: rows.map((row) => row.startIndex),
  lengthsAfter: rows.map((row) => row.lengthAfter),
  flowRoots: rows.map((row) => row.flowRoot),
  nodeCounts: nodes.map((list) => list.length),
  heights: nodes.flat().map((node) => node.height),
  roots: nodes.flat().map((node) => node.root),
};
mkdirSync(join(root, 'test', 'fixtures'), { recursive: true });
writeFileSync(
  join(root, 'test', 'fixtures', 'placement.json'),
  `${JSON.stringify(fixture, null, 1)}\n`,
);
