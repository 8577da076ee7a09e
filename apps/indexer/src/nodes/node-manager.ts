import { type Clock, errorMessage, type Hash32, type Logger } from '@cairn/base';
import type { FileInfo, NodeStatus, ShardedNode } from '@cairn/protocol';
import { createNodeClient, type HttpTransport, type NodeClient, serverError } from '@cairn/rpc';
import type { Discovery } from './discovery.ts';
import { isCovered } from './select.ts';

export type NodeManagerDeps = {
  log: Logger;
  clock: Clock;
  transport?: HttpTransport | undefined;
  discovery?: Pick<Discovery, 'nodes' | 'locate' | 'find'> | undefined;
};
export type NodeManagerOptions = {
  trusted: readonly string[];
  timeoutMs: number;
  cacheEntries: number;
  cacheMs: number;
};

type Located = { nodes: ShardedNode[]; expiresAt: number };

/** The trusted nodes, asked afresh each time; who does not answer is left out. File locations are remembered once covered. */
export class NodeManager {
  readonly #deps: NodeManagerDeps;
  readonly #options: NodeManagerOptions;
  readonly #clients: readonly NodeClient[];
  readonly #locations = new Map<string, Located>();
  #answering = 0;

  constructor(deps: NodeManagerDeps, options: NodeManagerOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#clients = options.trusted.map((url) =>
      createNodeClient(url, { transport: deps.transport, timeoutMs: options.timeoutMs }),
    );
  }

  /** Nodes that answered when they were last asked for their shards. */
  get answering(): number {
    return this.#answering;
  }

  get cachedLocations(): number {
    return this.#locations.size;
  }

  get clients(): readonly NodeClient[] {
    return this.#clients;
  }

  /** Trusted nodes that answer, with shard and latency. */
  async trusted(): Promise<ShardedNode[]> {
    const { clock, log } = this.#deps;
    const found = await Promise.all(
      this.#clients.map(async (client): Promise<ShardedNode | undefined> => {
        const started = clock.monotonic();
        try {
          const config = await client.getShardConfig({ timeoutMs: this.#options.timeoutMs });
          return {
            url: client.url,
            config,
            latency: Math.round(clock.monotonic() - started),
            since: 0,
          };
        } catch (error) {
          log.warn(
            { url: client.url, error: errorMessage(error) },
            'a trusted node does not answer',
          );
          return undefined;
        }
      }),
    );
    const alive = found.filter((node) => node !== undefined);
    this.#answering = alive.length;
    return alive;
  }

  /** Nodes that were found, with shard and latency as of the last look. */
  discovered(): ShardedNode[] {
    return this.#deps.discovery?.nodes() ?? [];
  }

  /** Nodes that have the file finalized, or null while they do not cover every shard. Throws `file not found`. */
  async locations(root: Hash32): Promise<ShardedNode[] | null> {
    const cached = this.#locations.get(root);
    const now = this.#deps.clock.monotonic();
    const alive = await this.trusted();
    if (cached && cached.expiresAt > now) {
      const known = [...alive, ...this.discovered()];
      const left = cached.nodes.filter((node) => known.some(({ url }) => url === node.url));
      if (isCovered(left)) return left;
    }
    const seq = await this.#seqOf(root);
    if (seq === undefined) throw serverError('file not found');
    const infos = await this.infos(seq);
    if ([...infos.values()].every((info) => info === null))
      throw serverError('file info not found');
    const nodes = alive.filter((node) => infos.get(node.url)?.finalized);
    const { discovery } = this.#deps;
    if (!isCovered(nodes) && discovery) nodes.push(...(await discovery.locate(seq)));
    if (!isCovered(nodes)) {
      await discovery?.find(seq);
      return null;
    }
    if (this.#locations.size >= this.#options.cacheEntries)
      this.#locations.delete(this.#locations.keys().next().value ?? '');
    if (this.#options.cacheEntries > 0)
      this.#locations.set(root, { nodes, expiresAt: now + this.#options.cacheMs });
    return nodes;
  }

  /** What each node that answers says about a submission. */
  async infos(seq: number): Promise<Map<string, FileInfo | null>> {
    return this.#askAll((client) => client.getFileInfoByTxSeq(seq));
  }

  /** The same by root. */
  async infosByRoot(root: Hash32): Promise<Map<string, FileInfo | null>> {
    return this.#askAll((client) => client.getFileInfo(root, true));
  }

  async statuses(): Promise<NodeStatus[]> {
    return [...(await this.#askAll((client) => client.getStatus())).values()];
  }

  async #seqOf(root: Hash32): Promise<number | undefined> {
    for (const info of (await this.infosByRoot(root)).values()) if (info) return info.tx.seq;
    return undefined;
  }

  async #askAll<T>(ask: (client: NodeClient) => Promise<T>): Promise<Map<string, T>> {
    const answers = await Promise.allSettled(this.#clients.map(ask));
    const out = new Map<string, T>();
    for (const [i, answer] of answers.entries())
      if (answer.status === 'fulfilled') out.set(this.#clients[i]!.url, answer.value);
    return out;
  }
}
