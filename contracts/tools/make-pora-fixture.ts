// Writes test/fixtures/pora.json: the accepted answers of the shared vectors with their sealed bytes, and the flow they are of.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bytesToHex, type Hash32 } from '@cairn/base';
import { loadKernels } from '@cairn/kernels';
import { fileTreeOfBytes } from '@cairn/merkle';
import { sealInPlace } from '@cairn/pora';

type Vectors = {
  endToEnd: {
    files: { size: number; seed: number; startIndex: number }[];
    epochRanges: { start: number; end: number; digest: string }[];
    context: Record<'flowRoot' | 'blockDigest' | 'digest', string> & {
      epoch: number;
      mineStart: number;
      flowLength: number;
    };
    minerIdDerivation: { parentBlockHash: string; sender: string; seed: number; minerId: string };
    answers: {
      nonce: string;
      minerId: string;
      contextDigest: string;
      sealedContextDigest: string;
      sealOffset: number;
      recallPosition: number;
      poraOutput: string;
      range: { startPosition: number; mineLength: number; shardId: number; shardMask: string };
      merkleProof: string[];
    }[];
  };
};

/** The pattern of the vectors (spec/storage-protocol.md 2.6). */
function patternBytes(size: number, seed: number): Uint8Array {
  return Uint8Array.from(
    { length: size },
    (_, i) => (i * 31 + (i >> 8) * 17 + (i >> 16) * 7 + 5 + seed) & 255,
  );
}

const root = join(import.meta.dirname, '..');
const vectors = JSON.parse(
  readFileSync(join(root, '..', 'libs', 'pora', 'test', 'vectors', 'pora.json'), 'utf8'),
) as Vectors;
const kernels = await loadKernels();
const { files, epochRanges, context, answers, minerIdDerivation } = vectors.endToEnd;
const flow = new Uint8Array(context.flowLength * 256);
for (const file of files) flow.set(patternBytes(file.size, file.seed), file.startIndex * 256);
const nodes = files.map(
  ({ size, seed }) => fileTreeOfBytes(kernels, patternBytes(size, seed)).submissionNodes,
);

function sealedAt(sector: number, minerId: string, digest: string): string {
  const data = flow.slice(sector * 256, (sector + 16) * 256);
  sealInPlace(kernels, data, {
    minerId: minerId as Hash32,
    contextDigest: digest as Hash32,
    startSector: sector,
  });
  return bytesToHex(data);
}

const fixture = {
  note: 'Made by contracts/tools/make-pora-fixture.ts from libs/pora/test/vectors/pora.json (endToEnd).',
  sizes: files.map((file) => file.size),
  starts: files.map((file) => file.startIndex),
  nodeCounts: nodes.map((list) => list.length),
  heights: nodes.flat().map((node) => node.height),
  roots: nodes.flat().map((node) => node.root),
  epochStarts: epochRanges.map((range) => range.start),
  epochEnds: epochRanges.map((range) => range.end),
  epochDigests: epochRanges.map((range) => range.digest),
  context,
  minerIdDerivation: { ...minerIdDerivation, seed: Number(minerIdDerivation.seed) },
  answers: answers.map((answer) => ({
    nonce: answer.nonce,
    contextDigest: answer.contextDigest,
    sealedContextDigest: answer.sealedContextDigest,
    sealOffset: answer.sealOffset,
    recallPosition: answer.recallPosition,
    quality: answer.poraOutput,
    startPosition: answer.range.startPosition,
    mineLength: answer.range.mineLength,
    shardId: answer.range.shardId,
    shardMask: BigInt(answer.range.shardMask).toString(),
    sealed: sealedAt(answer.recallPosition, answer.minerId, answer.sealedContextDigest),
    merkleProof: answer.merkleProof,
  })),
};
mkdirSync(join(root, 'test', 'fixtures'), { recursive: true });
writeFileSync(join(root, 'test', 'fixtures', 'pora.json'), `${JSON.stringify(fixture, null, 1)}\n`);
