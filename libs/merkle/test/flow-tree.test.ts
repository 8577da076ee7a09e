import { bytesToHex, type Hash32, hexToBytes } from '@cairn/base';
import { loadKernels } from '@cairn/kernels';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  FlowTree,
  fileTreeOfBytes,
  flowHeight,
  flowNodesOfSegment,
  MemoryFlowNodeStore,
  segmentCounts,
  segmentSiblingsFromFlow,
  verifyFlowProof,
  zeroHash,
} from '../src/index.ts';
import { proofFromLevels, ReferenceFile, ReferenceFlow } from './reference.ts';
import { codeOf, patternBytes, SEGMENT } from './support.ts';
import vectors from './vectors/file-roots.json' with { type: 'json' };
import spec from './vectors/spec-tables.json' with { type: 'json' };

const kernels = await loadKernels();
const hash = (byte: string): Hash32 => `0x${byte.repeat(32)}` as Hash32;
const newFlow = (length?: number): FlowTree =>
  new FlowTree(kernels, new MemoryFlowNodeStore(), length);

describe('flow tree vectors', () => {
  it('places and hashes the 30 submissions of the vectors', () => {
    const flow = newFlow();
    for (const row of vectors.flowPlacement.rows) {
      const bytes = patternBytes(row.size, row.seed);
      const placed = flow.append(fileTreeOfBytes(kernels, bytes).submissionNodes);
      expect(placed).toEqual({ start: row.startIndex, lengthAfter: row.lengthAfter });
      expect(flow.root()).toBe(row.flowRoot);
    }
  });

  it.each(spec.placements)('places the worked sequence from length $from', (sequence) => {
    const flow = newFlow(sequence.from);
    for (const { heights, start } of sequence.submissions) {
      const count = heights.reduce((sum, height) => sum + 2 ** height, 0);
      expect(flow.place(heights)).toEqual({ start, lengthAfter: start + count });
      const nodes = heights.map((height) => ({ root: hash('11'), height }));
      if (sequence.from === 1) expect(flow.append(nodes).start).toBe(start);
    }
  });

  it('an empty flow has the zero root', () => {
    expect(newFlow().root()).toBe(hash('00'));
  });
});

/** A flow that knows every proof node, as a node that stored every segment does, beside its twin. */
class Pair {
  readonly store = new MemoryFlowNodeStore();
  readonly flow = new FlowTree(kernels, this.store);
  readonly twin = new ReferenceFlow();
  past: { length: number; root: string }[] = [{ length: 1, root: this.flow.root() }];
  /** Sectors whose bytes a node would hold: not gaps, not the padding of files. */
  readonly #stored = new Set<number>();

  append(bytes: Uint8Array): void {
    const tree = fileTreeOfBytes(kernels, bytes);
    const { start } = this.flow.append(tree.submissionNodes);
    const heights = tree.submissionNodes.map((node) => node.height);
    expect(this.twin.append(new ReferenceFile(bytes).leaves, heights)).toBe(start);
    expect(this.flow.length).toBe(this.twin.leaves.length);
    for (let index = 0; index < segmentCounts(bytes.length).real; index++) {
      const segment = {
        index,
        segmentRoot: tree.segmentRoot(index),
        siblings: tree.siblings(index),
      };
      for (const node of flowNodesOfSegment({ size: bytes.length, startSector: start, ...segment }))
        this.flow.setNode(node.level, node.index, node.hash);
    }
    for (let i = 0; i * 256 < bytes.length; i++) this.#stored.add(start + i);
    this.past.push({ length: this.flow.length, root: this.flow.root() });
  }

