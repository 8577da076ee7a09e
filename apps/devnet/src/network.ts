/*
 * Brings a whole network up in dependency order and takes it down in reverse: chain, contracts, storage nodes, indexer, KV node,
 * DA nodes, disperser. `devnet.json` is written last, by rename, when everything serves, and removed first. How each process is started is in
 * parts/; what happens when one dies is in processes/supervised.ts.
 */
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { CodedError } from '@cairn/base';
import { DEVNET, type DevnetFile, PORTS } from '@cairn/protocol';
import type { z } from 'zod';
import { type DaService, openNextQuorum, startDaService } from './da-service.ts';
import { deployOnce } from './deploy.ts';
import { removeDescriptor, runningDevnet, writeDescriptor } from './descriptor.ts';
import { ACCOUNTS_FUNDED, MNEMONIC, writeKeys } from './keys.ts';
import type { DevnetOptions } from './options.ts';
import { indexerProcess, indexerReady } from './parts/indexer.ts';
import { kvNodeProcess, kvNodeReady } from './parts/kv-node.ts';
import { shardPlan, storageNodeProcess, storageNodeReady } from './parts/storage-node.ts';
import { setBlockTime, startChain } from './processes/chain.ts';
import type { ChildOptions } from './processes/child.ts';
import { choosePort } from './processes/ports.ts';
import { Supervised } from './processes/supervised.ts';

export type RunningNetwork = AsyncDisposable & {
  file: DevnetFile;
  /** Ends the disperser on purpose, and starts it again. Absent without a DA service. */
  disperser: Pick<Supervised, 'pause' | 'resume'> | undefined;
  stop(): Promise<void>;
};
export type NetworkDeps = {
  say: (text: string) => void;
  /** A process ended that nobody stopped. */
  onExit: (name: string, reason: string) => void;
};

/** Nodes that every later one connects to; the others find each other through them. */
const BOOT_NODES = 4;
/** More than the blocks that the bring-up of the DA service takes, at a second each. */
const BEHIND_SECONDS = 240;

