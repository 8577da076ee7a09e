// What a verb finds around it: flags, the devnet, the account, the client.
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Address, CodedError, type Hex, parseAddress } from '@cairn/base';
import { isProcessAlive, kernelsFromEnvironment, readKeyFile } from '@cairn/config';
import { createHashPool, type HashPool, loadNodeKernels } from '@cairn/kernels/node';
import { type DevnetFile, devnetFileSchema } from '@cairn/protocol';
import { createHttpTransport } from '@cairn/rpc/node';
import { createStorageClient, type StorageClient } from '@cairn/sdk';
import { fileScratch } from '@cairn/sdk/node';

/** Flags that every verb understands. */
export type GlobalFlags = {
  json: boolean;
  indexer?: string | undefined;
  node?: string[] | undefined;
  rpc?: string | undefined;
  keyFile?: string | undefined;
  /** Address of the StorageCustody contract. */
  custody?: string | undefined;
  threads?: number | undefined;
};

export type Session = AsyncDisposable & { client: StorageClient; pool: HashPool; network: Network };
export type Network = {
  indexerUrl?: string | undefined;
  nodeUrls?: string[] | undefined;
  rpcUrl?: string | undefined;
  privateKey?: Hex | undefined;
  custody?: Address | undefined;
  devnet?: DevnetFile | undefined;
};

/** `.cairn/devnet.json` from the current folder upwards, or the file `CAIRN_DEVNET` names. */
export function findDevnetFile(): string | undefined {
  const named = process.env.CAIRN_DEVNET;
  if (named) return named;
  for (let folder = process.cwd(); ; folder = dirname(folder)) {
    const candidate = join(folder, '.cairn', 'devnet.json');
    if (existsSync(candidate)) return candidate;
    if (dirname(folder) === folder) return undefined;
  }
}

/** The running devnet. Throws `CLI_DEVNET_FILE` on a damaged file and `CLI_DEVNET_DEAD` when its process is gone. */
export function readDevnet(): DevnetFile | undefined {
  const path = findDevnetFile();
  if (!path || !existsSync(path)) return undefined;
  const parsed = devnetFileSchema.safeParse(readJson(path));
  if (!parsed.success)
    throw new CodedError({
      code: 'CLI_DEVNET_FILE',
      kind: 'invalid',
      message: `${path} is not a devnet description`,
      hint: 'remove it and start the devnet again',
    });
  if (!isProcessAlive(parsed.data.pid)) {
    throw new CodedError({
      code: 'CLI_DEVNET_DEAD',
      kind: 'unavailable',
      message: `the devnet of ${path} is not running (process ${parsed.data.pid} is gone)`,
      hint: 'start it with npm start or cairn devnet, or name a network with --indexer and --rpc',
    });
  }
  return parsed.data;
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Where wallets and upload states live. */
export function cairnHome(): string {
  return process.env.CAIRN_HOME ?? join(homedir(), '.cairn');
}

/** The contract that receipts are for: the named one, or the devnet's. */
export function custodyContract(
  flags: GlobalFlags,
  devnet: DevnetFile | undefined,
): Address | undefined {
  return flags.custody
    ? parseAddress(flags.custody, '--custody')
    : devnet?.contracts.storageCustody;
}

/** The key that pays: the named one, the devnet's first, or the default wallet's. */
export function accountKey(flags: GlobalFlags, devnet: DevnetFile | undefined): Hex | undefined {
  const wallet = join(cairnHome(), 'wallet.key');
  const keyFile =
    flags.keyFile ??
    process.env.CAIRN_KEY_FILE ??
    devnet?.accounts[0]?.privateKeyFile ??
    (existsSync(wallet) ? wallet : undefined);
  return keyFile ? readKeyFile(keyFile) : undefined;
}

/** Flags first, then the devnet, then the default wallet for the account. */
export function resolveNetwork(flags: GlobalFlags): Network {
  const isExplicit = flags.indexer !== undefined || flags.node !== undefined;
  const devnet = isExplicit && flags.rpc !== undefined ? undefined : readDevnet();
  const network: Network = {
    nodeUrls: flags.node,
    indexerUrl: flags.indexer ?? (flags.node ? undefined : devnet?.indexerUrl),
    rpcUrl: flags.rpc ?? devnet?.rpcUrl,
    privateKey: accountKey(flags, devnet),
    custody: custodyContract(flags, devnet),
    devnet,
  };
  if (!network.indexerUrl && !network.nodeUrls) {
    throw new CodedError({
      code: 'CLI_NO_NETWORK',
      kind: 'unavailable',
      message: 'no network was named and no devnet is running here',
      hint: 'start one with npm start, or give --indexer URL (or --node URL) and --rpc URL',
    });
  }
  return network;
}

/** Threads, sockets and client of one command. */
export async function openSession(flags: GlobalFlags): Promise<Session> {
  await using stack = new AsyncDisposableStack();
  const network = resolveNetwork(flags);
  const backend = kernelsFromEnvironment(process.env);
  const { kernels } = await loadNodeKernels(backend);
  const pool = stack.use(await createHashPool({ threads: flags.threads, backend }));
  const transport = stack.adopt(createHttpTransport(), (owned) => owned.close());
  const client = await createStorageClient({
    ...network,
    kernels,
    transport,
    scratch: fileScratch(join(cairnHome(), 'uploads')),
    hasher: (data, options) => pool.segmentRoots(data, options),
  });
  const owned = stack.move();
  return { client, pool, network, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
