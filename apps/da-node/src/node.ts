// Composition root of the DA node: builds the parts in dependency order, stops them in reverse. No logic.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Address,
  errorMessage,
  isCodedError,
  type Logger,
  Loop,
  systemClock,
} from '@cairn/base';
import { createTransactionSender } from '@cairn/chain';
import { createDaReader, type DaContracts } from '@cairn/chain/da';
import { readKeyFile } from '@cairn/config';
import { loadNodeKernels } from '@cairn/kernels/node';
import { blstBls } from '@cairn/quorum/node';
import { GrpcServer } from '@cairn/rpc/grpc';
import { HttpServer, startMetricsServer } from '@cairn/rpc/node';
import { MemberPool } from '@cairn/sdk/da';
import { openDatabase } from '@cairn/store';
import { Admission } from './blobs/admission.ts';
import { Attester } from './blobs/attest.ts';
import { Receiver } from './blobs/receive.ts';
import { RowServer } from './blobs/serve.ts';
import { Operator } from './chain/operator.ts';
import { Rewards } from './chain/rewards.ts';
import { Watcher } from './chain/watcher.ts';
import { CheckerBySize } from './check/by-size.ts';
import { ThreadedChecker } from './check/checker.ts';
import type { DaNodeConfig } from './config.ts';
import { openBlsKey } from './keys.ts';
import { createDaNodeMetrics } from './metrics.ts';
import { daNodeService } from './rpc/da-node.ts';
import { PeerRates } from './rpc/peer-rates.ts';
import { rowsRoute } from './rpc/rows-route.ts';
import { Healer } from './scrub/healer.ts';
import { Scrubber } from './scrub/scrubber.ts';
import { BlobIndex, MIGRATIONS } from './store/blob-index.ts';
import { RowFiles } from './store/row-files.ts';

export const VERSION = '0.1.0';
/** Combinations of the largest shape and a proof, with room; rows come in pieces. */
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;
/** All rows of the largest shape with a proof: more than any member is ever assigned. */
const ROWS_BYTES_MAX = 3 * 1024 * 1024 * 1024;

/** A disperser asks once a batch: far less than this, and a node signs more. */
const SIGNING = { perSecond: 50, hostsMax: 1024 };

export type DaNode = AsyncDisposable & {
  /** `host:port` of gRPC and of uploads. */
  address: string;
  operator: Address;
  metricsUrl: string | undefined;
  /** What it holds and has seen, for those that watch it from inside its process. */
  receiver: Pick<Receiver, 'inFlightBytes'>;
  watcher: Pick<Watcher, 'watchedBlock' | 'openChallenges'>;
  stop(): Promise<void>;
};

