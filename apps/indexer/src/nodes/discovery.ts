/*
 * Storage nodes that nobody configured: the peers of one node that we trust, found by its admin RPC (spec/storage-rpc.md
 * section 7). Peers name only IPs, so each is tried at the configured ports; who answers as a node of the same network is
 * offered to clients as discovered, never as trusted, and looked at again every round.
 */

import { isIP } from 'node:net';
import { type Clock, CodedError, errorMessage, forEachLimit, type Logger, Loop } from '@cairn/base';
import { isPrivateHost } from '@cairn/p2p';
import { assertShardConfig, type ShardedNode } from '@cairn/protocol';
import { createNodeClient, type HttpTransport, rpcCall } from '@cairn/rpc';
import { z } from 'zod';

export type DiscoveryDeps = { log: Logger; clock: Clock; transport?: HttpTransport | undefined };
export type DiscoveryOptions = {
  /** Admin RPC of the node whose peers are looked at. */
  adminUrl: string;
  /** Public RPC of a trusted node; others must belong to its network. */
  trustedUrl: string;
  /** Where nodes are looked for on each IP. */
  ports: readonly number[];
  /** URLs that are trusted and so not discovered. */
  except: readonly string[];
  /** Look at private addresses that peers name. */
  allowPrivate: boolean;
  intervalMs: number;
  timeoutMs: number;
};

const peersSchema = z.record(z.string(), z.object({ seenIps: z.array(z.string()) }));
const locationSchema = z.array(z.object({ ip: z.string() })).nullable();
/** Nodes remembered; places tried in one round. */
const NODES_MAX = 1000;
const PROBES_MAX = 4000;
const PROBES_AT_ONCE = 16;
/** A file that nobody has is asked for once in this time. */
const FIND_MS = 3_600_000;
const FINDS_MAX = 10_000;

export class Discovery {
  readonly #deps: DiscoveryDeps;
  readonly #options: DiscoveryOptions;
  readonly #nodes = new Map<string, ShardedNode>();
  readonly #foundAt = new Map<number, number>();
  readonly #loop: Loop;

  constructor(deps: DiscoveryDeps, options: DiscoveryOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#loop = new Loop((signal) => this.#round(signal), {
      name: 'discovery',
      intervalMs: options.intervalMs,
      clock: deps.clock,
      onError: (error) =>
        deps.log.warn({ error: errorMessage(error) }, 'looking for storage nodes failed'),
    });
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  /** Nodes that answered in the last round. */
  nodes(): ShardedNode[] {
    return [...this.#nodes.values()];
  }

  /** Discovered nodes that have the submission finalized, by what the discovery node's peers announced. */
  async locate(txSeq: number): Promise<ShardedNode[]> {
    try {
      const answer = locationSchema.parse(
        await this.#admin('admin_getFileLocation', [txSeq, false]),
      );
      const found: ShardedNode[] = [];
      const urls = this.#urls((answer ?? []).map(({ ip }) => ip));
      await forEachLimit(urls, { limit: PROBES_AT_ONCE }, async (url) => {
        const node = await this.#probe(url);
        const { transport } = this.#deps;
        const { timeoutMs } = this.#options;
        const info =
          node &&
          (await createNodeClient(url, { transport, timeoutMs })
            .getFileInfoByTxSeq(txSeq)
            .catch(() => null));
        if (node && info?.finalized) found.push(node);
      });
      return found;
    } catch (error) {
      this.#deps.log.debug({ txSeq, error: errorMessage(error) }, 'no locations were found');
      return [];
    }
  }

  /** Has the network asked for a file, at most once an hour. */
  async find(txSeq: number): Promise<void> {
    const now = this.#deps.clock.monotonic();
    if (now - (this.#foundAt.get(txSeq) ?? Number.NEGATIVE_INFINITY) < FIND_MS) return;
    if (this.#foundAt.size >= FINDS_MAX)
      this.#foundAt.delete(this.#foundAt.keys().next().value ?? txSeq);
    this.#foundAt.set(txSeq, now);
    await this.#admin('admin_findFile', [txSeq]).catch((error: unknown) => {
      this.#deps.log.debug({ txSeq, error: errorMessage(error) }, 'a file could not be asked for');
    });
  }

  async #round(signal: AbortSignal): Promise<void> {
    const peers = peersSchema.parse(await this.#admin('admin_getPeers', []));
    const ips = Object.values(peers).flatMap(({ seenIps }) => seenIps.slice(0, 1));
    // Those known from earlier rounds are looked at again, whether or not their peer is still connected.
    const urls = new Set([...this.#nodes.keys(), ...this.#urls(ips)]);
    await forEachLimit(urls, { limit: PROBES_AT_ONCE, signal }, async (url) => {
      const node = await this.#probe(url);
      if (!node) this.#nodes.delete(url);
      else if (this.#nodes.has(url) || this.#nodes.size < NODES_MAX) this.#nodes.set(url, node);
    });
    this.#deps.log.debug({ nodes: this.#nodes.size, tried: urls.size }, 'looked for storage nodes');
  }

  #urls(ips: readonly string[]): string[] {
    const { ports, except, allowPrivate } = this.#options;
    const urls = [...new Set(ips)]
      .filter((ip) => isIP(ip) !== 0 && (allowPrivate || !isPrivateHost(ip)))
      .flatMap((ip) => ports.map((port) => `http://${isIP(ip) === 6 ? `[${ip}]` : ip}:${port}`));
    return urls.filter((url) => !except.includes(url)).slice(0, PROBES_MAX);
  }

  /** The node at this address; undefined when none of our network answers there. */
  async #probe(url: string): Promise<ShardedNode | undefined> {
    const { clock, transport } = this.#deps;
    const { timeoutMs, trustedUrl } = this.#options;
    try {
      const client = createNodeClient(url, { transport, timeoutMs });
      const started = clock.monotonic();
      const config = await client.getShardConfig({ timeoutMs });
      const latency = Math.round(clock.monotonic() - started);
      assertShardConfig(config);
      if (!this.#nodes.has(url)) {
        const trusted = createNodeClient(trustedUrl, { transport, timeoutMs });
        const [ours, theirs] = await Promise.all([trusted.getStatus(), client.getStatus()]);
        if (ours.networkIdentity.flowAddress !== theirs.networkIdentity.flowAddress)
          throw new CodedError({
            code: 'INDEXER_OTHER_NETWORK',
            kind: 'invalid',
            message: `${url} belongs to another network`,
          });
      }
      return { url, config, latency, since: Math.floor(clock.now() / 1000) };
    } catch {
      return undefined; // most places that are tried have nothing
    }
  }

  #admin(method: string, params: readonly unknown[]): Promise<unknown> {
    const { transport } = this.#deps;
    return rpcCall(this.#options.adminUrl, method, params, {
      ...(transport ? { transport } : {}),
      timeoutMs: this.#options.timeoutMs,
    });
  }
}
