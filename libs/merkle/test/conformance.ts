/*
 * One hash over seeded roots, submission nodes, placements and proofs. When it changes, what we put on the chain or the wire
 * has changed: `node --conditions=source libs/merkle/test/conformance.ts` writes the new one, as a commit of its own.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assert, bytesToHex, seededRandom } from '@cairn/base';
import { type Kernels, loadKernels } from '@cairn/kernels';
import {
  FlowTree,
  fileTreeOfBytes,
  flowNodesOfSegment,
  MemoryFlowNodeStore,
  segmentCounts,
  segmentRoot,
  submissionIdentity,
} from '../src/index.ts';

export type Conformance = { cases: number; keccak256: string };

/** Sizes from bytes to megabytes, every power of two equally likely. */
function sizeOf(next: () => number): number {
  return 1 + Math.floor(2 ** (next() * 20));
}

export function conformance(kernels: Kernels, cases = 128): Conformance {
  const random = seededRandom(2026);
  const flow = new FlowTree(kernels, new MemoryFlowNodeStore());
  const lines: string[] = [];
  for (let i = 0; i < cases; i++) {
    const size = sizeOf(() => random.next());
    const bytes = random.bytes(size);
    const tree = fileTreeOfBytes(kernels, bytes);
    const index = Math.floor(random.next() * segmentCounts(size).real);
    const { start, lengthAfter } = flow.append(tree.submissionNodes);
    // The file's first segment is at hand with its proof, as on a node that took it.
    const first = { index: 0, segmentRoot: tree.segmentRoot(0), siblings: tree.siblings(0) };
    for (const node of flowNodesOfSegment({ size, startSector: start, ...first }))
      flow.setNode(node.level, node.index, node.hash);
    const inside = start + Math.floor(random.next() * Math.min(1024, Math.ceil(size / 256)));
    const leaf = (sector: number): Uint8Array | undefined => {
      const at = (sector - start) * 256;
      if (at < 0 || sector >= lengthAfter) return undefined;
      return segmentRoot(kernels, bytes.subarray(at, at + 256), 1);
    };
    const sectorProof = flow.prove(inside, { leaf });
    assert(sectorProof, 'the sector can be proven');
    lines.push(
      JSON.stringify({
        size,
        root: tree.root,
        nodes: tree.submissionNodes,
        identity: submissionIdentity(kernels, tree.submissionNodes),
        proof: tree.proof(index),
        start,
        flowRoot: flow.root(),
        sectorProof,
      }),
    );
  }
  const text = new TextEncoder().encode(lines.join('\n'));
  return { cases, keccak256: bytesToHex(kernels.keccak256(text)) };
}

if (import.meta.main) {
  const result = conformance(await loadKernels());
  writeFileSync(
    join(import.meta.dirname, 'conformance.json'),
    `${JSON.stringify({ about: 'libs/merkle/test/conformance.ts', ...result }, undefined, 2)}\n`,
  );
}
