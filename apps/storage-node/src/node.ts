// Composition root of the storage node: builds the parts in dependency order, stops them in reverse. No logic.
import { createHash, randomBytes } from 'node:crypto';
import { statfsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Clock,
  type CodedError,
  errorMessage,
  type Logger,
  Loop,
  systemClock,
  systemRandom,
} from '@cairn/base';
import { createChainReader, LogFollower, waitForFlow } from '@cairn/chain';
import { createHashPool, loadNodeKernels } from '@cairn/kernels/node';
import { parseShardName, type ShardConfig, shardName } from '@cairn/protocol';
import { type Disk, openDatabase, SegmentStore, storeError } from '@cairn/store';
import { NodeLogSink } from './chain/log-sink.ts';
import type { NodeConfig } from './config.ts';
import { ReceiptTable } from './custody/receipt-table.ts';
import { type Custody, createCustody } from './custody/service.ts';
import { segmentRoutes } from './http/segments.ts';
import { Files } from './ingest/files.ts';
import { Ingest } from './ingest/ingest.ts';
import { MemoryPool } from './ingest/memory-pool.ts';
import { createKeeping } from './keep/create.ts';
import { ShardState } from './keep/shards.ts';
import { createNodeMetrics } from './metrics.ts';
import type { MineControl } from './mine/control.ts';
import { createMining } from './mine/create.ts';
import { createSealCodec } from './mine/seal-tag.ts';
import { loneReports } from './p2p/report.ts';
import { createPeerParts, type PeerParts } from './p2p/start.ts';
import { adminMethods } from './rpc/admin.ts';
import { codedMethods } from './rpc/coded.ts';
import { custodyMethods } from './rpc/custody.ts';
import { minerMethods } from './rpc/miner.ts';
import { createServers } from './rpc/servers.ts';
import { zgsMethods } from './rpc/zgs.ts';
import { Healer } from './scrub/healer.ts';
import { Scrubber } from './scrub/scrubber.ts';
import { Reader } from './serve/reader.ts';
import { NodeDatabase } from './store/node-database.ts';
import { MIGRATIONS } from './store/schema.ts';

export const VERSION = '0.1.0';
/** Between attempts to finalize files that could not be, because the disk was full for example. */
const SETTLE_INTERVAL_MS = 2000;

export type StorageNode = AsyncDisposable & {
  url: string;
  adminUrl: string;
  /** What it answered for at the start. */
  shard: ShardConfig;
  /** Addresses for peers; empty without p2p. */
  p2pAddresses: string[];
  /** Resolves when the node stops by itself: a shutdown was asked for, or it diverged from the chain. */
  ended: Promise<CodedError | undefined>;
  stop(): Promise<void>;
};

export type StorageNodeDeps = {
  log: Logger;
  /** The system's; tests inject one that is off. */
  clock?: Clock | undefined;
  /** Where the volumes are; tests inject one that fails. */
  disk?: Disk | undefined;
};