export async function startDaNode(deps: { log: Logger }, config: DaNodeConfig): Promise<DaNode> {
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
  const registry = { chainId, contract: contracts.registry };
  const sender = createTransactionSender({
    rpcUrl: config.chainRpcUrl,
    privateKey: readKeyFile(config.keyFile),
  });
  const secretKey = openBlsKey(config.blsKeyFile ?? join(config.dataDir, 'bls.key'));
  const operator = sender.address;
  const { kernels, why } = await loadNodeKernels(config.kernels);
  log.info({ operator, kernels: why }, 'da node starts');

  const db = stack.adopt(openDatabase(join(config.dataDir, 'node.db'), MIGRATIONS), (open) => {
    open.close();
  });
  const index = new BlobIndex(db);
  index.bindNetwork(`${chainId}/${contracts.entrance}`);
  const files = await RowFiles.open(join(config.dataDir, 'rows'));
  await dropOrphans(index, files);

  const admission = new Admission({ reader, index, entrance });
  const threads = stack.use(
    new ThreadedChecker({ threads: config.checkThreads, backend: config.kernels }),
  );
  const checker = new CheckerBySize({ kernels, threads });
  const receiver = new Receiver(
    { reader, admission, index, files, checker, entrance, operator, log },
    { inFlightBytesMax: config.inFlightBytesMax, receiveTimeoutMs: config.receiveSeconds * 1000 },
  );
  const canHeal = config.scrubBytesPerSecond > 0;
  const healer = new Healer(
    {
      ...{ index, files, reader, kernels, entrance, log, clock: systemClock },
      members: stack.use(new MemberPool()),
      onLost: () => metrics.damaged.add({}),
      onHealed: () => metrics.healed.add({}),
    },
    { codeBytesMax: config.healBytesMax, backend: config.kernels },
  );
  const scrubber = new Scrubber(
    {
      ...{ index, files, reader, kernels, entrance, clock: systemClock },
      onLost: ({ key }) => healer.lost(key),
      onChecked: (bytes) => metrics.scrubBytes.add({}, bytes),
    },
    { bytesPerSecond: config.scrubBytesPerSecond },
  );
  const attester = new Attester({
    ...{ reader, index, files, bls: blstBls, secretKey, entrance },
    isLost: (key) => healer.isLost(key),
  });
  const rows = new RowServer({ index, files, kernels });
  const watcher = new Watcher({
    ...{ reader, sender, index, files, rows, entrance, operator, log },
    onAnswered: () => metrics.answered.add({}),
    onLost: canHeal ? (key) => healer.lost(key) : undefined,
  });
  const metrics = createDaNodeMetrics({
    stats: () => index.stats(),
    inFlightBytes: () => receiver.inFlightBytes,
    openChallenges: () => watcher.openChallenges,
    lostBlobs: () => healer.waiting,
  });

  const grpc = new GrpcServer(
    {
      log: log.child({ component: 'grpc' }),
      onCall: (method, outcome, seconds) => metrics.calls.observe({ method, outcome }, seconds),
    },
    {
      messageBytesMax: MESSAGE_BYTES_MAX,
      services: [
        daNodeService({
          ...{ receiver, attester, rows, index, reader, operator },
          signing: new PeerRates(systemClock, SIGNING),
          publicKey: blstBls.publicKey(secretKey),
          version: VERSION,
        }),
      ],
    },
  );
  // One port for both: rows come by HTTP/1.1, everything else by gRPC.
  const server = new HttpServer(
    { log: log.child({ component: 'rows' }) },
    {
      host: config.host,
      port: config.port,
      maxBodyBytes: ROWS_BYTES_MAX,
      // The receiver counts what is in memory, and asks for a body when there is room for it.
      bodyBudgetBytes: Number.MAX_SAFE_INTEGER,
      routes: [
        rowsRoute({
          receiver,
          log: log.child({ component: 'rows' }),
          onCall: (outcome, seconds) => metrics.calls.observe({ method: 'rows', outcome }, seconds),
        }),
      ],
      onHttp2: (socket) => grpc.accept(socket),
    },
  );
  await server.start();
  stack.defer(() => server.stop());
  stack.use(grpc);
  const { address } = server;
  let metricsUrl: string | undefined;
  if (config.metricsPort !== undefined) {
    const http = await startMetricsServer(
      { log, metrics: metrics.metrics },
      { host: config.host, port: config.metricsPort },
    );
    stack.defer(() => http.stop());
    metricsUrl = http.url;
  }

  const duties = new Operator(
    { reader, sender, bls: blstBls, secretKey, registry, log },
    { endpoint: config.endpoint ?? address, stakeWei: BigInt(config.stakeWei) },
  );
  const rewards = new Rewards(
    {
      ...{ reader, sender, index, operator, log },
      onPaid: (wei) => metrics.paid.add({}, Number(wei) / 1e18),
    },
    { leastWei: BigInt(config.rewardLeastWei) },
  );
  const rewardMs = config.rewardSeconds * 1000;
  for (const [name, intervalMs, step] of [
    ['operator duties', config.pollMs, (signal: AbortSignal) => duties.step(signal)],
    ['contract events', config.pollMs, (signal: AbortSignal) => watcher.step(signal)],
    ['rewards', rewardMs, (signal: AbortSignal) => rewards.step(signal)],
    ...(canHeal
      ? ([
          ['scrub', config.scrubPauseMs, (signal: AbortSignal) => scrubber.step(signal)],
          ['lost rows', config.pollMs, (signal: AbortSignal) => healer.step(signal)],
        ] as const)
      : []),
  ] as const) {
    const loop = new Loop(step, {
      name,
      intervalMs,
      onError: (error) =>
        log.warn(
          {
            loop: name,
            error: errorMessage(error),
            code: isCodedError(error) ? error.code : undefined,
          },
          'a round failed, trying again',
        ),
    });
    loop.start();
    stack.defer(() => loop.stop());
  }

  const owned = stack.move();
  const stop = (): Promise<void> => owned.disposeAsync();
  return {
    ...{ address, operator, metricsUrl, receiver, watcher },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** A kill between the file and its entry leaves a file that nothing refers to. */
async function dropOrphans(index: BlobIndex, files: RowFiles): Promise<void> {
  const known = index.keys();
  for (const key of await files.keys()) if (!known.has(key)) await files.remove(key);
}
