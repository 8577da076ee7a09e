// The `indexer_*` namespace (spec/storage-rpc.md section 7).
import { hash32Schema, type ShardedNode } from '@cairn/protocol';
import { invalidParams, type RpcMethod, serverError } from '@cairn/rpc';
import { z } from 'zod';
import type { NodeManager } from '../nodes/node-manager.ts';
import { selectNodes } from '../nodes/select.ts';

export function indexerMethods(deps: {
  nodes: NodeManager;
  random: () => number;
}): Record<string, RpcMethod> {
  const { nodes, random } = deps;
  return {
    indexer_getShardedNodes: async () => ({
      trusted: await nodes.trusted(),
      discovered: nodes.discovered(),
    }),
    indexer_getSelectedNodes: async ([expectedReplica, method, fullTrusted, dropped]) => {
      const replicas = z.int().min(0).max(1000).safeParse(expectedReplica);
      if (!replicas.success)
        throw invalidParams('expectedReplica', 'expected a small non-negative integer');
      const out = z.array(z.string()).max(10_000).nullish().safeParse(dropped);
      if (!out.success) throw invalidParams('dropped', 'expected a list of URLs');
      const isLeft = (node: ShardedNode): boolean => !out.data?.includes(node.url);
      const select = (from: readonly ShardedNode[], count: number): ShardedNode[] =>
        selectNodes(
          from.filter(isLeft),
          count,
          typeof method === 'string' ? method : 'min',
          random,
        );
      // Up to three fifths of the replicas may be with nodes that nobody vouches for.
      const discovered =
        fullTrusted === true ? [] : select(nodes.discovered(), Math.floor((replicas.data * 3) / 5));
      const fromDiscovered = discovered.length > 0 ? Math.floor((replicas.data * 3) / 5) : 0;
      const wanted = replicas.data - fromDiscovered;
      const trusted = select(await nodes.trusted(), wanted);
      if (wanted > 0 && trusted.length === 0) {
        throw serverError(
          'cannot select a subset from the returned nodes that meets the replication requirement',
        );
      }
      return { trusted, discovered };
    },
    indexer_getFileLocations: async ([root]) => {
      const parsed = hash32Schema.safeParse(root);
      if (!parsed.success) throw invalidParams('root', 'expected 0x and 64 hex digits');
      return nodes.locations(parsed.data);
    },
    indexer_getNodeLocations: () => ({}),
  };
}
