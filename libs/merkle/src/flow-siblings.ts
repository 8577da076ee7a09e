// File proofs out of flow-tree nodes, and back (docs/adr/0003). Every inner node of a file's tree is either a node of the flow
// tree at its absolute place, or a right fold of such nodes.
import type { Kernels } from '@cairn/kernels';
import { SECTORS_PER_SEGMENT } from '@cairn/protocol';
import { flowPieces } from './flow-tree.ts';
import { alignedPieces, paddedSectorCount, sectorCount, segmentSteps } from './shape.ts';
import { foldRight, zeroHash } from './zero.ts';

export type FlowNode = { level: number; index: number; hash: Uint8Array };

/**
 * Flow-tree nodes that a verified segment proof teaches: the segment's own root, each sibling that is one node, and for the
 * last segment the zero trees of the padding in it (its sectors are never stored, yet other sectors' proofs need them).
 * `startSector` is where the file begins in the flow. Hashes are views of the input or shared arrays.
 */
export function flowNodesOfSegment(input: {
  size: number;
  startSector: number;
  index: number;
  segmentRoot: Uint8Array;
  siblings: Uint8Array;
}): FlowNode[] {
  const sectors = paddedSectorCount(input.size);
  const from = input.index * SECTORS_PER_SEGMENT;
  const out: FlowNode[] = [];
  const learn = (start: number, end: number, hash: Uint8Array): void => {
    const parts = flowPieces(input.startSector, start, end);
    if (parts.length === 1) out.push({ level: parts[0]!.level, index: parts[0]!.index, hash });
  };
  const end = Math.min(from + SECTORS_PER_SEGMENT, sectors);
  learn(from, end, input.segmentRoot);
  for (const [i, step] of segmentSteps(input.size, input.index).entries()) {
    learn(step.start, step.end, input.siblings.subarray(32 * i, 32 * i + 32));
  }
  for (const piece of alignedPieces(sectorCount(input.size), end)) {
    const index = (input.startSector + piece.start) / 2 ** piece.height;
    out.push({ level: piece.height, index, hash: zeroHash(piece.height) });
  }
  return out;
}

/** Sibling hashes of segment `index`, bottom-up, from known flow nodes; undefined when one is missing. */
export function segmentSiblingsFromFlow(
  kernels: Kernels,
  input: { size: number; startSector: number; index: number },
  lookup: (level: number, index: number) => Uint8Array | undefined,
): Uint8Array | undefined {
  const realSectors = sectorCount(input.size);
  const steps = segmentSteps(input.size, input.index);
  const out = new Uint8Array(32 * steps.length);
  for (const [i, step] of steps.entries()) {
    const nodes: Uint8Array[] = [];
    for (const piece of flowPieces(input.startSector, step.start, step.end)) {
      const node =
        lookup(piece.level, piece.index) ??
        (piece.start >= realSectors ? zeroHash(piece.level) : undefined);
      if (!node) return undefined;
      nodes.push(node);
    }
    out.set(foldRight(kernels, nodes), 32 * i);
  }
  return out;
}
