// Composition root of the disperser: builds the parts in dependency order, stops them in reverse. No logic.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Address,
  errorMessage,
  type Logger,
  Loop,
  systemClock,
  systemRandom,
} from '@cairn/base';
import { openAccount, sendFrom } from '@cairn/chain';
import { createDaReader, type DaContracts } from '@cairn/chain/da';
import { readKeyFile } from '@cairn/config';
import { createTaskPool, loadNodeKernels } from '@cairn/kernels/node';
import { blstBls } from '@cairn/quorum/node';
import { GrpcServer } from '@cairn/rpc/grpc';
import { startMetricsServer } from '@cairn/rpc/node';
import { Disperser, MemberPool } from '@cairn/sdk/da';
import { openDatabase } from '@cairn/store';
import { Archiver, archivedPayloads } from './archive/archiver.ts';
import { openStorage } from './archive/storage.ts';
import type { DisperserConfig } from './config.ts';
import { createDisperserMetrics } from './metrics.ts';
import { Batcher } from './pipeline/batcher.ts';
import { HeaderMaker } from './pipeline/headers.ts';
import { Payer } from './pipeline/payer.ts';
import { Pipeline } from './pipeline/pipeline.ts';
import { Preparer } from './pipeline/preparer.ts';
import { BlobQueue, MIGRATIONS } from './queue/blob-queue.ts';
import { BlobSource } from './reading/blob-source.ts';
import { keptPayloads } from './reading/kept-payloads.ts';
import { Retriever } from './reading/retriever.ts';
import { startRollupServers } from './rollup/servers.ts';
import { ownService } from './rpc/own.ts';
import { ZEROG_PAYLOAD_BYTES_MAX, zeroGServices } from './rpc/zerog.ts';

export const VERSION = '0.1.0';

/** 0G's limit on a request. */
const MESSAGE_BYTES_MAX = 300 * 1024 * 1024;
const PRUNE_MAX = 64;
/** Verified blobs in memory, and how long reading one may take. */
const SOURCE = { cacheBytesMax: 64 * 1024 * 1024, timeoutMs: 60_000 };
const ARCHIVE_INTERVAL_MS = 2000;

export type RunningDisperser = AsyncDisposable & {
  /** `host:port` of gRPC. */
  address: string;
  account: Address;
  /** Where rollups are served; undefined what is off. */
  opUrl: string | undefined;
  nitroUrl: string | undefined;
  metricsUrl: string | undefined;
  stop(): Promise<void>;
};

