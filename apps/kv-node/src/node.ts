// Composition root of the KV node: builds the parts in dependency order, stops them in reverse. No logic.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage, hexToBytes, type Logger, Loop, systemClock } from '@cairn/base';
import { createChainReader, LogFollower, waitForFlow } from '@cairn/chain';
import { readKeyFile } from '@cairn/config';
import { loadNodeKernels } from '@cairn/kernels/node';
import { createHttpTransport, HttpServer, metricsRoute } from '@cairn/rpc/node';
import { NodeDirectory } from '@cairn/sdk';
import { openDatabase } from '@cairn/store';
import { KvLogSink } from './chain/log-sink.ts';
import type { KvConfig } from './config.ts';
import { Feed } from './http/feed.ts';
import { createKvMetrics } from './metrics.ts';
import { Walker } from './read/walker.ts';
import { type BatchFetcher, SdkFetcher } from './replay/fetcher.ts';
import { Replayer } from './replay/replayer.ts';
import { roleMethods } from './rpc/roles.ts';
import { statusMethods } from './rpc/status.ts';
import { operatorStreamMethods, publicStreamMethods } from './rpc/streams.ts';
import { valueMethods } from './rpc/values.ts';
import { KvState } from './store/kv-state.ts';
import { MIGRATIONS } from './store/schema.ts';
import { applyConfiguredStreams } from './streams.ts';

export type KvNode = AsyncDisposable & {
  url: string;
  adminUrl: string;
  stop(): Promise<void>;
};

export async function startKvNode(
  deps: { log: Logger; fetcher?: BatchFetcher },
  config: KvConfig,
  signal?: AbortSignal,
): Promise<KvNode> {
  const { log } = deps;
  await using stack = new AsyncDisposableStack();
  const { kernels, why } = await loadNodeKernels(config.kernels);
  const metrics = createKvMetrics();

  await mkdir(config.dataDir, { recursive: true });
  const db = stack.adopt(openDatabase(join(config.dataDir, 'kv.db'), MIGRATIONS), (opened) => {
    opened.close();
  });
  const state = new KvState(db, kernels, { maxStreams: config.maxStreams });
  const reader = createChainReader({ rpcUrl: config.chainRpcUrl, flow: config.flowAddress });
  const chainId = await waitForFlow(
    { reader, log: log.child({ component: 'chain' }) },
    { flowAddress: config.flowAddress, signal },
  );
  state.log.bindNetwork(chainId, config.flowAddress);
  applyConfiguredStreams(state, config.streamIds, log);

  const transport = stack.adopt(createHttpTransport(), (owned) => owned.close());
  const directory = new NodeDirectory({
    transport,
    ...(config.indexer ? { indexerUrl: config.indexer } : { nodeUrls: config.nodes }),
  });
  const fetcher =
    deps.fetcher ??
    new SdkFetcher(
      { kernels, directory },
      {
        spoolDir: join(config.dataDir, 'spool'),
        maxBatchBytes: config.maxBatchBytes,
        timeoutMs: config.downloadTimeoutMs,
        encryptionKey:
          config.encryptionKeyFile === undefined
            ? undefined
            : hexToBytes(readKeyFile(config.encryptionKeyFile)),
        walletKey:
          config.walletKeyFile === undefined ? undefined : readKeyFile(config.walletKeyFile),
      },
    );
  const feed = new Feed(state, { maxWatchers: config.maxWatchers });
  const replayer = new Replayer(
    {
      state,
      fetcher,
      clock: systemClock,
      log: log.child({ component: 'replay' }),
      onApplied: () => feed.wake(),
      onBatch: (result, keys) => {
        metrics.batches.add({ result: result.split(':')[0]! });
        metrics.keys.add({}, keys);
      },
      onFetchFailed: () => metrics.fetchFailures.add({}),
    },
    {
      parallel: config.parallelDownloads,
      maxDownloadRetries: config.maxDownloadRetries,
      retryMs: config.downloadRetryMs,
      retryMsMax: config.downloadRetryMsMax,
    },
  );
  const sink = new KvLogSink({
    state,
    reader,
    kernels,
    log: log.child({ component: 'sync' }),
    onPending: () => replayer.wake(),
    onReverted: (seq) => {
      metrics.reverts.add({});
      feed.reverted(seq);
      replayer.wake();
    },
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
  const purge = new Loop(
    async () => {
      if (state.purge()) void purge.trigger();
    },
    {
      name: 'purge',
      intervalMs: 60_000,
      onError: (error) => log.error({ error: errorMessage(error) }, 'purge failed'),
    },
  );
  const streamDeps = {
    state,
    chainId,
    log: log.child({ component: 'streams' }),
    onChanged: () => {
      replayer.wake();
      void purge.trigger();
    },
  };

  const onCall = (method: string, outcome: 'ok' | 'error', seconds: number): void =>
    metrics.rpcSeconds.observe({ method, outcome }, seconds);
  const walker = new Walker(state);
  const server = new HttpServer(
    { log: log.child({ component: 'rpc' }), onCall },
    {
      host: config.rpcHost,
      port: config.rpcPort,
      // A key of 2^24 bytes in base64 and what stands around it.
      maxBodyBytes: 32 * 1024 * 1024,
      methods: {
        ...valueMethods({ state, walker, maxQueryBytes: config.maxQueryBytes }),
        ...roleMethods({ state }),
        ...statusMethods({ state, replayer }),
        ...publicStreamMethods(streamDeps),
      },
      routes: [feed.route()],
    },
  );
  const adminServer = new HttpServer(
    { log: log.child({ component: 'admin' }), onCall },
    {
      host: config.adminHost,
      port: config.adminPort,
      maxBodyBytes: 1024 * 1024,
      methods: operatorStreamMethods(streamDeps),
      routes: [metricsRoute(metrics.metrics)],
    },
  );
  await server.start();
  stack.defer(() => server.stop());
  await adminServer.start();
  stack.defer(() => adminServer.stop(500));
  stack.defer(() => feed.close());
  replayer.start();
  stack.defer(() => replayer.stop());
  purge.start();
  stack.defer(() => purge.stop());
  follower.start();
  stack.defer(() => follower.stop());
  metrics.metrics.gauge('replay_applied_seq', 'Next txSeq to decide', () => state.log.applied());
  metrics.metrics.gauge('feed_watchers', 'Open event streams', () => feed.size);
  log.info(
    {
      url: server.url,
      adminUrl: adminServer.url,
      streams: state.streams.all().length,
      chainId,
      flow: config.flowAddress,
      kernels: why,
    },
    'KV node serving',
  );

  const owned = stack.move();
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= owned.disposeAsync();
    return stopping;
  };
  return { url: server.url, adminUrl: adminServer.url, stop, [Symbol.asyncDispose]: stop };
}
