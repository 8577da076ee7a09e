// Node selection (spec/storage-rpc.md section 9): what comes out covers every shard often enough, or nothing does.
import { seededRandom } from '@cairn/base';
import { type ShardedNode, shardHolds } from '@cairn/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isCovered, selectNodes } from '../src/nodes/select.ts';

const node = (shardId: number, numShard: number, name = ''): ShardedNode => ({
  url: `http://${shardId}-${numShard}${name}`,
  config: { shardId, numShard },
  latency: 0,
  since: 0,
});
const urls = (nodes: readonly ShardedNode[]): string[] => nodes.map(({ url }) => url.slice(7));
const never = (): number => 0;
/** How many of the nodes hold the shard that is held least. */
function replicasOf(nodes: readonly ShardedNode[]): number {
  const residues = Array.from({ length: 8 }, (_, i) => i);
  return Math.min(
    ...residues.map((residue) => nodes.filter(({ config }) => shardHolds(config, residue)).length),
  );
}

describe('selection', () => {
  const nodes = [node(0, 2), node(1, 2), node(0, 1), node(3, 4), node(1, 4), node(0, 1, 'b')];
  it.each([
    ['min', 1, ['0-1']],
    ['min', 2, ['0-1', '0-1b']],
    ['min', 3, ['0-1', '0-1b', '0-2', '1-2']],
    ['max', 1, ['1-4', '3-4', '0-2']],
    ['2', 1, ['0-2', '1-2']],
    ['4', 1, []],
    ['min', 4, []],
    ['newest', 1, []],
    ['min', 0, []],
  ])('%s with %d replicas', (method, replicas, expected) => {
    expect(urls(selectNodes(nodes, replicas, method, never))).toEqual(expected);
  });

  it('is covered as often as asked, or empty', () => {
    const shard = fc
      .integer({ min: 0, max: 3 })
      .chain((depth) =>
        fc.tuple(fc.integer({ min: 0, max: 2 ** depth - 1 }), fc.constant(2 ** depth)),
      );
    const property = fc.property(
      fc.array(shard, { maxLength: 12 }),
      fc.integer({ min: 1, max: 3 }),
      fc.constantFrom('min', 'max', 'random'),
      fc.integer(),
      (shards, replicas, method, seed) => {
        const all = shards.map(([id, count], i) => node(id, count, `/${i}`));
        const random = seededRandom(seed);
        const chosen = selectNodes(all, replicas, method, () => random.next());
        if (chosen.length > 0) expect(replicasOf(chosen)).toBeGreaterThanOrEqual(replicas);
        if (replicas === 1) expect(isCovered(all)).toBe(replicasOf(all) >= 1);
      },
    );
    fc.assert(property, { numRuns: 300 });
  });
});
