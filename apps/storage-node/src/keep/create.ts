// What the node keeps, as the settings ask for: pruning, dropping, splitting and merging, in one loop.
import type { Clock, Logger, RandomSource } from '@cairn/base';
import { createLeaseReader } from '@cairn/chain';
import { type ShardConfig, shardName } from '@cairn/protocol';
import type { SectorRange, SegmentStore } from '@cairn/store';
import type { NodeConfig } from '../config.ts';
import type { ReceiptTable } from '../custody/receipt-table.ts';
import type { Files } from '../ingest/files.ts';
import type { NodeMetrics } from '../metrics.ts';
import type { NodeDatabase } from '../store/node-database.ts';
import type { StoredSubmission } from '../store/submission-table.ts';
import { DROPPER_DEFAULTS, Dropper } from './dropper.ts';
import { Keeper } from './keeper.ts';
import { Pruner } from './pruner.ts';
import { Resharder } from './resharder.ts';
import type { ShardState } from './shards.ts';

export type KeepingDeps = {
  database: NodeDatabase;
  segments: SegmentStore;
  files: Files;
  shards: ShardState;
  receipts: ReceiptTable;
  metrics: NodeMetrics;
  clock: Clock;
  random: RandomSource;
  log: Logger;
  /** Time of the newest block, Unix seconds. */
  chainTime: () => Promise<number>;
  peerShards: () => ShardConfig[];
  widen: (file: StoredSubmission, signal: AbortSignal) => Promise<void>;
  unseal: (ranges: readonly SectorRange[]) => Promise<void>;
  onChanged: () => Promise<void>;
  /** There is room that was not there. */
  onRoom: () => void;
};

/** What `admin_getKeepStatus` answers. */
export type KeepStatus = {
  shard: string;
  /** The most that the settings allow. */
  configuredShard: string;
  /** The parent that is being fetched, or null. */
  mergingTo: string | null;
  isDropping: boolean;
  /** The limit is near, and receipts bind both halves. */
  isHeldBack: boolean;
  segments: number;
  limitSegments: number | null;
};

export type Keeping = {
  readonly mayPromise: boolean;
  status(): KeepStatus;
  start(): void;
  stop(): Promise<void>;
  /** Looks now; resolves when that is done. */
  trigger(): Promise<void>;
};

export function createKeeping(deps: KeepingDeps, config: NodeConfig): Keeping {
  const { database, segments, files, shards, receipts, metrics, clock, log } = deps;
  const { maxSegments, rewardContractAddress } = config;
  const dropper = new Dropper(
    {
      ...{ database, segments, files, shards, clock, log },
      unseal: deps.unseal,
      onRoom: deps.onRoom,
      onDropped: (reason, count) => metrics.droppedSegments.add({ reason }, count),
    },
    DROPPER_DEFAULTS,
  );
  const pruner =
    rewardContractAddress === undefined
      ? undefined
      : new Pruner(
          {
            ...{ database, receipts, clock, log },
            leases: createLeaseReader({
              rpcUrl: config.chainRpcUrl,
              reward: rewardContractAddress,
            }),
            onLooked: () => metrics.leaseLooks.add({}),
            onPruned: () => metrics.filesPruned.add({}),
          },
          {
            graceSeconds: config.pruneGraceSeconds,
            skewSecondsMax: config.pruneSkewSeconds,
          },
        );
  const resharder =
    maxSegments === undefined || !config.reshard
      ? undefined
      : new Resharder(
          {
            ...{ database, segments, files, shards, receipts, log },
            ...{ chainTime: deps.chainTime, peerShards: deps.peerShards, widen: deps.widen },
            ...{ onChanged: deps.onChanged, random: deps.random },
          },
          { limitSegments: maxSegments, shardsMax: SHARDS_MAX, filesMax: config.syncFilesMax },
        );
  const keeper = new Keeper(
    { dropper, pruner, resharder, clock, log },
    { intervalMs: config.keepIntervalMs, pruneIntervalMs: config.pruneIntervalSeconds * 1000 },
  );
  return {
    get mayPromise() {
      return resharder?.isHeldBack !== true;
    },
    status: () => ({
      shard: shardName(shards.current),
      configuredShard: shardName(shards.configured),
      mergingTo: shards.isMerging ? shardName(shards.wanted) : null,
      isDropping: dropper.isDue,
      isHeldBack: resharder?.isHeldBack === true,
      segments: segments.segmentCount,
      limitSegments: maxSegments ?? null,
    }),
    start: () => keeper.start(),
    stop: () => keeper.stop(),
    trigger: () => keeper.trigger(),
  };
}

/** Finest division of the flow: what the mining and custody contracts allow in both presets. */
const SHARDS_MAX = 256;
