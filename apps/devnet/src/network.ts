/*
 * Brings a whole network up in dependency order and takes it down in reverse: chain, contracts, storage nodes, indexer.
 * `devnet.json` is written last, by rename, when everything serves, and removed first.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CodedError, type Hex, parseAddress } from '@cairn/base';
import { createChainReader } from '@cairn/chain';
import { deployStorage } from '@cairn/contracts/deploy';
import {
  DEVNET,
  type Deployment,
  type DevnetFile,
  deploymentSchema,
  devnetFileSchema,
  PORTS,
} from '@cairn/protocol';
import { mnemonicToAccount } from 'viem/accounts';
import { z } from 'zod';
import type { DevnetOptions } from './options.ts';
import { setBlockTime, startChain } from './processes/chain.ts';
import { Child } from './processes/child.ts';
import { choosePort } from './processes/ports.ts';

/** The well-known development mnemonic; these keys are worth nothing anywhere else. */
const MNEMONIC = 'test test test test test test test test test test test junk';
const ACCOUNTS = 5;

export type RunningNetwork = AsyncDisposable & {
  file: DevnetFile;
  children: Child[];
  stop(): Promise<void>;
};
export type NetworkDeps = {
  say: (text: string) => void;
  onExit: (name: string, reason: string) => void;
};

const entry = (app: string): string =>
  fileURLToPath(new URL(`../../${app}/src/main.ts`, import.meta.url));
const nodeReady = z.object({
  url: z.string(),
  adminUrl: z.string(),
  shardId: z.int(),
  numShard: z.int(),
  pid: z.int(),
});

/** The devnet that runs in this folder, if its process lives. */
export function runningDevnet(dir: string): DevnetFile | undefined {
  const path = join(dir, 'devnet.json');
  if (!existsSync(path)) return undefined;
  try {
    const file = devnetFileSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
    process.kill(file.pid, 0);
    return file;
  } catch {
    return undefined; // damaged or left behind by a killed process: the next start replaces it
  }
}

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
  const descriptor = join(dir, 'devnet.json');
  rmSync(descriptor, { force: true });

  await using stack = new AsyncDisposableStack();
  const children: Child[] = [];
  let isStopping = false;
  const adopt = (child: Child): Child => {
    children.push(child);
    stack.defer(() => child.stop());
    void child.exit.then((reason) => {
      if (!isStopping) deps.onExit(child.name, reason);
    });
    return child;
  };
  const logDir = join(dir, 'logs');
  const taken = new Set<number>();

  deps.say('starting the chain');
  const chain = await startChain({
    port: await choosePort(PORTS.chain, taken),
    stateFile: join(dir, 'chain.json'),
    logDir,
    mnemonic: MNEMONIC,
  });
  adopt(chain.child);
  const accounts = writeKeys(join(dir, 'keys'));
  const deployment = await deployOnce(dir, chain.rpcUrl, accounts[0]!.privateKey);
  await setBlockTime(chain.rpcUrl, DEVNET.blockTimeMs);

  const shards = [
    ...Array.from({ length: options.nodes }, () => '0/1'),
    ...(options.shards > 1
      ? Array.from({ length: options.shards }, (_, id) => `${id}/${options.shards}`)
      : []),
  ];
  deps.say(`starting ${shards.length} storage nodes`);
  const startNode = async (
    shard: string,
    index: number,
  ): Promise<DevnetFile['storageNodes'][number]> => {
    const name = `node-${index}`;
    const child = adopt(
      await Child.start({
        name,
        command: process.execPath,
        args: [
          '--max-semi-space-size=4',
          '--conditions=source',
          entry('storage-node'),
          '--data-dir',
          join(dir, 'nodes', name),
          '--chain-rpc-url',
          chain.rpcUrl,
          '--flow-address',
          deployment.contracts.flow,
          '--start-block',
          String(deployment.block),
          '--confirmation-blocks',
          String(DEVNET.confirmationBlocks),
          '--poll-ms',
          '250',
          '--shard',
          shard,
          '--rpc-port',
          String(ports[index]!.rpc),
          '--admin-port',
          String(ports[index]!.admin),
          '--hash-threads',
          '1',
          '--segments-per-volume',
          '256',
          '--log-file',
          join(logDir, `${name}.jsonl`),
          '--ready-json',
          '--exit-with-parent',
        ],
        logDir,
        readyMs: 30_000,
      }),
    );
    return nodeReady.parse(JSON.parse(child.firstLine));
  };
  const ports: { rpc: number; admin: number }[] = [];
  for (let i = 0; i < shards.length; i++) {
    ports.push({
      rpc: await choosePort(PORTS.nodeRpc + 2 * i, taken),
      admin: await choosePort(PORTS.nodeAdmin + 2 * i, taken),
    });
  }
  const indexerPort = await choosePort(PORTS.indexer, taken);
  const startIndexer = async (): Promise<{ url: string }> => {
    const child = adopt(
      await Child.start({
        name: 'indexer',
        command: process.execPath,
        args: [
          '--max-semi-space-size=4',
          '--conditions=source',
          entry('indexer'),
          '--trusted',
          ports
            .slice(0, options.nodes)
            .map(({ rpc }) => `http://127.0.0.1:${rpc}`)
            .join(','),
          '--port',
          String(indexerPort),
          '--log-file',
          join(logDir, 'indexer.jsonl'),
          '--ready-json',
          '--exit-with-parent',
        ],
        logDir,
        readyMs: 30_000,
      }),
    );
    return z.object({ url: z.string() }).parse(JSON.parse(child.firstLine));
  };
  const [storageNodes, indexer] = await Promise.all([
    Promise.all(shards.map(startNode)),
    startIndexer(),
  ]);

  const file: DevnetFile = devnetFileSchema.parse({
    pid: process.pid,
    rpcUrl: chain.rpcUrl,
    chainId: deployment.chainId,
    contracts: deployment.contracts,
    indexerUrl: indexer.url,
    storageNodes,
    accounts: accounts.map(({ address, privateKeyFile }) => ({ address, privateKeyFile })),
  });
  writeFileSync(`${descriptor}.new`, `${JSON.stringify(file, null, 2)}\n`);
  renameSync(`${descriptor}.new`, descriptor);
  stack.defer(() => rmSync(descriptor, { force: true }));

  const owned = stack.move();
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    isStopping = true;
    stopped ??= (async () => {
      rmSync(descriptor, { force: true });
      // The chain goes last, so that nobody sees it disappear; the others stop side by side.
      await Promise.all(
        children.filter((child) => child !== chain.child).map((child) => child.stop()),
      );
      await owned.disposeAsync();
    })();
    return stopped;
  };
  return { file, children, stop, [Symbol.asyncDispose]: stop };
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

/** Key files of the development accounts, readable by their owner only. */
function writeKeys(dir: string): { address: string; privateKey: Hex; privateKeyFile: string }[] {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  return Array.from({ length: ACCOUNTS }, (_, addressIndex) => {
    const account = mnemonicToAccount(MNEMONIC, { addressIndex });
    const privateKey = `0x${Buffer.from(account.getHdKey().privateKey!).toString('hex')}` as Hex;
    const privateKeyFile = join(dir, `${addressIndex}.key`);
    writeFileSync(privateKeyFile, `${privateKey}\n`, { mode: 0o600 });
    return { address: parseAddress(account.address), privateKey, privateKeyFile };
  });
}
