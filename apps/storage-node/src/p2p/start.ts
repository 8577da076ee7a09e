// Assembles and starts what a node with peers has: the service, who holds what, sync. Stops with the stack it is given.
import { type Logger, systemClock, systemRandom } from '@cairn/base';
import type { Kernels } from '@cairn/kernels';
import type { HashPool } from '@cairn/kernels/node';
import type { ShardConfig } from '@cairn/protocol';
import { createHttpTransport } from '@cairn/rpc/node';
import type { NodeConfig } from '../config.ts';
import type { Files } from '../ingest/files.ts';
import type { Ingest } from '../ingest/ingest.ts';
import type { NodeMetrics } from '../metrics.ts';
import type { NetworkName } from '../network.ts';
import { REPAIR_DEFAULTS, Repairer } from '../repair/repairer.ts';
import type { SyncControl } from '../rpc/admin.ts';
import type { Reader } from '../serve/reader.ts';
import type { NodeDatabase } from '../store/node-database.ts';
import type { StoredSubmission } from '../store/submission-table.ts';
import { BulkRoutes } from '../sync/bulk.ts';
import { Holders } from '../sync/holders.ts';
import { SYNC_DEFAULTS, SyncService } from '../sync/sync-service.ts';
import { NodeFileSource } from './file-source.ts';
import { createPeers } from './peers.ts';
import { type PeerReports, peerReports } from './report.ts';

export type PeerPartsDeps = {
  database: NodeDatabase;
  files: Files;
  ingest: Ingest;
  reader: Reader;
  hashPool: HashPool;
  kernels: Kernels;
  metrics: NodeMetrics;
  log: Logger;
  /** Port of our binary route for peers; 0 while there is none that they can reach. */
  httpPort: () => number;
};
export type PeerParts = {
  peerId: string;
  reports: PeerReports;
  sync: SyncControl;
  addresses(): string[];
  /** Tells peers that a file is whole here, unless it came from them. */
  announce(file: StoredSubmission): void;
  /** Looks for work now. */
  wake(): void;
  /** There is room again: what sync could not store is tried again. */
  retry(): void;
  /** Fetches what is wanted of a finalized file beyond finality. */
  widen(file: StoredSubmission, signal: AbortSignal): Promise<void>;
  /** Shards of the peers that are connected. */
  shards(): ShardConfig[];
  /** Greets every peer again, because our shard changed. */
  greet(): Promise<void>;
  start(): Promise<void>;
  stop(): Promise<void>;
};

export async function createPeerParts(
  deps: PeerPartsDeps,
  config: NodeConfig,
  identity: NetworkName,
  version: string,
): Promise<PeerParts> {
  const { database, files, ingest, reader, hashPool, kernels, metrics } = deps;
  const log = deps.log.child({ component: 'p2p' });
  const { service, network } = await createPeers(
    {
      source: new NodeFileSource({ database, files, reader, kernels, httpPort: deps.httpPort }),
      log,
      onServed: (bytes) => metrics.servedBytes.add({}, bytes),
      onCutOff: () => metrics.peersCutOff.add({}),
    },
    config,
    identity,
    version,
  );
  const holders = new Holders({ peers: service, clock: systemClock, log });
  const transport = createHttpTransport({ sockets: BULK_SOCKETS });
  const bulk = new BulkRoutes(
    { transport, clock: systemClock },
    { allowPrivate: config.allowPrivateAddresses, timeoutMs: BULK_TIMEOUT_MS },
  );
  const sync = new SyncService(
    {
      bulk,
      database,
      files,
      ingest,
      peers: service,
      holders,
      hashPool,
      kernels,
      clock: systemClock,
      random: systemRandom,
      log: deps.log.child({ component: 'file-sync' }),
      onFetched: (bytes) => metrics.syncBytes.add({}, bytes),
      onDone: (outcome) => metrics.syncFiles.add({ outcome }),
    },
    {
      ...SYNC_DEFAULTS,
      filesMax: config.syncFilesMax,
      bytesPerSecond: config.syncBytesPerSecond,
    },
  );
  const repairer = new Repairer(
    {
      database,
      files,
      ingest,
      reader,
      peers: service,
      holders,
      hashPool,
      kernels,
      clock: systemClock,
      log: deps.log.child({ component: 'repair' }),
      onRead: (bytes) => metrics.repairBytes.add({}, bytes),
      onRebuilt: (segments) => metrics.repairSegments.add({}, segments),
      onFailed: () => metrics.repairFailures.add({}),
    },
    {
      ...REPAIR_DEFAULTS,
      delayMs: config.repairDelaySeconds * 1000,
      lazyMs: config.repairLazySeconds * 1000,
      turnMs: config.repairDelaySeconds * 1000,
      bytesPerSecond: config.repairBytesPerSecond,
    },
  );
  const announcing = new Set<Promise<void>>();
  return {
    peerId: service.peerId,
    reports: peerReports({
      service,
      network,
      clock: systemClock,
      holders: (file) => holders.of(file),
    }),
    sync: {
      request: (file, range) => sync.request(file, range),
      terminate: (seq) => sync.terminate(seq),
      status: (seq) => sync.status(seq),
      tasks: () => sync.tasks(),
      missingOf: (task) => sync.missingOf(task),
      find: (file) => service.findFile({ txSeq: file.seq, root: file.root }),
    },
    addresses: () => service.addresses(),
    announce: (file) => {
      if (sync.isSyncing(file.seq) || announcing.size >= ANNOUNCING_MAX) return;
      const told = service
        .newFile({ txSeq: file.seq, root: file.root })
        .finally(() => announcing.delete(told));
      announcing.add(told);
    },
    wake: () => void sync.trigger(),
    retry: () => sync.retryFailed(),
    widen: (file, signal) => sync.widen(file, signal),
    shards: () => service.book.ready().map(({ status }) => status.shard),
    greet: () => service.refresh(),
    start: async () => {
      await service.start();
      sync.start();
      if (config.repair) repairer.start();
    },
    stop: async () => {
      await repairer.stop();
      await sync.stop();
      await Promise.all(announcing);
      await service.stop();
      transport.close();
    },
  };
}

/** Connections to the binary route of one host. */
const BULK_SOCKETS = 8;
const BULK_TIMEOUT_MS = 15_000;
/** Announcements on their way; a burst above this is not told one by one, peers ask what we have anyway. */
const ANNOUNCING_MAX = 64;
