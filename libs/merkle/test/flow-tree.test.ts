import { bytesToHex, hexToBytes, seededRandom } from '@cairn/base';
import { loadKernels } from '@cairn/kernels';
import { describe, expect, it } from 'vitest';
import {
  FlowTree,
  fileTreeOfBytes,
  flowHeight,
  flowNodesOfSegment,
  MemoryFlowNodeStore,
  paddedSectorCount,
  segmentCounts,
  segmentSiblingsFromFlow,
  submissionHeights,
  verifyFlowProof,
  zeroHash,
} from '../src/index.ts';
import { patternBytes } from './support.ts';
import vectors from './vectors/file-roots.json' with { type: 'json' };

const kernels = await loadKernels();

/** The definition: an array of leaf hashes, zero sectors in the gaps and up to the next power of two. */
class NaiveFlow {
  leaves: Uint8Array[] = [new Uint8Array(32)];

  append(start: number, bytes: Uint8Array): void {
    while (this.leaves.length < start) this.leaves.push(zeroHash(0));
    const padded = new Uint8Array(paddedSectorCount(bytes.length) * 256);
    padded.set(bytes);
    for (let at = 0; at < padded.length; at += 256)
      this.leaves.push(kernels.keccak256(padded.subarray(at, at + 256)));
  }

  root(): string {
    let level = this.leaves.slice();
    while (level.length < 2 ** flowHeight(this.leaves.length)) level.push(zeroHash(0));
    while (level.length > 1) {
      const next: Uint8Array[] = [];
      for (let i = 0; i < level.length; i += 2)
        next.push(kernels.hashPairs(new Uint8Array([...level[i]!, ...level[i + 1]!])));
      level = next;
    }
    return bytesToHex(level[0]!);
  }
}

describe('flow tree', () => {
  it('places and hashes the 30 submissions of the vectors', () => {
    const flow = new FlowTree(kernels, new MemoryFlowNodeStore());
    for (const row of vectors.flowPlacement.rows) {
      const placed = flow.append(
        fileTreeOfBytes(kernels, patternBytes(row.size, row.seed)).submissionNodes,
      );
      expect(placed).toEqual({ start: row.startIndex, lengthAfter: row.lengthAfter });
      expect(flow.root()).toBe(row.flowRoot);
    }
  });

  it('places the worked sequence of the spec', () => {
    const flow = new FlowTree(kernels, new MemoryFlowNodeStore());
    const root = `0x${'11'.repeat(32)}` as `0x${string}`;
    const rows: [number[], number][] = [
      [[0], 1],
      [[0], 1 + 1],
      [[10, 8], 1024],
      [[14, 12], 16_384],
      [[16, 14], 65_536],
      [[13, 12], 147_456],
      [[2], 159_744],
      [[2], 159_748],
      [[10], 160_768],
      [[10], 161_792],
      [[8, 6], 162_816],
    ];
    for (const [heights, start] of rows) {
      expect(flow.append(heights.map((height) => ({ root: root as never, height }))).start).toBe(
        start,
      );
    }
    const crossing = new FlowTree(kernels, new MemoryFlowNodeStore(), 768);
    expect(crossing.place([8, 6]).start).toBe(1024);
  });

  it('an empty flow has the zero root', () => {
    expect(new FlowTree(kernels, new MemoryFlowNodeStore()).root()).toBe(`0x${'00'.repeat(32)}`);
  });

  it.each([1, 2, 3])(
    'equals the naive tree, proves at every past length, and survives reorgs (seed %d)',
    (seed) => {
      const random = seededRandom(seed);
      const store = new MemoryFlowNodeStore();
      const flow = new FlowTree(kernels, store);
      const naive = new NaiveFlow();
      const past: { length: number; root: string }[] = [{ length: 1, root: flow.root() }];
      for (let i = 0; i < 24; i++) {
        if (i % 7 === 6) {
          const back = past[Math.floor(random.next() * past.length)]!;
          past.length = past.indexOf(back) + 1;
          flow.truncate(back.length);
          naive.leaves.length = back.length;
          expect(flow.root()).toBe(back.root);
        }
        const bytes = patternBytes(1 + Math.floor(random.next() ** 3 * 400_000), i);
        const { start } = flow.append(fileTreeOfBytes(kernels, bytes).submissionNodes);
        naive.append(start, bytes);
        expect(flow.length).toBe(naive.leaves.length);
        expect(flow.root()).toBe(naive.root());
        past.push({ length: flow.length, root: flow.root() });
      }
      const leaf = (sector: number): Uint8Array => naive.leaves[sector]!;
      for (const { length, root } of past.slice(-6)) {
        expect(flow.root(length)).toBe(root);
        for (let k = 0; k < 20; k++) {
          const sector = Math.floor(random.next() * length);
          // Inner nodes of big submissions are taught by upload proofs; here from the naive leaves.
          const proof = flow.prove(sector, { length, leaf });
          if (!proof) continue;
          expect(
            verifyFlowProof(kernels, { root: root as never, sector, leaf: leaf(sector), proof }),
          ).toBe(true);
          expect(
            verifyFlowProof(kernels, {
              root: root as never,
              sector: sector ^ 1,
              leaf: leaf(sector),
              proof,
            }),
          ).toBe(length === 1);
        }
      }
    },
  );
});

describe('segment proofs out of the flow', () => {
  it.each([300_000, 262_144 * 5 + 1, 262_144 * 17 + 5, 262_144 * 33 + 1, 20_000])(
    'a file of %d bytes',
    (size) => {
      const tree = fileTreeOfBytes(kernels, patternBytes(size, 2));
      const store = new MemoryFlowNodeStore();
      const flow = new FlowTree(kernels, store);
      flow.append(fileTreeOfBytes(kernels, patternBytes(5000)).submissionNodes);
      const { start } = flow.append(tree.submissionNodes);
      const { real } = segmentCounts(size);
      const lookup = (level: number, index: number): Uint8Array | undefined =>
        flow.node(level, index);
      for (let i = 0; i < real; i++) {
        for (const node of flowNodesOfSegment({
          size,
          startSector: start,
          index: i,
          segmentRoot: tree.segmentRoot(i),
          siblings: tree.siblings(i),
        })) {
          const known = store.get(node.level, node.index);
          if (known) expect(bytesToHex(known)).toBe(bytesToHex(node.hash));
          flow.setNode(node.level, node.index, node.hash);
        }
        expect(
          segmentSiblingsFromFlow(kernels, { size, startSector: start, index: i }, lookup),
        ).toEqual(tree.siblings(i));
      }
      expect(submissionHeights(size)).toEqual(tree.submissionNodes.map((node) => node.height));
      expect(hexToBytes(tree.root)).toEqual(tree.rootBytes);
    },
  );
});
