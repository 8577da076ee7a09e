/*
 * Which part of the flow this node keeps, and on the way to which other part it is (docs/adr/0014).
 *
 *   meta 'shard'           ID/COUNT that the operator gave: the most this node ever keeps
 *   meta 'shard_now'       the part of it that is served, announced and promised; absent: all of it
 *   meta 'shard_merging'   '1' while the other half of its parent is being fetched
 *   meta 'shard_drop_next' segment of the flow from which stored segments may still be outside; absent: none is
 *
 * A change of these is one transaction, so a kill leaves the state before it or after it. What follows from it (dropping, fetching) is
 * derived from what is stored, and goes on after a restart.
 */
import { CodedError } from '@cairn/base';
import {
  halvesOfShard,
  parentOfShard,
  parseShardName,
  type ShardConfig,
  shardContains,
  shardName,
} from '@cairn/protocol';
import type { NodeDatabase } from '../store/node-database.ts';

/** What the rest of the node has to know. */
export type HeldShards = {
  /** What this node answers for: finalized means that all of this is here. */
  readonly current: ShardConfig;
  /** What it stores: `current`, or its parent while it merges. */
  readonly wanted: ShardConfig;
};

/** A part that never changes. */
export const fixedShard = (shard: ShardConfig): HeldShards => ({ current: shard, wanted: shard });

const META = {
  configured: 'shard',
  now: 'shard_now',
  merging: 'shard_merging',
  dropNext: 'shard_drop_next',
} as const;

export class ShardState implements HeldShards {
  readonly #database: NodeDatabase;
  readonly configured: ShardConfig;
  #current: ShardConfig;
  #isMerging: boolean;

  private constructor(database: NodeDatabase, configured: ShardConfig) {
    this.#database = database;
    this.configured = configured;
    const now = database.meta(META.now);
    this.#current = now === undefined ? configured : parseShardName(now);
    this.#isMerging = database.meta(META.merging) === '1';
  }

  /** Of this folder. Throws `NODE_OTHER_SHARD` when it was made for another shard than the settings name, `PROTOCOL_SHARD`. */
  static load(database: NodeDatabase, name: string): ShardState {
    const configured = parseShardName(name);
    const known = database.meta(META.configured);
    if (known === undefined) database.setMeta(META.configured, shardName(configured));
    else if (known !== shardName(configured)) {
      throw new CodedError({
        code: 'NODE_OTHER_SHARD',
        kind: 'invalid',
        message: `the data folder holds shard ${known}, not ${name}`,
        hint: 'start with the shard of the folder, or with an empty folder',
      });
    }
    return new ShardState(database, configured);
  }

  get current(): ShardConfig {
    return this.#current;
  }

  get wanted(): ShardConfig {
    return this.#isMerging ? parentOfShard(this.#current) : this.#current;
  }

  get isMerging(): boolean {
    return this.#isMerging;
  }

  /** Segment of the flow from which on something stored may be outside of `wanted`; undefined when nothing is. */
  get dropNext(): number | undefined {
    const next = this.#database.meta(META.dropNext);
    return next === undefined ? undefined : Number(next);
  }

  set dropNext(segmentIndex: number | undefined) {
    if (segmentIndex === undefined) this.#database.removeMeta(META.dropNext);
    else this.#database.setMeta(META.dropNext, String(segmentIndex));
  }

  /** Gives up the other half. `half` is one of the halves of `current`; not while merging. */
  split(half: 0 | 1): void {
    const next = halvesOfShard(this.#current)[half];
    this.#transaction(() => {
      this.#database.setMeta(META.now, shardName(next));
      this.#database.setMeta(META.dropNext, '0');
    });
    this.#current = next;
  }

  /** True when the operator's setting has room for the parent. */
  get canMerge(): boolean {
    return (
      !this.#isMerging &&
      this.#current.numShard > this.configured.numShard &&
      shardContains(this.configured, this.#current)
    );
  }

  beginMerge(): void {
    this.#database.setMeta(META.merging, '1');
    this.#isMerging = true;
  }

  /** Stays what it is; what came of the other half goes again. */
  cancelMerge(): void {
    this.#transaction(() => {
      this.#database.removeMeta(META.merging);
      this.#database.setMeta(META.dropNext, '0');
    });
    this.#isMerging = false;
  }

  /** Answers for the parent from now on; `commit` runs in the same transaction. */
  finishMerge(commit: () => void): void {
    const next = parentOfShard(this.#current);
    this.#transaction(() => {
      this.#database.removeMeta(META.merging);
      this.#database.setMeta(META.now, shardName(next));
      commit();
    });
    this.#isMerging = false;
    this.#current = next;
  }

  #transaction(run: () => void): void {
    this.#database.db.transaction(run)();
  }
}
