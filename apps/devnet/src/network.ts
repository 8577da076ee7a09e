/*
 * Brings a whole network up in dependency order and takes it down in reverse: chain, contracts, storage nodes, indexer, KV node.
 * `devnet.json` is written last, by rename, when everything serves, and removed first. How each process is started is in
 * parts/; what happens when one dies is in processes/supervised.ts.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CodedError, type Hex, parseAddress } from '@cairn/base';
import { createChainReader } from '@cairn/chain';
import { deployStorage } from '@cairn/contracts/deploy';
import { DEVNET, type Deployment, type DevnetFile, deploymentSchema, PORTS } from '@cairn/protocol';
import { mnemonicToAccount } from 'viem/accounts';
import type { z } from 'zod';
import { removeDescriptor, runningDevnet, writeDescriptor } from './descriptor.ts';
import type { DevnetOptions } from './options.ts';
import { indexerProcess, indexerReady } from './parts/indexer.ts';
import { kvNodeProcess, kvNodeReady } from './parts/kv-node.ts';
import { shardPlan, storageNodeProcess, storageNodeReady } from './parts/storage-node.ts';
import { setBlockTime, startChain } from './processes/chain.ts';
import type { ChildOptions } from './processes/child.ts';
import { choosePort } from './processes/ports.ts';
import { Supervised } from './processes/supervised.ts';

/** The well-known development mnemonic; these keys are worth nothing anywhere else. */
const MNEMONIC = 'test test test test test test test test test test test junk';
const ACCOUNTS = 5;
/** Storage nodes at most: full ones and one for each part. */
const MINERS_MAX = 32;

export type RunningNetwork = AsyncDisposable & {
  file: DevnetFile;
  stop(): Promise<void>;
};
export type NetworkDeps = {
  say: (text: string) => void;
  /** A process ended that nobody stopped. */
  onExit: (name: string, reason: string) => void;
};

/** Nodes that every later one connects to; the others find each other through them. */
const BOOT_NODES = 4;

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

  deps.say('starting the chain');
  const chain = await startChain({
    port: await choosePort(PORTS.chain, taken),
    stateFile: join(dir, 'chain.json'),
    logDir,
    mnemonic: MNEMONIC,
    accounts: ACCOUNTS + MINERS_MAX,
  });
  stack.defer(() => chain.child.stop());
  // Without its chain a network is nothing: it is never started again, and its end is the end of all.
  void chain.child.exit.then((reason) => {
    if (!isStopping) deps.onExit('chain', reason);
  });
  const keys = join(dir, 'keys');
  const accounts = writeKeys(keys, { first: 0, count: ACCOUNTS, prefix: '' });
  const deployment = await deployOnce(dir, chain.rpcUrl, accounts[0]!.privateKey);
  await setBlockTime(chain.rpcUrl, DEVNET.blockTimeMs);

  const services: Supervised[] = [];
  /** Starts a service; `onReady` takes its first line now and whenever it is started again. */
  const launch = async (child: ChildOptions, onReady: (line: unknown) => void): Promise<void> => {
    const service = await Supervised.start(child, {
      isRestarted: options.restart,
      say: deps.say,
      onExit: deps.onExit,
      onReady(line) {
        onReady(JSON.parse(line));
        if (file) writeDescriptor(dir, file);
      },
    });
    services.push(stack.use(service));
  };

  const shards = shardPlan(options.nodes, options.shards);
  deps.say(`starting ${shards.length} storage nodes`);
  const miners = options.mine
    ? writeKeys(keys, { first: ACCOUNTS, count: shards.length, prefix: 'miner-' })
    : [];
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
          bootPorts: ports.slice(0, Math.min(i, BOOT_NODES)).map(({ p2p }) => p2p),
        },
        { dir, logDir, rpcUrl: chain.rpcUrl, deployment },
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
      kvNodeProcess(kvPorts, {
        dir,
        logDir,
        rpcUrl: chain.rpcUrl,
        deployment,
        indexerUrl: `http://127.0.0.1:${indexerPort}`,
      }),
      (line) => {
        kvNode = kvNodeReady.parse(line);
        if (file) file.kv = { adminUrl: kvNode.adminUrl, pid: kvNode.pid };
      },
    ),
  ]);

  file = {
    pid: process.pid,
    rpcUrl: chain.rpcUrl,
    chainId: deployment.chainId,
    contracts: deployment.contracts,
    indexerUrl,
    storageNodes,
    ...(kvNode ? { kvUrl: kvNode.url, kv: { adminUrl: kvNode.adminUrl, pid: kvNode.pid } } : {}),
    accounts: accounts.map(({ address, privateKeyFile }) => ({
      address: parseAddress(address),
      privateKeyFile,
    })),
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
  return { file, stop, [Symbol.asyncDispose]: stop };
}

/** Deploys, or finds what an earlier start deployed on the same chain state. */
async function deployOnce(dir: string, rpcUrl: string, privateKey: Hex): Promise<Deployment> {
  const path = join(dir, 'deployment.json');
  if (existsSync(path)) {
    const known = deploymentSchema.safeParse(JSON.parse(readFileSync(path, 'utf8')));
    if (
      known.success &&
      (await createChainReader({ rpcUrl, flow: known.data.contracts.flow }).hasFlow())
    )
      return known.data;
    // The chain's state is gone, so what the nodes know of it is void.
    rmSync(join(dir, 'nodes'), { recursive: true, force: true });
  }
  const deployment = await deployStorage({ rpcUrl, privateKey, preset: DEVNET });
  writeFileSync(path, `${JSON.stringify(deployment, null, 2)}\n`);
  return deployment;
}

/** Key files `<prefix><index>.key` of development accounts, readable by their owner only. */
function writeKeys(
  dir: string,
  which: { first: number; count: number; prefix: string },
): { address: string; privateKey: Hex; privateKeyFile: string }[] {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  return Array.from({ length: which.count }, (_, i) => {
    const account = mnemonicToAccount(MNEMONIC, { addressIndex: which.first + i });
    const privateKey = `0x${Buffer.from(account.getHdKey().privateKey!).toString('hex')}` as Hex;
    const privateKeyFile = join(dir, `${which.prefix}${i}.key`);
    writeFileSync(privateKeyFile, `${privateKey}\n`, { mode: 0o600 });
    return { address: parseAddress(account.address), privateKey, privateKeyFile };
  });
}
