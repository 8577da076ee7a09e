// Composition root of the servers for rollups: what they share, then each server that has a port. No logic.
import { join } from 'node:path';
import { systemClock as clock, errorMessage, type Logger, Loop, systemRandom } from '@cairn/base';
import type { DaReader } from '@cairn/chain/da';
import { readKeyFile } from '@cairn/config';
import type { Kernels } from '@cairn/kernels';
import type { TaskPool } from '@cairn/kernels/node';
import type { Domain } from '@cairn/quorum';
import type { HttpServer } from '@cairn/rpc/node';
import { createHttpTransport } from '@cairn/rpc/node';
import { createStorageClient, type StorageClient } from '@cairn/sdk';
import type { MemberPool } from '@cairn/sdk/da';
import { openDatabase } from '@cairn/store';
import type { DisperserConfig } from '../config.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { BlobQueue } from '../queue/blob-queue.ts';
import { ALIAS_MIGRATION, AliasStore } from './alias-store.ts';
import {
  ARCHIVE_MIGRATION,
  ArchiveIndex,
  Archiver,
  archivedPayloads,
  archivingLane,
} from './archive.ts';
import { BlobSource, type PayloadSource } from './blob-source.ts';
import { Inputs } from './inputs.ts';
import { QueueLane } from './lane.ts';
import { ChunkedReceiver } from './nitro/chunked.ts';
import { readJwtSecret } from './nitro/jwt.ts';
import { createNitroServer } from './nitro/server.ts';
import { signatureCheck } from './nitro/signatures.ts';
import { createOpServer } from './op/server.ts';
import { OpStore } from './op/store.ts';
import { Packer } from './packer.ts';

export type RollupDeps = {
  queue: BlobQueue;
  pipeline: Pipeline;
  reader: DaReader;
  members: MemberPool;
  kernels: Kernels;
  threads: TaskPool;
  entrance: Domain;
  log: Logger;
};
export type RollupServers = AsyncDisposable & {
  opUrl: string | undefined;
  nitroUrl: string | undefined;
};

/** Inputs of an OP batcher have 130,672 bytes at most; what is longer than this leaves alone. */
const SHARED_INPUT_BYTES_MAX = 256 * 1024;
/** Rows of 2 KiB in the smallest shape: one piece each, so that proofs of single words stay short. */
const SHARED_BLOB_BYTES_MAX = 2 * 1024 * 1024 - 5;
const WAITING_MAX = 1024;
const LINGER_MS = 5;
const CACHE_BYTES_MAX = 64 * 1024 * 1024;
const READ_TIMEOUT_MS = 60_000;
const ARCHIVE_INTERVAL_MS = 2000;
const MIGRATIONS = [ALIAS_MIGRATION, ARCHIVE_MIGRATION];
const VERSION = '0.1.0';

