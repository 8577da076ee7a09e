import { CodedError } from '@cairn/base';
import { shardHolds } from '@cairn/protocol';
import type { StorageNode } from './nodes.ts';

/** The nodes of one file's download: who holds what, how busy each is, who was dropped and why. */
export class Sources {
  readonly all: readonly StorageNode[];
  readonly stride: number;
  readonly dropped: { url: string; reason: string; lied: boolean }[] = [];
  readonly #load = new Map<StorageNode, number>();
  readonly #served = new Set<string>();

  constructor(nodes: readonly StorageNode[]) {
    this.all = nodes;
    // With a full node present runs are consecutive; otherwise they follow the finest sharding.
    this.stride = Math.max(1, ...nodes.map((node) => node.shard.numShard));
    for (const node of nodes) this.#load.set(node, 0);
  }

  /** The least busy node that holds the segment at this index of the flow; `release` it after. */
  pick(
    flowSegment: number,
    accepts: (node: StorageNode) => boolean = () => true,
  ): StorageNode | undefined {
    let best: StorageNode | undefined;
    for (const [node, load] of this.#load) {
      if (best && load >= this.#load.get(best)!) continue;
      if (shardHolds(node.shard, flowSegment) && accepts(node)) best = node;
    }
    if (best) this.#load.set(best, this.#load.get(best)! + 1);
    return best;
  }

  /** Whether anybody holds the segment at this index of the flow. */
  holds(flowSegment: number, accepts: (node: StorageNode) => boolean = () => true): boolean {
    for (const node of this.#load.keys())
      if (shardHolds(node.shard, flowSegment) && accepts(node)) return true;
    return false;
  }

  /** Whether every segment has a holder. */
  get isCovering(): boolean {
    for (let residue = 0; residue < this.stride; residue++) if (!this.holds(residue)) return false;
    return true;
  }

  release(node: StorageNode): void {
    const load = this.#load.get(node);
    if (load !== undefined) this.#load.set(node, load - 1);
  }

  served(node: StorageNode): void {
    this.#served.add(node.client.url);
  }

  drop(node: StorageNode, reason: string, lied: boolean): void {
    if (this.#load.delete(node)) this.dropped.push({ url: node.client.url, reason, lied });
  }

  get servedUrls(): string[] {
    return [...this.#served];
  }
}

/** No node that answers has a segment; every one that was asked lied, if so. */
export function unavailable(
  root: string,
  index: number,
  sources: Sources,
  cause?: unknown,
): CodedError {
  const lied = sources.dropped.length > 0 && sources.dropped.every((entry) => entry.lied);
  return new CodedError({
    code: lied ? 'SDK_VERIFICATION' : 'SDK_UNAVAILABLE',
    kind: lied ? 'corrupt' : 'unavailable',
    message: lied
      ? `every node that was asked gave wrong bytes for segment ${index} of ${root}`
      : `no node that answers has segment ${index} of ${root}`,
    hint: lied
      ? 'do not use what was downloaded; name other nodes'
      : 'try again later, or name other nodes',
    details: { root, segment: index, dropped: sources.dropped },
    cause,
  });
}

/** True for failures that say something about the node that was asked, rather than about us. */
export function isNodeFault(error: unknown): boolean {
  return (
    error instanceof CodedError &&
    /^(RPC_|MERKLE_|PROTOCOL_FRAME|SDK_SEGMENT_MISSING|BASE_INVALID)/.test(error.code)
  );
}

/** True for failures that show that the node gave bytes that are not the file's. */
export function isLie(error: unknown): boolean {
  return error instanceof CodedError && error.code.startsWith('MERKLE_');
}