export async function startNetwork(
  deps: NetworkDeps,
  options: DevnetOptions,
): Promise<RunningNetwork> {
  const { dir } = options;
  const running = runningDevnet(dir);
  if (running) {
    throw new CodedError({
      code: 'DEVNET_RUNNING',
      kind: 'conflict',
      message: `a devnet already runs in ${dir} (process ${running.pid})`,
      hint: 'stop it with cairn devnet --stop, or use another folder with --dir',
    });
  }
  if (options.fresh)
    for (const name of ['chain.json', 'deployment.json', 'nodes', 'logs', 'devnet.json'])
      rmSync(join(dir, name), { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  removeDescriptor(dir);

  await using stack = new AsyncDisposableStack();
  const logDir = join(dir, 'logs');
  const taken = new Set<number>();
  let file: DevnetFile | undefined;
  let isStopping = false;

  const stateFile = join(dir, 'chain.json');
  const isNewChain = !existsSync(stateFile);
  deps.say('starting the chain');
  const chain = await startChain({
    port: await choosePort(PORTS.chain, taken),
    stateFile,
    logDir,
    mnemonic: MNEMONIC,
    accounts: ACCOUNTS_FUNDED,
    behindSeconds: BEHIND_SECONDS,
  });
  stack.defer(() => chain.child.stop());
  // Without its chain a network is nothing: it is never started again, and its end is the end of all.
  void chain.child.exit.then((reason) => {
    if (!isStopping) deps.onExit('chain', reason);
  });
  const keys = join(dir, 'keys');
  const accounts = writeKeys(keys, 'user');
  const deployment = await deployOnce(dir, chain.rpcUrl, accounts[0]!.privateKey);
  const place = { dir, logDir, rpcUrl: chain.rpcUrl, deployment };
  if (options.da === 0) await setBlockTime(chain.rpcUrl, DEVNET.blockTimeMs);

  const services: Supervised[] = [];
  /** The first process of each kind: the others wait for it, and find its compiled code in the cache. */
  const firsts = new Map<string, Promise<unknown>>();
  /** Starts a service; `onReady` takes its first line now and whenever it is started again. */
  const launch = async (
    child: ChildOptions,
    onReady: (line: unknown) => void,
  ): Promise<Supervised> => {
    const before = firsts.get(child.kind);
    const starting = (async () => {
      await before?.catch(() => {}); // whoever started it says so
      return Supervised.start(child, {
        isRestarted: options.restart,
        say: deps.say,
        onExit: deps.onExit,
        onReady(line) {
          onReady(JSON.parse(line));
          if (file) writeDescriptor(dir, file);
        },
      });
    })();
    if (!firsts.has(child.kind)) firsts.set(child.kind, starting);
    const service = await starting;
    services.push(stack.use(service));
    return service;
  };

  const shards = shardPlan(options.nodes, options.shards);
  deps.say(
    `starting ${shards.length} storage nodes${options.da > 0 ? ` and ${options.da} DA nodes` : ''}`,
  );
  const miners = options.mine ? writeKeys(keys, 'miner', shards.length) : [];
  const providers = writeKeys(keys, 'provider', shards.length);
  const operators = writeKeys(keys, 'daNode', options.da);
  const ports: { rpc: number; admin: number; p2p: number }[] = [];
  for (let i = 0; i < shards.length; i++) {
    ports.push({
      rpc: await choosePort(PORTS.nodeRpc + 2 * i, taken),
      admin: await choosePort(PORTS.nodeAdmin + 2 * i, taken),
      p2p: await choosePort(PORTS.nodeP2p + i, taken),
    });
  }
  const indexerPort = await choosePort(PORTS.indexer, taken);
  const storageNodes: DevnetFile['storageNodes'] = [];
  let indexerUrl = '';
  const kvPorts = {
    rpc: await choosePort(PORTS.kv, taken),
    admin: await choosePort(PORTS.kvAdmin, taken),
  };
  let kvNode: z.output<typeof kvNodeReady> | undefined;
  const bringUp = new AbortController();
  stack.defer(() => bringUp.abort());
  let da: DaService | undefined;
  await Promise.all([
    ...shards.map((shard, i) => {
      const { rpc: rpcPort, admin: adminPort, p2p: p2pPort } = ports[i]!;
      const child = storageNodeProcess(
        {
          name: `node-${i}`,
          shard,
          rpcPort,
          adminPort,
          p2pPort,
          mineKeyFile: miners[i]?.privateKeyFile,
          custodyKeyFile: providers[i]!.privateKeyFile,
          bootPorts: ports.slice(0, Math.min(i, BOOT_NODES)).map(({ p2p }) => p2p),
        },
        place,
      );
      return launch(child, (line) => {
        storageNodes[i] = storageNodeReady.parse(line);
      });
    }),
    launch(
      indexerProcess({
        port: indexerPort,
        trusted: ports.slice(0, options.nodes).map(({ rpc }) => `http://127.0.0.1:${rpc}`),
        discoveryNode: `http://127.0.0.1:${ports[0]!.admin}`,
        discoveryPorts: ports.map(({ rpc }) => rpc),
        logDir,
      }),
      (line) => {
        indexerUrl = indexerReady.parse(line).url;
      },
    ),
    launch(
      kvNodeProcess(kvPorts, { ...place, indexerUrl: `http://127.0.0.1:${indexerPort}` }),
      (line) => {
        kvNode = kvNodeReady.parse(line);
        if (file) file.kv = { adminUrl: kvNode.adminUrl, pid: kvNode.pid };
      },
    ),
    (async () => {
      if (options.da === 0) return;
      const [disperser] = writeKeys(keys, 'disperser');
      const [archive] = writeKeys(keys, 'archive');
      da = await startDaService({
        ...{ place, taken, operators, launch },
        disperser: disperser!,
        archive: archive!,
        indexerUrl: `http://127.0.0.1:${indexerPort}`,
      });
    })(),
    (async () => {
      if (options.da === 0) return;
      await openNextQuorum(place, operators, {
        isNew: isNewChain,
        signal: bringUp.signal,
      });
      await setBlockTime(chain.rpcUrl, DEVNET.blockTimeMs);
    })(),
  ]);

  file = {
    pid: process.pid,
    rpcUrl: chain.rpcUrl,
    chainId: deployment.chainId,
    contracts: deployment.contracts,
    indexerUrl,
    storageNodes,
    ...(kvNode ? { kvUrl: kvNode.url, kv: { adminUrl: kvNode.adminUrl, pid: kvNode.pid } } : {}),
    ...(da ? { da: da.entry } : {}),
    accounts: accounts.map(({ address, privateKeyFile }) => ({ address, privateKeyFile })),
  };
  writeDescriptor(dir, file);
  stack.defer(() => removeDescriptor(dir));

  const owned = stack.move();
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    isStopping = true;
    stopped ??= (async () => {
      removeDescriptor(dir);
      // The chain goes last, so that nobody sees it disappear; the others stop side by side.
      await Promise.all(services.map((service) => service.stop()));
      await owned.disposeAsync();
    })();
    return stopped;
  };
  return { file, disperser: da?.disperser, stop, [Symbol.asyncDispose]: stop };
}
