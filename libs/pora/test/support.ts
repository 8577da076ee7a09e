import type { Hash32 } from '@cairn/base';
import { loadKernels } from '@cairn/kernels';
import {
  FlowTree,
  fileTreeOfBytes,
  flowNodesOfSegment,
  MemoryFlowNodeStore,
  segmentCounts,
  segmentRoot,
} from '@cairn/merkle';
import { type PoraAnswer, type RecallRange, sealInPlace, type Work } from '../src/index.ts';
import vectors from './vectors/pora.json' with { type: 'json' };

export const kernels = await loadKernels();
export const EMPTY = '0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470' as Hash32;

/** Bytes of the vectors' pattern. */
export function patternBytes(size: number, seed = 0): Uint8Array {
  const out = new Uint8Array(size);
  for (let i = 0; i < size; i++) out[i] = (i * 31 + (i >> 8) * 17 + (i >> 16) * 7 + 5 + seed) & 255;
  return out;
}

/** The `code` of what `run` throws; undefined when it returns. */
export function codeOf(run: () => unknown): unknown {
  try {
    run();
    return undefined;
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error;
  }
}

type VectorRange = {
  startPosition: number | string;
  mineLength: number | string;
  shardId: number | string;
  shardMask: string;
};

export function rangeOf(range: VectorRange): RecallRange {
  return {
    startPosition: Number(range.startPosition),
    mineLength: Number(range.mineLength),
    shardId: BigInt(range.shardId),
    shardMask: BigInt(range.shardMask),
  };
}

/** The flow of the vectors: its bytes, its tree, and its seals under the vectors' miner id. */
export class VectorFlow {
  readonly data: Uint8Array;
  readonly flow: FlowTree = new FlowTree(kernels, new MemoryFlowNodeStore());
  readonly minerId: Hash32 = vectors.endToEnd.minerIdDerivation.minerId as Hash32;

  constructor() {
    const { files, context } = vectors.endToEnd;
    this.data = new Uint8Array(context.flowLength * 256);
    for (const file of files) {
      const bytes = patternBytes(file.size, file.seed);
      this.data.set(bytes, file.startIndex * 256);
      const tree = fileTreeOfBytes(kernels, bytes);
      const { start: startSector } = this.flow.append(tree.submissionNodes);
      const { size } = file;
      for (let index = 0; index < segmentCounts(size).real; index++) {
        const segment = {
          index,
          segmentRoot: tree.segmentRoot(index),
          siblings: tree.siblings(index),
        };
        for (const node of flowNodesOfSegment({ size, startSector, ...segment }))
          this.flow.setNode(node.level, node.index, node.hash);
      }
    }
  }

  /** Context that seals the seal at `startSector`: its index in the vectors' ranges. */
  contextOf(startSector: number): { start: number; end: number; digest: Hash32 } {
    const found = vectors.endToEnd.epochRanges.find(
      ({ start, end }) => start < startSector + 16 && end >= startSector + 16,
    )!;
    return { ...found, digest: found.digest as Hash32 };
  }

  sealed(startSector: number): Uint8Array {
    const seal = this.data.slice(startSector * 256, (startSector + 16) * 256);
    const contextDigest = this.contextOf(startSector).digest;
    sealInPlace(kernels, seal, { minerId: this.minerId, contextDigest, startSector });
    return seal;
  }

  proof(startSector: number): Hash32[] {
    const leaf = (sector: number): Uint8Array =>
      sector === 0
        ? new Uint8Array(32)
        : segmentRoot(kernels, this.data.subarray(sector * 256, sector * 256 + 256), 1);
    const { lemma } = this.flow.prove(startSector, { leaf })!;
    return lemma.slice(5, -1) as Hash32[];
  }

  work(answer: { subtaskDigest: string; submitPoraTarget: string }): Work {
    const { context } = vectors.endToEnd;
    return {
      context: {
        ...context,
        flowRoot: context.flowRoot as Hash32,
        blockDigest: context.blockDigest as Hash32,
        digest: context.digest as Hash32,
      },
      poraTarget: BigInt(answer.submitPoraTarget),
      subtaskDigest: answer.subtaskDigest as Hash32,
      maxShards: 32n,
    };
  }
}

type VectorAnswer = (typeof vectors.endToEnd.answers)[number];

/** The vector's answer with its sealed bytes rebuilt. */
export function answerOf(flow: VectorFlow, answer: VectorAnswer): PoraAnswer {
  return {
    contextDigest: answer.contextDigest as Hash32,
    nonce: answer.nonce as Hash32,
    minerId: answer.minerId as Hash32,
    range: rangeOf(answer.range),
    recallPosition: answer.recallPosition,
    sealOffset: answer.sealOffset,
    sealedContextDigest: answer.sealedContextDigest as Hash32,
    sealedData: flow.sealed(answer.recallPosition),
    merkleProof: answer.merkleProof as Hash32[],
  };
}

export { vectors };