export async function startRollupServers(
  deps: RollupDeps,
  config: DisperserConfig,
): Promise<RollupServers> {
  const { queue, reader, entrance, log } = deps;
  await using stack = new AsyncDisposableStack();
  const start = async (server: HttpServer): Promise<string> => {
    await server.start();
    stack.defer(() => server.stop());
    return server.url;
  };
  let opUrl: string | undefined;
  let nitroUrl: string | undefined;
  if (config.opPort !== undefined || config.nitroPort !== undefined) {
    const db = stack.adopt(openDatabase(join(config.dataDir, 'rollup.db'), MIGRATIONS), (it) => {
      it.close();
    });
    const aliases = new AliasStore(db);
    const index = new ArchiveIndex(db);
    const storage = config.archiveIndexerUrl === undefined ? undefined : openStorage(deps, config);
    const queueLane = new QueueLane(
      { ...deps, random: systemRandom, clock },
      { confirmationBlocks: config.rollupConfirmationBlocks },
    );
    const lane = storage ? archivingLane(queueLane, { index, entrance }) : queueLane;
    const packer = new Packer(
      { lane, clock },
      {
        parallelMax: config.parallelMax,
        sharedInputBytesMax: SHARED_INPUT_BYTES_MAX,
        sharedBlobBytesMax: SHARED_BLOB_BYTES_MAX,
        waitingMax: WAITING_MAX,
        lingerMs: LINGER_MS,
      },
    );
    const source = new BlobSource(
      {
        ...deps,
        fallbacks: [keptPayloads(queue), ...(storage ? [archivedPayloads(index, storage)] : [])],
      },
      { cacheBytesMax: CACHE_BYTES_MAX, timeoutMs: READ_TIMEOUT_MS },
    );
    if (storage) {
      const archiver = new Archiver({ index, source, storage, log });
      const loop = new Loop((signal) => archiver.step(signal), {
        name: 'archiver',
        intervalMs: ARCHIVE_INTERVAL_MS,
        onError: (error) =>
          log.warn({ error: errorMessage(error) }, 'archiving failed, trying again'),
      });
      loop.start();
      stack.defer(() => loop.stop());
    }
    const inputs = new Inputs(
      { packer, source, reader, entrance },
      {
        inputBytesMax: config.rollupInputBytesMax,
        putTimeoutMs: config.rollupPutTimeoutMs,
        recencyWindowBlocks: config.rollupRecencyBlocks,
        isReadOnly: config.rollupReadOnly,
      },
    );
    if (config.opPort !== undefined) {
      const store = new OpStore({ inputs, aliases, reader }, { format: config.opFormat });
      opUrl = await start(
        createOpServer(
          {
            store,
            log: log.child({ component: 'op' }),
            config: () => describeService(deps, config, storage ? index : undefined),
          },
          { host: config.host, port: config.opPort, inputBytesMax: config.rollupInputBytesMax },
        ),
      );
    }
    if (config.nitroPort !== undefined) {
      const { nitroChunkedStore: takesPieces, rollupInputBytesMax: totalBytesMax } = config;
      const verify = signatureCheck(config.nitroSigner);
      const chunked = takesPieces
        ? new ChunkedReceiver({ clock, random: systemRandom, verify }, { totalBytesMax })
        : undefined;
      nitroUrl = await start(
        createNitroServer(
          {
            ...{ inputs, chunked, clock, log: log.child({ component: 'nitro' }) },
            config: () => describeService(deps, config, storage ? index : undefined),
            keptUntil: storage ? () => Promise.resolve(undefined) : () => keptUntil(reader),
          },
          {
            ...{ host: config.host, port: config.nitroPort, bodyBytesMax: config.nitroBodyBytes },
            jwtSecret: config.nitroJwtFile ? readJwtSecret(config.nitroJwtFile) : undefined,
          },
        ),
      );
    }
    // Ends before the servers do: held puts are answered, then the ports close.
    stack.defer(() => packer.stop());
  }
  const owned = stack.move();
  return { opUrl, nitroUrl, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** The storage network, opened when first needed and again after a failure. */
function openStorage(
  { kernels }: RollupDeps,
  config: DisperserConfig,
): () => Promise<StorageClient> {
  let opened: Promise<StorageClient> | undefined;
  return () => {
    opened ??= createStorageClient({
      rpcUrl: config.chainRpcUrl,
      privateKey: readKeyFile(config.archiveKeyFile ?? config.keyFile),
      indexerUrl: config.archiveIndexerUrl,
      kernels,
      transport: createHttpTransport(),
    });
    opened.catch(() => {
      opened = undefined;
    });
    return opened;
  };
}

/** Unix seconds until which members answer for a blob that is confirmed now, with what its rounding may take off. */
async function keptUntil(reader: DaReader): Promise<number> {
  const [head, { retentionSeconds, slackSeconds }] = await Promise.all([
    reader.head(),
    reader.parameters(),
  ]);
  return head.timestamp + retentionSeconds - slackSeconds;
}

/** Payloads of the disperser's own queue. */
function keptPayloads(queue: BlobQueue): PayloadSource {
  return {
    name: 'queue',
    async find(header) {
      const blob = queue.byCommitment(Buffer.from(header.commitment.slice(2), 'hex'));
      return blob && queue.payload(blob);
    },
  };
}

/** What `/config` says, in the words of EigenDA's proxy. */
function describeService(
  { entrance, reader }: RollupDeps,
  config: DisperserConfig,
  archive: ArchiveIndex | undefined,
): unknown {
  return {
    version: VERSION,
    chain_id: entrance.chainId,
    directory_address: reader.contracts.registry,
    cert_verifier_address: entrance.contract,
    max_payload_size_bytes: config.rollupInputBytesMax,
    recency_window_size: config.rollupRecencyBlocks,
    apis_enabled: [
      ...(config.opPort === undefined ? [] : ['op-generic', 'op-keccak', 'standard']),
      ...(config.nitroPort === undefined ? [] : ['arb']),
    ],
    read_only_mode: config.rollupReadOnly,
    archive: archive ? { waiting: archive.waitingCount } : null,
  };
}