export async function startStorageNode(
  deps: StorageNodeDeps,
  config: NodeConfig,
  signal?: AbortSignal,
): Promise<StorageNode> {
  const { log, clock = systemClock } = deps;
  await using stack = new AsyncDisposableStack();
  parseShardName(config.shard); // said before anything is opened
  const ended = Promise.withResolvers<CodedError | undefined>();

  const { kernels, why } = await loadNodeKernels(config.kernels);
  const hashPool = stack.use(
    await createHashPool({ threads: config.hashThreads, backend: config.kernels }),
  );
  const metrics = createNodeMetrics();

  await mkdir(config.dataDir, { recursive: true }).catch((error: unknown) => {
    throw storeError(error, config.dataDir);
  });
  const db = stack.adopt(openDatabase(join(config.dataDir, 'node.db'), MIGRATIONS), (opened) => {
    opened.close();
  });
  const database = new NodeDatabase(db, kernels);
  const segments = stack.adopt(
    await SegmentStore.open(
      {
        db,
        log: log.child({ component: 'store' }),
        disk: deps.disk,
        codec: createSealCodec(kernels, (bytes) => metrics.unsealedBytes.add({}, bytes)),
      },
      {
        dir: config.dataDir,
        segmentsPerVolume: config.segmentsPerVolume,
        maxSegments: config.maxSegments,
      },
    ),
    (store) => store.close(),
  );

  const reader = createChainReader({ rpcUrl: config.chainRpcUrl, flow: config.flowAddress });
  const chainId = await waitForFlow(
    { reader, log: log.child({ component: 'chain' }) },
    {
      flowAddress: config.flowAddress,
      chainId: config.chainId,
      waitMs: config.chainWaitSeconds * 1000,
      signal,
    },
  );
  const network = { chainId, flowAddress: config.flowAddress };
  database.bindNetwork(network.chainId, network.flowAddress);
  const shards = ShardState.load(database, config.shard);
  const receipts = new ReceiptTable(database.db);

  let peers: PeerParts | undefined;
  let mining: MineControl | undefined;
  let custody: Custody | undefined;
  const files = new Files(
    {
      database,
      segments,
      log: log.child({ component: 'files' }),
      onFinalized: (file) => {
        metrics.filesFinalized.add({});
        peers?.announce(file);
        custody?.finalized(file);
      },
      onStored: (segmentIndex) => mining?.stored(segmentIndex),
    },
    shards,
  );
  const pool = new MemoryPool(clock, { maxBytes: config.poolBytes, ttlMs: config.poolTtlMs });
  const ingest = new Ingest(
    {
      database,
      segments,
      files,
      pool,
      hashPool,
      kernels,
      log: log.child({ component: 'ingest' }),
      onStored: (bytes) => metrics.ingestBytes.add({}, bytes),
      onSegments: (outcome, count) => metrics.ingestSegments.add({ outcome }, count),
    },
    { writersMax: config.writersMax, waitingMax: config.writersWaitingMax },
  );
  const sink = new NodeLogSink({
    database,
    segments,
    files,
    ingest,
    kernels,
    reader,
    log: log.child({ component: 'sync' }),
    onDiverged: ended.resolve,
    onReverted: async (sector) => mining?.reverted(sector),
  });
  const follower = new LogFollower(
    { reader, sink, log: log.child({ component: 'sync' }) },
    {
      startBlock: config.startBlock,
      confirmationBlocks: config.confirmationBlocks,
      pollMs: config.pollMs,
      pageBlocks: config.pageBlocks,
      chainId,
    },
  );
  const healer = new Healer({
    files,
    log: log.child({ component: 'scrub' }),
    onDamaged: () => metrics.damagedSegments.add({}),
    onReopened: () => peers?.wake(),
  });
  const serve = new Reader({
    database,
    segments,
    files,
    pool,
    kernels,
    onDamaged: (file, index) => healer.damaged(file, index),
  });
  const scrubber = new Scrubber(
    {
      database,
      segments,
      files,
      healer,
      hashPool,
      kernels,
      clock,
      log: log.child({ component: 'scrub' }),
      onChecked: (bytes) => metrics.scrubBytes.add({}, bytes),
    },
    { bytesPerSecond: config.scrubBytesPerSecond, passPauseMs: config.scrubPauseMs },
  );
  if (config.p2p) {
    peers = await createPeerParts(
      {
        ...{ database, files, ingest, reader: serve, hashPool, kernels, metrics, log },
        httpPort: () => (isRpcForPeers(config) ? Number(new URL(server.url).port) : 0),
      },
      config,
      network,
      VERSION,
    );
  }
  const reports = peers?.reports ?? loneReports(peerId(database));
  mining = createMining(
    {
      database,
      segments,
      reader: serve,
      kernels,
      metrics,
      clock,
      random: systemRandom,
      disk: deps.disk,
      log: log.child({ component: 'mine' }),
    },
    config,
    () => shards.current,
  );

  const keeping = createKeeping(
    {
      ...{ database, segments, files, shards, receipts, metrics, clock, random: systemRandom },
      log: log.child({ component: 'keep' }),
      chainTime: async () => (await reader.head()).timestamp,
      peerShards: () => peers?.shards() ?? [],
      widen: async (file, within) => peers?.widen(file, within),
      unseal: async (ranges) => mining?.unseal(ranges),
      onChanged: async () => {
        mining?.resharded();
        await peers?.greet();
      },
      onRoom: () => peers?.retry(),
    },
    config,
  );
  custody = createCustody(
    {
      ...{ database, files, receipts, metrics, reader: serve, random: systemRandom },
      mayPromise: () => keeping.mayPromise,
      log: log.child({ component: 'custody' }),
    },
    config,
    network.chainId,
  );

  const zgs = zgsMethods({
    database,
    ingest,
    reader: serve,
    shard: () => shards.current,
    network: () => network,
    connectedPeers: () => reports.connected(),
  });
  const methods = {
    ...zgs,
    ...codedMethods({ database, files }),
    ...(custody ? custodyMethods(custody) : {}),
  };
  const admin = adminMethods({
    database,
    metrics: metrics.metrics,
    peers: reports,
    sync: peers?.sync,
    keepStatus: () => keeping.status(),
    monotonic: () => clock.monotonic(),
    shutdown: () => ended.resolve(undefined),
  });
  const { server, adminServer, isShared } = createServers(
    {
      ...{ log, metrics, methods },
      adminMethods: { ...admin, ...(mining ? minerMethods(mining) : {}) },
      routes: segmentRoutes({ ingest, reader: serve, version: VERSION }),
    },
    config,
  );

  await sink.resume();
  await server.start();
  stack.defer(() => server.stop());
  if (!isShared) {
    await adminServer.start();
    stack.defer(() => adminServer.stop(500));
  }
  if (peers) {
    await peers.start();
    stack.defer(() => peers?.stop());
  }
  if (config.scrubBytesPerSecond > 0) {
    scrubber.start();
    stack.defer(() => scrubber.stop());
  }
  stack.defer(() => healer.settled());
  follower.start();
  stack.defer(() => follower.stop());
  const settling = new Loop(() => files.retry(), {
    name: 'settle files',
    intervalMs: SETTLE_INTERVAL_MS,
    onError: (error) => log.warn({ error: errorMessage(error) }, 'files cannot be finalized yet'),
  });
  settling.start();
  stack.defer(() => settling.stop());
  if (mining) {
    await mining.start();
    stack.adopt(mining, (control) => control.stop());
  }
  keeping.start();
  stack.defer(() => keeping.stop());
  if (custody) {
    custody.start();
    stack.adopt(custody, (owned) => owned.stop());
  }
  metrics.watch({
    syncBlock: () => database.progress()?.number ?? 0,
    headBlock: () => follower.head,
    submissions: () => database.submissions.nextSeq,
    filesReceiving: () => database.submissions.receivingCount,
    poolBytes: () => pool.bytes,
    sealBacklogLoads: () => mining?.sealBacklog ?? 0,
    storeSegments: () => segments.stats().segments,
    storeQuarantinedBlocks: () => segments.stats().quarantined,
    diskFreeBytes: () => freeBytes(config.dataDir),
    peers: () => reports.connected(),
    openChallenges: () => custody?.openChallenges ?? 0,
    shardCount: () => shards.current.numShard,
  });
  log.info(
    {
      url: server.url,
      adminUrl: adminServer.url,
      shard: shardName(shards.current),
      chainId: network.chainId,
      flow: network.flowAddress,
      kernels: why,
    },
    'storage node serving',
  );

  const owned = stack.move();
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= owned.disposeAsync();
    return stopping;
  };
  return {
    url: server.url,
    adminUrl: adminServer.url,
    shard: shards.current,
    p2pAddresses: peers?.addresses() ?? [],
    ended: ended.promise,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Whether who reaches us as a peer reaches our RPC at the same address too. */
function isRpcForPeers({ rpcHost, p2pHost }: NodeConfig): boolean {
  return rpcHost === p2pHost || rpcHost === '0.0.0.0' || rpcHost === '::';
}

/** Room that an ordinary user has on the disk of a folder. */
function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

/** A name for this node that lives as long as its folder. */
function peerId(database: NodeDatabase): string {
  const known = database.meta('peer_id');
  if (known) return known;
  const fresh = createHash('sha256').update(randomBytes(32)).digest('hex').slice(0, 40);
  database.setMeta('peer_id', fresh);
  return fresh;
}