  revert(steps: number): void {
    this.past.length = Math.max(1, this.past.length - steps);
    const { length, root } = this.past.at(-1)!;
    this.flow.truncate(length);
    this.twin.leaves.length = length;
    for (const sector of this.#stored) if (sector >= length) this.#stored.delete(sector);
    expect(this.flow.root()).toBe(root);
  }

  /** Every length ever reached has the twin's root, and these sectors its proofs. */
  check(sectors: readonly number[]): void {
    const leaf = (sector: number): Uint8Array | undefined =>
      this.#stored.has(sector) ? this.twin.leaves[sector] : undefined;
    for (const { length, root } of this.past) {
      expect(this.flow.root(length)).toBe(root);
      const levels = this.twin.levels(length);
      expect(bytesToHex(levels.at(-1)![0]!)).toBe(root);
      for (const any of sectors) {
        const sector = any % length;
        const proof = this.flow.prove(sector, { length, leaf });
        expect(proof).toEqual(proofFromLevels(levels, sector));
        const input = {
          root: root as Hash32,
          sector,
          leaf: this.twin.leaves[sector]!,
          proof: proof!,
          length,
        };
        expect(verifyFlowProof(kernels, input)).toBe(true);
      }
    }
  }
}

describe('flow tree against its twin', () => {
  const size = fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: 1, max: 5000 }) },
    { weight: 2, arbitrary: fc.integer({ min: 1, max: 300_000 }) },
    { weight: 1, arbitrary: fc.constantFrom(SEGMENT, 256, 256 * 768, SEGMENT * 2 + 1) },
  );
  const action = fc.oneof(
    { weight: 5, arbitrary: size.map((bytes) => ({ kind: 'append' as const, bytes })) },
    { weight: 1, arbitrary: fc.nat(4).map((steps) => ({ kind: 'revert' as const, steps })) },
  );

  it('equal positions, roots and sector proofs at every past length, through reorgs', () => {
    fc.assert(
      fc.property(
        fc.array(action, { minLength: 1, maxLength: 9 }),
        fc.array(fc.nat(), { minLength: 3, maxLength: 6 }),
        (actions, sectors) => {
          const pair = new Pair();
          for (const [i, one] of actions.entries()) {
            if (one.kind === 'append') pair.append(patternBytes(one.bytes, i));
            else pair.revert(one.steps);
          }
          pair.check([0, 1, ...sectors]);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('proves zero sectors of gaps from the stored zero subtrees alone', () => {
    const flow = newFlow();
    flow.append([{ root: hash('11'), height: 0 }]);
    const { start } = flow.append([{ root: hash('22'), height: 10 }]);
    expect(start).toBe(1024);
    for (const sector of [2, 3, 500, 1023]) {
      const proof = flow.prove(sector)!;
      const input = { root: flow.root(), sector, leaf: zeroHash(0), proof, length: flow.length };
      expect(verifyFlowProof(kernels, input)).toBe(true);
    }
    // Inside a submission nobody knows anything yet.
    expect(flow.prove(1500)).toBeUndefined();
    expect(flow.node(3, 130)).toBeUndefined();
  });

  it('has no proof for what is not a sector of the flow', () => {
    const pair = new Pair();
    pair.append(patternBytes(1000));
    for (const sector of [-1, 0.5, pair.flow.length, 2 ** 60, Number.NaN])
      expect(pair.flow.prove(sector)).toBeUndefined();
  });

  it('keeps few nodes and touches few per append', () => {
    const store = new MemoryFlowNodeStore();
    let calls = 0;
    const counting = {
      get: (level: number, index: number) => {
        calls++;
        return store.get(level, index);
      },
      set: (level: number, index: number, node: Uint8Array) => {
        calls++;
        store.set(level, index, node);
      },
      truncate: (length: number) => store.truncate(length),
    };
    const flow = new FlowTree(kernels, counting);
    for (let i = 0; i < 3000; i++) {
      calls = 0;
      flow.append([{ root: hash('11'), height: (i * 7) % 20 }]);
      expect(calls).toBeLessThan(6 * flowHeight(flow.length) + 10);
      calls = 0;
      flow.root();
      expect(calls).toBeLessThanOrEqual(flowHeight(flow.length) + 1);
    }
  });

  it('reports a stored node that disagrees as damage', () => {
    const flow = newFlow();
    const { start } = flow.append([{ root: hash('11'), height: 2 }]);
    flow.setNode(2, start / 4, hexToBytes(hash('11')));
    expect(codeOf(() => flow.setNode(2, start / 4, hexToBytes(hash('12'))))).toBe(
      'MERKLE_NODE_CONFLICT',
    );
  });
});

describe('hostile sector proofs', () => {
  const pair = new Pair();
  for (const size of [1000, 300_000, 5000]) pair.append(patternBytes(size));
  const { flow, twin } = pair;
  const { length } = flow;
  const root = flow.root();
  const levels = twin.levels();
  const inputOf = (sector: number): Parameters<typeof verifyFlowProof>[1] => ({
    root,
    sector,
    leaf: twin.leaves[sector]!,
    proof: proofFromLevels(levels, sector) as never,
    length,
  });

  it('no change of a proof is accepted, and none throws', () => {
    const hashes = flowHeight(length) + 2;
    fc.assert(
      fc.property(fc.nat(length - 1), fc.nat(hashes * 64 - 1), fc.nat(), (sector, digit, other) => {
        const input = inputOf(sector);
        const { lemma, path } = input.proof;
        const check = (change: Partial<typeof input>): boolean =>
          verifyFlowProof(kernels, { ...input, ...change });
        expect(check({})).toBe(true);
        const text = [...lemma[digit >> 6]!];
        text[2 + (digit & 63)] = text[2 + (digit & 63)] === '0' ? '1' : '0';
        const changed = lemma.with(digit >> 6, text.join('') as Hash32);
        expect(check({ proof: { lemma: changed, path } })).toBe(false);
        const side = other % path.length;
        expect(check({ proof: { lemma, path: path.with(side, !path[side]) } })).toBe(false);
        expect(check({ proof: { lemma: lemma.slice(0, -1), path } })).toBe(false);
        expect(check({ proof: { lemma: [...lemma, root], path: [...path, true] } })).toBe(false);
        expect(check({ proof: { lemma: lemma.with(1, '0x' as Hash32), path } })).toBe(false);
        expect(check({ sector: (sector + 1 + (other % (length - 1))) % length })).toBe(false);
        expect(check({ root: hash('ab') })).toBe(false);
        expect(check({ leaf: input.leaf.subarray(1) })).toBe(false);
        expect(check({ sector: -1 })).toBe(false);
        expect(check({ length: length * 4 })).toBe(false);
      }),
    );
  });

  it('an inner node does not pass for a leaf when the length is given', () => {
    const { lemma, path } = inputOf(0).proof;
    const inner = levels[1]![0]!;
    const proof = { lemma: [bytesToHex(inner) as Hash32, ...lemma.slice(2)], path: path.slice(1) };
    const short = { root, sector: 0, leaf: inner, proof };
    expect(verifyFlowProof(kernels, short)).toBe(true);
    expect(verifyFlowProof(kernels, { ...short, length })).toBe(false);
  });

  it('refuses proofs longer than any tree', () => {
    const long = {
      lemma: Array.from({ length: 1002 }, () => root),
      path: new Array(1000).fill(true),
    };
    const input = { root, sector: 0, leaf: hexToBytes(root), proof: long };
    expect(verifyFlowProof(kernels, input)).toBe(false);
  });
});

describe('segment proofs out of the flow', () => {
  it.each([300_000, SEGMENT * 5 + 1, SEGMENT * 17 + 5, SEGMENT * 33 + 1, 20_000, 1, SEGMENT])(
    'a file of %d bytes, segment by segment in any order',
    (size) => {
      const tree = fileTreeOfBytes(kernels, patternBytes(size, 2));
      const { real } = segmentCounts(size);
      for (const order of [1, -1]) {
        const flow = newFlow();
        flow.append(fileTreeOfBytes(kernels, patternBytes(5000)).submissionNodes);
        const { start } = flow.append(tree.submissionNodes);
        const siblingsOf = (index: number): Uint8Array | undefined =>
          segmentSiblingsFromFlow(kernels, { size, startSector: start, index }, (level, at) =>
            flow.node(level, at),
          );
        const indexes = Array.from({ length: real }, (_, i) => i);
        for (const index of order === 1 ? indexes : indexes.toReversed()) {
          const segmentRoot = tree.segmentRoot(index);
          const siblings = tree.siblings(index);
          const segment = { size, startSector: start, index, segmentRoot, siblings };
          for (const { level, index: at, hash: node } of flowNodesOfSegment(segment))
            flow.setNode(level, at, node);
          expect(siblingsOf(index)).toEqual(siblings);
        }
        // Once every segment is known, so is every proof; the flow's root has not moved.
        for (const index of indexes) expect(siblingsOf(index)).toEqual(tree.siblings(index));
      }
    },
  );

  it('is undefined while a sibling is unknown', () => {
    const size = SEGMENT * 5 + 1;
    const tree = fileTreeOfBytes(kernels, patternBytes(size));
    const flow = newFlow();
    const { start } = flow.append(tree.submissionNodes);
    const siblings = segmentSiblingsFromFlow(
      kernels,
      { size, startSector: start, index: 0 },
      (level, index) => flow.node(level, index),
    );
    expect(siblings).toBeUndefined();
  });
});
