// The `admin_*` namespace (spec/storage-rpc.md section 6).
import { sectorCount } from '@cairn/merkle';
import { SECTORS_PER_SEGMENT } from '@cairn/protocol';
import { internalError, type RpcMethod } from '@cairn/rpc';
import type { Metrics } from '@cairn/telemetry';
import type { KeepStatus } from '../keep/create.ts';
import type { PeerReports } from '../p2p/report.ts';
import type { NodeDatabase } from '../store/node-database.ts';
import { STATE, type StoredSubmission } from '../store/submission-table.ts';
import type { SyncTask } from '../sync/sync-task.ts';
import { parseUint } from './params.ts';

/** What the operator can ask of sync; absent in a node without peers. */
export type SyncControl = {
  request(file: StoredSubmission, range?: { startSector: number; endSector: number }): void;
  terminate(seq: number): boolean;
  status(seq: number): string | undefined;
  tasks(): SyncTask[];
  missingOf(task: SyncTask): number[];
  find(file: StoredSubmission): Promise<void>;
};

export type AdminDeps = {
  database: NodeDatabase;
  metrics: Metrics;
  peers: PeerReports;
  sync: SyncControl | undefined;
  keepStatus: () => KeepStatus;
  /** Monotonic milliseconds. */
  monotonic: () => number;
  shutdown: () => void;
};

/** One entry of `admin_getSyncInfo`, in upstream's field names; positions in sectors of the file. */
function syncInfo(task: SyncTask, missing: readonly number[], nowMs: number): unknown {
  const { goal, file } = task;
  return {
    elapsedSecs: Math.floor((nowMs - task.startedAt) / 1000),
    peers: task.holders > 0 ? { Connected: task.holders } : {},
    goal: {
      numChunks: sectorCount(file.size),
      indexStart: goal.startSector,
      indexEnd: goal.endSector,
      allChunks: goal.isWhole,
    },
    nextChunks: missing[0] === undefined ? goal.endSector : missing[0] * SECTORS_PER_SEGMENT,
    state: task.state,
  };
}

export function adminMethods(deps: AdminDeps): Record<string, RpcMethod> {
  const { database, sync, peers } = deps;
  const known = (seq: unknown): StoredSubmission => {
    const file = database.submissions.bySeq(parseUint(seq, 'tx_seq'));
    if (!file) throw internalError('tx not found');
    return file;
  };
  return {
    admin_findFile: async ([seq]) => {
      await sync?.find(known(seq));
      return null;
    },
    admin_shutdown: () => {
      deps.shutdown();
      return null;
    },
    admin_startSyncFile: ([seq]) => {
      sync?.request(known(seq));
      return null;
    },
    admin_startSyncChunks: ([seq, start, end]) => {
      const file = known(seq);
      const range = {
        startSector: parseUint(start, 'start_index'),
        endSector: parseUint(end, 'end_index'),
      };
      if (range.startSector >= range.endSector || range.endSector > sectorCount(file.size))
        throw internalError('invalid chunk range');
      sync?.request(file, range);
      return null;
    },
    admin_terminateSync: ([seq]) => sync?.terminate(parseUint(seq, 'tx_seq')) ?? false,
    admin_getSyncServiceState: () => {
      const running = (sync?.tasks() ?? []).filter((task) => task.running !== undefined);
      return {
        numSyncing: running.length,
        catchedUp: database.progress() !== undefined,
        autoSyncSerial: null,
        autoSyncRandom: sync
          ? {
              name: 'auto',
              tasks: running.map((task) => task.file.seq),
              pendingTxs: database.submissions.receivingCount,
              readyTxs: running.filter((task) => task.holders > 0).length,
              cachedReadyTxs: 0,
            }
          : null,
      };
    },
    admin_getSyncStatus: ([seq]) => {
      const txSeq = parseUint(seq, 'tx_seq');
      if (database.submissions.bySeq(txSeq)?.state === STATE.finalized) return 'Completed';
      return sync?.status(txSeq) ?? 'unknown';
    },
    admin_getSyncInfo: ([seq]) => {
      const only = seq === undefined || seq === null ? undefined : parseUint(seq, 'tx_seq');
      const tasks = (sync?.tasks() ?? []).filter(
        ({ file }) => only === undefined || file.seq === only,
      );
      return Object.fromEntries(
        tasks.map((task) => [
          task.file.seq,
          syncInfo(task, sync?.missingOf(task) ?? [], deps.monotonic()),
        ]),
      );
    },
    admin_getKeepStatus: () => deps.keepStatus(),
    admin_getNetworkInfo: () => peers.networkInfo(),
    admin_getPeers: () => peers.peers(),
    admin_getFileLocation: ([seq, allShards]) => peers.location(known(seq), allShards === true),
    admin_getMetrics: ([prefix]) => deps.metrics.values(typeof prefix === 'string' ? prefix : ''),
  };
}
