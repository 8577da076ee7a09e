// The `admin_*` namespace (spec/storage-rpc.md section 6), truthful for a node without peers.
import { internalError, type RpcMethod } from '@cairn/rpc';
import type { Metrics } from '@cairn/telemetry';
import type { NodeDatabase } from '../store/node-database.ts';
import { STATE } from '../store/submission-table.ts';
import { parseUint } from './params.ts';

export type AdminDeps = {
  database: NodeDatabase;
  metrics: Metrics;
  peerId: string;
  shutdown: () => void;
};

export function adminMethods(deps: AdminDeps): Record<string, RpcMethod> {
  const known = (seq: unknown): number => {
    const txSeq = parseUint(seq, 'tx_seq');
    if (!deps.database.submissions.bySeq(txSeq)) throw internalError('tx not found');
    return txSeq;
  };
  return {
    admin_findFile: ([seq]) => {
      known(seq);
      return null;
    },
    admin_shutdown: () => {
      deps.shutdown();
      return null;
    },
    admin_startSyncFile: ([seq]) => {
      known(seq);
      return null;
    },
    admin_startSyncChunks: ([seq, start, end]) => {
      known(seq);
      if (parseUint(start, 'start_index') >= parseUint(end, 'end_index'))
        throw internalError('invalid chunk range');
      return null;
    },
    admin_terminateSync: ([seq]) => {
      parseUint(seq, 'tx_seq');
      return false;
    },
    admin_getSyncServiceState: () => ({
      numSyncing: 0,
      catchedUp: deps.database.progress() !== undefined,
      autoSyncSerial: null,
      autoSyncRandom: null,
    }),
    admin_getSyncStatus: ([seq]) =>
      deps.database.submissions.bySeq(parseUint(seq, 'tx_seq'))?.state === STATE.finalized
        ? 'Completed'
        : 'unknown',
    admin_getSyncInfo: () => ({}),
    admin_getNetworkInfo: () => ({
      peerId: deps.peerId,
      listenAddresses: [],
      totalPeers: 0,
      bannedPeers: 0,
      disconnectedPeers: 0,
      connectedPeers: 0,
      connectedOutgoingPeers: 0,
      connectedIncomingPeers: 0,
    }),
    admin_getPeers: () => ({}),
    admin_getFileLocation: ([seq, allShards]) => {
      known(seq);
      return allShards === true ? null : [];
    },
    admin_getMetrics: ([prefix]) => deps.metrics.values(typeof prefix === 'string' ? prefix : ''),
  };
}
