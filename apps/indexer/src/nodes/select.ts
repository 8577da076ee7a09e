import type { ShardConfig, ShardedNode } from '@cairn/protocol';

/** A binary tree over shards: depth d stands for numShard 2^d, `replica` is the least of what lies below. */
type TreeNode = { replica: number; left?: TreeNode; right?: TreeNode };

function insert(tree: TreeNode, shard: ShardConfig, replicas: number): boolean {
  if (tree.replica >= replicas) return false;
  if (shard.numShard === 1) {
    addTo(tree);
    return true;
  }
  tree.left ??= { replica: tree.replica };
  tree.right ??= { replica: tree.replica };
  const child = shard.shardId % 2 === 0 ? tree.left : tree.right;
  const accepted = insert(
    child,
    { shardId: Math.floor(shard.shardId / 2), numShard: shard.numShard / 2 },
    replicas,
  );
  tree.replica = Math.min(tree.left.replica, tree.right.replica);
  return accepted;
}

function addTo(tree: TreeNode): void {
  tree.replica++;
  if (tree.left) addTo(tree.left);
  if (tree.right) addTo(tree.right);
}

export type SelectMethod = 'min' | 'max' | 'random' | string;

/**
 * Nodes that together hold every shard `replicas` times, in the order of `method`; an empty list when they cannot.
 * Source: spec/storage-rpc.md section 9.
 */
export function selectNodes(
  nodes: readonly ShardedNode[],
  replicas: number,
  method: SelectMethod,
  random: () => number,
): ShardedNode[] {
  if (replicas === 0) return [];
  const tree: TreeNode = { replica: 0 };
  const chosen: ShardedNode[] = [];
  for (const node of ordered(nodes, method, random)) {
    if (insert(tree, node.config, replicas)) chosen.push(node);
    if (tree.replica >= replicas) return chosen;
  }
  return [];
}

/** True when the nodes hold every shard. */
export function isCovered(nodes: readonly ShardedNode[]): boolean {
  return selectNodes(nodes, 1, 'min', () => 0).length > 0;
}

function ordered(
  nodes: readonly ShardedNode[],
  method: SelectMethod,
  random: () => number,
): ShardedNode[] {
  const out = [...nodes];
  const byId = (a: ShardedNode, b: ShardedNode): number => a.config.shardId - b.config.shardId;
  if (method === 'min')
    return out.sort((a, b) => a.config.numShard - b.config.numShard || byId(a, b));
  if (method === 'max')
    return out.sort((a, b) => b.config.numShard - a.config.numShard || byId(a, b));
  if (method === 'random') {
    for (let i = out.length - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      [out[i], out[j]] = [out[j]!, out[i]!];
    }
    return out;
  }
  return /^\d+$/.test(method)
    ? out.filter((node) => node.config.numShard === Number(method)).sort(byId)
    : [];
}
