// Composition root of the indexer: builds the parts in dependency order, stops them in reverse. No logic.
import { type Logger, systemClock, systemRandom } from '@cairn/base';
import { createHashPool, loadNodeKernels } from '@cairn/kernels/node';
import { createHttpTransport, HttpServer, metricsRoute } from '@cairn/rpc/node';
import { createStorageClient } from '@cairn/sdk';
import type { IndexerConfig } from './config.ts';
import { gatewayRoutes } from './http/gateway.ts';
import { createIndexerMetrics } from './metrics.ts';
import { Discovery } from './nodes/discovery.ts';
import { NodeManager } from './nodes/node-manager.ts';
import { indexerMethods } from './rpc/indexer.ts';

export type Indexer = AsyncDisposable & { url: string; stop(): Promise<void> };

export async function startIndexer(deps: { log: Logger }, config: IndexerConfig): Promise<Indexer> {
  const { log } = deps;
  await using stack = new AsyncDisposableStack();
  const { kernels } = await loadNodeKernels(config.kernels);
  const pool = stack.use(
    await createHashPool({ threads: config.hashThreads, backend: config.kernels }),
  );
  const transport = stack.adopt(createHttpTransport(), (owned) => owned.close());
  const discovery = config.discoveryNode
    ? new Discovery(
        { log: log.child({ component: 'discovery' }), clock: systemClock, transport },
        {
          adminUrl: config.discoveryNode,
          trustedUrl: config.trusted[0]!,
          ports: config.discoveryPorts,
          except: config.trusted,
          allowPrivate: config.allowPrivateAddresses,
          intervalMs: config.discoveryIntervalSeconds * 1000,
          timeoutMs: config.nodeTimeoutMs,
        },
      )
    : undefined;
  const nodes = new NodeManager(
    { log: log.child({ component: 'nodes' }), clock: systemClock, transport, discovery },
    {
      trusted: config.trusted,
      timeoutMs: config.nodeTimeoutMs,
      cacheEntries: config.locationCacheEntries,
      cacheMs: config.locationCacheSeconds * 1000,
    },
  );
  const client = await createStorageClient({
    nodeUrls: config.trusted,
    kernels,
    transport,
    hasher: (data, options) => pool.segmentRoots(data, options),
  });
  const metrics = createIndexerMetrics();
  const server = new HttpServer(
    {
      log: log.child({ component: 'http' }),
      onCall: (method, outcome, value) => metrics.rpcSeconds.observe({ method, outcome }, value),
    },
    {
      host: config.host,
      port: config.port,
      maxBodyBytes: 10 * 1024 * 1024,
      methods: indexerMethods({ nodes, random: () => systemRandom.next() }),
      unknownMethodMessage: (method) => `the method ${method} does not exist/is not available`,
      routes: [
        ...gatewayRoutes(
          {
            nodes,
            client,
            log: log.child({ component: 'gateway' }),
            onBytes: (bytes) => metrics.gatewayBytes.add({}, bytes),
          },
          { folderFileBytesMax: config.folderFileBytesMax },
        ),
        metricsRoute(metrics.metrics),
      ],
    },
  );
  metrics.watch({
    trustedNodes: () => config.trusted.length,
    answeringNodes: () => nodes.answering,
    cachedLocations: () => nodes.cachedLocations,
  });
  await server.start();
  stack.defer(() => server.stop());
  if (discovery) {
    discovery.start();
    stack.defer(() => discovery.stop());
  }
  log.info({ url: server.url, trusted: config.trusted.length }, 'indexer serving');
  const owned = stack.move();
  const stop = (): Promise<void> => owned.disposeAsync();
  return { url: server.url, stop, [Symbol.asyncDispose]: stop };
}
