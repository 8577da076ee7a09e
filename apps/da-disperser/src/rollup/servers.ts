// Composition root of the servers for rollups: what they share, then each server that has a port. No logic.
import { join } from 'node:path';
import { systemClock as clock, errorMessage, type Logger, Loop, systemRandom } from '@cairn/base';
import type { TransactionSender } from '@cairn/chain';
import { createRollupVerifier, type DaReader } from '@cairn/chain/da';
import type { Domain } from '@cairn/quorum';
import type { HttpServer } from '@cairn/rpc/node';
import { openDatabase } from '@cairn/store';
import type { DisperserConfig } from '../config.ts';
import type { DisperserMetrics } from '../metrics.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { BlobQueue } from '../queue/blob-queue.ts';
import type { BlobSource } from '../reading/blob-source.ts';
import { Inputs } from './inputs.ts';
import { QueueLane } from './lane.ts';
import { NAME_MIGRATIONS, NameStore } from './name-store.ts';
import { ChunkedReceiver } from './nitro/chunked.ts';
import { readJwtSecret } from './nitro/jwt.ts';
import { createNitroServer } from './nitro/server.ts';
import { signatureCheck } from './nitro/signatures.ts';
import { createOpServer } from './op/server.ts';
import { OpStore } from './op/store.ts';
import { Packer } from './packer.ts';
import { Refuser } from './refuser.ts';
import { verdictsOf } from './verdicts.ts';

export type RollupDeps = {
  queue: BlobQueue;
  pipeline: Pipeline;
  reader: DaReader;
  sender: TransactionSender;
  source: BlobSource;
  entrance: Domain;
  /** Blobs are copied to the storage lane. */
  archives: boolean;
  metrics: DisperserMetrics;
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
const PRUNE_INTERVAL_MS = 60_000;
const PRUNE_MAX = 10_000;
const VERSION = '0.1.0';

export async function startRollupServers(
  deps: RollupDeps,
  config: DisperserConfig,
): Promise<RollupServers> {
  const { queue, reader, source, entrance, archives, metrics, log } = deps;
  await using stack = new AsyncDisposableStack();
  const start = async (server: HttpServer): Promise<string> => {
    await server.start();
    stack.defer(() => server.stop());
    return server.url;
  };
  let opUrl: string | undefined;
  let nitroUrl: string | undefined;
  if (config.opPort !== undefined || config.nitroPort !== undefined) {
    const db = stack.adopt(
      openDatabase(join(config.dataDir, 'rollup.db'), NAME_MIGRATIONS),
      (it) => {
        it.close();
      },
    );
    queue.archive.adopt(db);
    const names = new NameStore(db);
    const pruning = new Loop(async () => names.prune(clock.now() / 1000, PRUNE_MAX), {
      name: 'names',
      intervalMs: PRUNE_INTERVAL_MS,
      onError: (error) => log.warn({ error: errorMessage(error) }, 'names were not pruned'),
    });
    pruning.start();
    stack.defer(() => pruning.stop());
    const lane = new QueueLane(
      { ...deps, random: systemRandom, clock },
      { confirmationBlocks: config.rollupConfirmationBlocks, isArchived: archives },
    );
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
    const verifier = config.rollupVerifierAddress
      ? createRollupVerifier({ rpcUrl: config.chainRpcUrl, address: config.rollupVerifierAddress })
      : undefined;
    metrics.watchRollups({ waitingInputs: () => packer.waiting });
    const inputs = new Inputs(
      { packer, source, verdicts: verdictsOf(reader, entrance, verifier) },
      {
        inputBytesMax: config.rollupInputBytesMax,
        putTimeoutMs: config.rollupPutTimeoutMs,
        recencyWindowBlocks: config.rollupRecencyBlocks,
        isReadOnly: config.rollupReadOnly,
      },
    );
    if (config.opPort !== undefined) {
      // Payloads are kept for a while too, so a name is good until both are gone.
      const keepSeconds = archives ? undefined : config.keepMinutes * 60;
      const store = new OpStore(
        { inputs, names, reader },
        { format: config.opFormat, keepSeconds },
      );
      opUrl = await start(
        createOpServer(
          {
            store,
            log: log.child({ component: 'op' }),
            config: () => describeService(deps, config),
            onRequest: metrics.onOp,
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
      const jwtSecret = config.nitroJwtFile ? readJwtSecret(config.nitroJwtFile) : undefined;
      // Paid for callers that showed a token, by a server that may spend.
      const mayRefuse = jwtSecret !== undefined && !config.rollupReadOnly;
      const refuser =
        verifier && mayRefuse
          ? new Refuser({ ...deps, verifier: verifier.address, clock })
          : undefined;
      nitroUrl = await start(
        createNitroServer(
          {
            ...{ inputs, chunked, clock, log: log.child({ component: 'nitro' }) },
            config: () => describeService(deps, config),
            onCall: metrics.onNitro,
            refuse: refuser && ((certificate, signal) => refuser.refuse(certificate, signal)),
            keptUntil: archives ? () => Promise.resolve(undefined) : () => keptUntil(reader),
          },
          {
            ...{ host: config.host, port: config.nitroPort, bodyBytesMax: config.nitroBodyBytes },
            jwtSecret,
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

/** Unix seconds until which members answer for a blob that is confirmed now, with what its rounding may take off. */
async function keptUntil(reader: DaReader): Promise<number> {
  const [head, { retentionSeconds, slackSeconds }] = await Promise.all([
    reader.head(),
    reader.parameters(),
  ]);
  return head.timestamp + retentionSeconds - slackSeconds;
}

/** What `/config` says, in the words of EigenDA's proxy. */
function describeService(
  { entrance, reader, queue, archives }: RollupDeps,
  config: DisperserConfig,
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
    archive: archives ? { waiting: queue.unarchived } : null,
  };
}