export async function startDisperser(
  deps: { log: Logger },
  config: DisperserConfig,
): Promise<RunningDisperser> {
  const { log } = deps;
  await using stack = new AsyncDisposableStack();
  await mkdir(config.dataDir, { recursive: true });
  const contracts: DaContracts = {
    registry: config.registryAddress,
    entrance: config.entranceAddress,
    vault: config.vaultAddress,
    challenges: config.challengesAddress,
  };
  const reader = createDaReader({ rpcUrl: config.chainRpcUrl, contracts });
  const { chainId } = await reader.parameters();
  const entrance = { chainId, contract: contracts.entrance };
  const privateKey = readKeyFile(config.keyFile);
  const account = openAccount({ rpcUrl: config.chainRpcUrl, privateKey, pollMs: 100 });
  const sender = sendFrom(account);
  const { kernels, why } = await loadNodeKernels(config.kernels);
  const threads = stack.use(
    await createTaskPool({ threads: config.threads, backend: config.kernels }),
  );
  log.info({ account: sender.address, kernels: why }, 'disperser starts');

  const db = stack.adopt(openDatabase(join(config.dataDir, 'queue.db'), MIGRATIONS), (open) => {
    open.close();
  });
  const queue = await BlobQueue.open(db, join(config.dataDir, 'payloads'), config.pendingMax);
  const metrics = createDisperserMetrics();
  metrics.watch({ pending: () => queue.pending, unarchived: () => queue.unarchived });
  const members = stack.use(new MemberPool());
  const disperser = new Disperser({ members, bls: blstBls, entrance, log });
  const payer = new Payer(
    { reader, sender, privateKey, entrance, random: systemRandom, log },
    { depositWei: BigInt(config.depositWei) },
  );
  const batcher = new Batcher({
    ...{ disperser, reader, sender, bls: blstBls, clock: systemClock, log },
    noteAttempts: (attempts) => queue.noteAttempts(attempts),
  });
  const headers = new HeaderMaker({ reader, payer });
  const pipeline = new Pipeline(
    {
      ...{ queue, reader, disperser, batcher, headers, payer, kernels, threads, entrance },
      ...{ clock: systemClock, log },
    },
    { parallelMax: config.parallelMax, triesMax: config.triesMax },
  );
  const preparer = new Preparer(
    { reader, headers, pipeline, queue, entrance, clock: systemClock },
    { bytesMax: config.preparedBytesMax },
  );
  const retriever = new Retriever({ queue, reader, members, kernels, entrance });
  const kept = keptPayloads(queue);
  const storage = openStorage({ account, kernels }, config);
  const source = new BlobSource(
    {
      ...{ reader, members, kernels, threads, entrance, log },
      fallbacks: [kept, ...(storage ? [archivedPayloads(queue.archive, storage)] : [])],
      onRead: metrics.onRead,
      onDropped: metrics.onDropped,
    },
    SOURCE,
  );

  const server = stack.use(
    new GrpcServer(
      { log, onCall: metrics.onGrpc },
      {
        host: config.host,
        port: config.grpcPort,
        messageBytesMax: MESSAGE_BYTES_MAX,
        services: [
          ...zeroGServices({
            ...{ queue, pipeline, retriever },
            random: systemRandom,
            clock: systemClock,
          }),
          ownService({
            ...{ queue, preparer, retriever, reader },
            info: {
              disperser: payer.address,
              payloadBytesMax: ZEROG_PAYLOAD_BYTES_MAX,
              pays: true,
              archives: storage !== undefined,
              version: VERSION,
            },
          }),
        ],
      },
    ),
  );
  await payer.step(new AbortController().signal);
  await server.start();
  stack.defer(() => pipeline.stop());
  pipeline.resume();
  const loop = new Loop(
    async (signal) => {
      await payer.step(signal);
      await pipeline.settle();
      await queue.prune(systemClock.now() - config.keepMinutes * 60_000, PRUNE_MAX);
    },
    {
      name: 'disperser',
      intervalMs: config.pollMs,
      onError: (error) => log.warn({ error: errorMessage(error) }, 'a round failed, trying again'),
    },
  );
  loop.start();
  stack.defer(() => loop.stop());

  if (storage) {
    const archiver = new Archiver({ queue, kept, source, storage, log });
    const archiving = new Loop((signal) => archiver.step(signal), {
      name: 'archiver',
      intervalMs: ARCHIVE_INTERVAL_MS,
      onError: (error) =>
        log.warn({ error: errorMessage(error) }, 'archiving failed, trying again'),
    });
    archiving.start();
    stack.defer(() => archiving.stop());
  }

  const rollup = await startRollupServers(
    {
      ...{ queue, pipeline, reader, sender, source, entrance, metrics, log },
      archives: storage !== undefined,
    },
    config,
  );
  stack.use(rollup);
  const { opUrl, nitroUrl } = rollup;
  let metricsUrl: string | undefined;
  if (config.metricsPort !== undefined) {
    const http = await startMetricsServer(
      { log, metrics: metrics.metrics },
      { host: config.host, port: config.metricsPort },
    );
    stack.defer(() => http.stop());
    metricsUrl = http.url;
  }

  const owned = stack.move();
  const stop = (): Promise<void> => owned.disposeAsync();
  return {
    ...{ address: server.address, account: sender.address, opUrl, nitroUrl, metricsUrl, stop },
    [Symbol.asyncDispose]: stop,
  };
}
