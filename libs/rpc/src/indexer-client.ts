import {
  type ShardedNode,
  type ShardedNodes,
  shardedNodeSchema,
  shardedNodesSchema,
} from '@cairn/protocol';
import { z } from 'zod';
import { rpcCall } from './call.ts';
import type { CallOptions, NodeClientOptions } from './node-client.ts';

export interface IndexerClient {
  readonly url: string;
  getShardedNodes(options?: CallOptions): Promise<ShardedNodes>;
  /** Empty when the file is known and not covered yet. */
  getFileLocations(root: string, options?: CallOptions): Promise<ShardedNode[]>;
}

export function createIndexerClient(url: string, client: NodeClientOptions = {}): IndexerClient {
  const call = <T>(
    method: string,
    params: readonly unknown[],
    schema: z.ZodType<T>,
    options: CallOptions = {},
  ): Promise<T> =>
    rpcCall(url, method, params, {
      signal: options.signal,
      timeoutMs: options.timeoutMs ?? client.timeoutMs,
      schema,
      transport: client.transport,
    });
  return {
    url,
    getShardedNodes: (options) => call('indexer_getShardedNodes', [], shardedNodesSchema, options),
    getFileLocations: async (root, options) =>
      (await call(
        'indexer_getFileLocations',
        [root],
        z.array(shardedNodeSchema).nullable(),
        options,
      )) ?? [],
  };
}
