import { CodedError, errorMessage } from '@cairn/base';
import { type StorageNode, selectCovering } from './nodes.ts';

/** The nodes in use, and who steps in when one fails. */
export class Selection {
  readonly replicas: number;
  chosen: StorageNode[];
  readonly #all: readonly StorageNode[];
  readonly #failed = new Set<string>();

  constructor(all: readonly StorageNode[], replicas: number | undefined) {
    this.#all = all;
    this.replicas = replicas ?? (selectCovering(all, 2) ? 2 : 1);
    const chosen = selectCovering(all, this.replicas);
    if (!chosen) {
      throw new CodedError({
        code: 'SDK_NOT_ENOUGH_NODES',
        kind: 'unavailable',
        message: `${all.length} nodes do not hold every shard ${this.replicas} times`,
        hint: 'ask for fewer replicas, or wait for more nodes',
      });
    }
    this.chosen = chosen;
  }

  get urls(): string[] {
    return this.chosen.map((node) => node.client.url);
  }

  /** Takes a node out; returns the ones that are new, or throws when the rest cannot cover the file even once. */
  fail(node: StorageNode, cause: unknown): StorageNode[] {
    this.#failed.add(node.client.url);
    const left = this.#all.filter(({ client }) => !this.#failed.has(client.url));
    const next = selectCovering(left, this.replicas) ?? selectCovering(left, 1);
    if (!next) {
      throw new CodedError({
        code: 'SDK_UPLOAD_FAILED',
        kind: 'unavailable',
        message: `storage node ${node.client.url} failed and no other can take its part: ${errorMessage(cause)}`,
        hint: 'run the same command again when the node is back; it goes on where it stopped',
        cause,
      });
    }
    const fresh = next.filter((candidate) => !this.chosen.includes(candidate));
    this.chosen = next;
    return fresh;
  }
}
