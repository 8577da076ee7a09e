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
import { createTransactionSender } from '@cairn/chain';
import { createDaReader, type DaContracts } from '@cairn/chain/da';
import { readKeyFile } from '@cairn/config';
import { createTaskPool, loadNodeKernels } from '@cairn/kernels/node';
import { blstBls } from '@cairn/quorum/node';
import { GrpcServer } from '@cairn/rpc/grpc';
import { Disperser, MemberPool } from '@cairn/sdk/da';
import { openDatabase } from '@cairn/store';
import type { DisperserConfig } from './config.ts';

import { Batcher } from './pipeline/batcher.ts';
import { HeaderMaker } from './pipeline/headers.ts';
import { Payer } from './pipeline/payer.ts';
import { Pipeline } from './pipeline/pipeline.ts';
import { Preparer } from './pipeline/preparer.ts';
import { Retriever } from './pipeline/retriever.ts';
import { BlobQueue, MIGRATIONS } from './queue/blob-queue.ts';
import { startRollupServers } from './rollup/servers.ts';
import { ownService } from './rpc/own.ts';
import { ZEROG_PAYLOAD_BYTES_MAX, zeroGServices } from './rpc/zerog.ts';

export const VERSION = '0.1.0';

/** 0G's limit on a request. */
const MESSAGE_BYTES_MAX = 300 * 1024 * 1024;
const PRUNE_MAX = 64;

export type RunningDisperser = AsyncDisposable & {
  /** `host:port` of gRPC. */
  address: string;
  account: Address;
  /** Where rollups are served; undefined what is off. */
  opUrl: string | undefined;
  nitroUrl: string | undefined;
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
  const sender = createTransactionSender({ rpcUrl: config.chainRpcUrl, privateKey, pollMs: 100 });
  const { kernels, why } = await loadNodeKernels(config.kernels);
  const threads = stack.use(
    await createTaskPool({ threads: config.threads, backend: config.kernels }),
  );
  log.info({ account: sender.address, kernels: why }, 'disperser starts');

  const db = stack.adopt(openDatabase(join(config.dataDir, 'queue.db'), MIGRATIONS), (open) => {
    open.close();
  });
  const queue = await BlobQueue.open(db, join(config.dataDir, 'payloads'), config.pendingMax);
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

  const server = stack.use(
    new GrpcServer(
      { log },
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

  const rollup = await startRollupServers(
    { queue, pipeline, reader, members, kernels, threads, entrance, log },
    config,
  );
  stack.use(rollup);
  const { opUrl, nitroUrl } = rollup;

  const owned = stack.move();
  const stop = (): Promise<void> => owned.disposeAsync();
  return {
    ...{ address: server.address, account: sender.address, opUrl, nitroUrl, stop },
    [Symbol.asyncDispose]: stop,
  };
}
