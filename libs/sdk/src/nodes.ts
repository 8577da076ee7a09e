import { CodedError, errorMessage, isCodedError } from '@cairn/base';
import { type ShardConfig, type ShardedNode, shardHolds } from '@cairn/protocol';
import {
  createIndexerClient,
  createNodeClient,
  type HttpTransport,
  type NodeClient,
} from '@cairn/rpc';

/** A storage node and the part of the flow it keeps. */
export type StorageNode = { client: NodeClient; shard: ShardConfig };

export type NodeDirectoryOptions = {
  indexerUrl?: string | undefined;
  nodeUrls?: readonly string[] | undefined;
  transport?: HttpTransport | undefined;
};

/** Which nodes there are, from an indexer or a list; clients are kept, so each node is asked for its abilities once. */
export class NodeDirectory {
  readonly #options: NodeDirectoryOptions;
  readonly #clients = new Map<string, NodeClient>();

  constructor(options: NodeDirectoryOptions) {
    this.#options = options;
  }

  /** Nodes to upload to: the indexer's trusted ones, or those of the list that answer. */
  async writable(signal?: AbortSignal): Promise<StorageNode[]> {
    const { indexerUrl } = this.#options;
    if (indexerUrl)
      return (
        await createIndexerClient(indexerUrl, this.#options).getShardedNodes({ signal })
      ).trusted.map((node) => this.#node(node));
    return this.#listed(signal);
  }

  /** Nodes that have the file finalized. */
  async holding(root: string, signal?: AbortSignal): Promise<StorageNode[]> {
    const { indexerUrl } = this.#options;
    if (indexerUrl) {
      const indexer = createIndexerClient(indexerUrl, this.#options);
      try {
        return (await indexer.getFileLocations(root, { signal })).map((node) => this.#node(node));
      } catch (error) {
        // 0G's indexer answers an unknown root with an error.
        if (isCodedError(error, 'RPC_REMOTE') && error.message.includes('file not found'))
          return [];
        throw error;
      }
    }
    const nodes = await this.#listed(signal);
    const infos = await Promise.all(
      nodes.map(({ client }) => client.getFileInfo(root, true, { signal }).catch(() => null)),
    );
    return nodes.filter((_, i) => infos[i]?.finalized);
  }

  async #listed(signal?: AbortSignal): Promise<StorageNode[]> {
    const failures: string[] = [];
    const found = await Promise.all(
      (this.#options.nodeUrls ?? []).map(async (url) => {
        const client = this.#client(url);
        try {
          return { client, shard: await client.getShardConfig({ signal, timeoutMs: 5000 }) };
        } catch (error) {
          signal?.throwIfAborted();
          failures.push(errorMessage(error));
          return undefined;
        }
      }),
    );
    const nodes = found.filter((node) => node !== undefined);
    if (nodes.length === 0) {
      throw new CodedError({
        code: 'SDK_NO_NODES',
        kind: 'unavailable',
        message: 'no storage node answers',
        hint: failures[0] ?? 'name nodes with --node, or an indexer with --indexer',
      });
    }
    return nodes;
  }

  #node(node: ShardedNode): StorageNode {
    return { client: this.#client(node.url), shard: node.config };
  }

  #client(url: string): NodeClient {
    let client = this.#clients.get(url);
    if (!client) {
      client = createNodeClient(url, { transport: this.#options.transport });
      this.#clients.set(url, client);
    }
    return client;
  }
}

/**
 * Picks nodes until every shard has `replicas` holders, larger shards first, each node once. Undefined when they cannot
 * cover it. Works on residues modulo the largest count, so any mix of powers of two is fine.
 */
export function selectCovering(
  nodes: readonly StorageNode[],
  replicas: number,
): StorageNode[] | undefined {
  const modulus = Math.max(1, ...nodes.map((node) => node.shard.numShard));
  const covered = new Array<number>(modulus).fill(0);
  const chosen: StorageNode[] = [];
  for (const node of [...nodes].sort(
    (a, b) => a.shard.numShard - b.shard.numShard || a.shard.shardId - b.shard.shardId,
  )) {
    let isUseful = false;
    for (let residue = 0; residue < modulus; residue++) {
      if (shardHolds(node.shard, residue) && covered[residue]! < replicas) isUseful = true;
    }
    if (!isUseful) continue;
    chosen.push(node);
    for (let residue = 0; residue < modulus; residue++)
      if (shardHolds(node.shard, residue)) covered[residue]!++;
    if (covered.every((count) => count >= replicas)) return chosen;
  }
  return undefined;
}
