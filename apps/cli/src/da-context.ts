// What the `da` verb finds around it: the contracts, the members, the account, a disperser.
import {
  type Address,
  CodedError,
  type Hash32,
  type Hex,
  parseAddress,
  parseHash32,
  silentLogger,
  systemClock,
  systemRandom,
} from '@cairn/base';
import { createTransactionSender } from '@cairn/chain';
import {
  type ConfirmedBlob,
  createDaReader,
  type DaContracts,
  type DaEpoch,
  type DaQuorum,
  type DaReader,
  daContractsOf,
} from '@cairn/chain/da';
import { kernelsFromEnvironment } from '@cairn/config';
import type { Kernels } from '@cairn/kernels';
import { createTaskPool, loadNodeKernels, type TaskPool } from '@cairn/kernels/node';
import type { DevnetFile } from '@cairn/protocol';
import type { Domain } from '@cairn/quorum';
import { blstBls } from '@cairn/quorum/node';
import {
  createBlobAccount,
  type DirectDeps,
  Disperser,
  disperseDirect,
  MemberPool,
} from '@cairn/sdk/da';
import { usage } from './args.ts';
import { accountKey, type GlobalFlags, readDevnet } from './context.ts';

export type DaSession = AsyncDisposable & {
  reader: DaReader;
  entrance: Domain;
  members: MemberPool;
  kernels: Kernels;
  devnet: DevnetFile | undefined;
  rpcUrl: string;
  privateKey: Hex | undefined;
};

/** The DA service that flags or the running devnet name. Throws `CLI_NO_NETWORK`. */
export async function openDa(flags: GlobalFlags, entrance?: string): Promise<DaSession> {
  await using stack = new AsyncDisposableStack();
  const devnet = flags.rpc !== undefined && entrance !== undefined ? undefined : readDevnet();
  const rpcUrl = flags.rpc ?? devnet?.rpcUrl;
  const address = entrance ?? devnet?.contracts.daEntrance;
  if (!rpcUrl || !address)
    throw new CodedError({
      code: 'CLI_NO_NETWORK',
      kind: 'unavailable',
      message: 'no DA service was named and no devnet with one is running here',
      hint: 'start one with npm start, or give --rpc URL and --entrance ADDRESS',
    });
  const contracts = await contractsOf(rpcUrl, parseAddress(address), devnet);
  const reader = createDaReader({ rpcUrl, contracts });
  const { chainId } = await reader.parameters();
  const { kernels } = await loadNodeKernels(kernelsFromEnvironment(process.env));
  const members = stack.use(new MemberPool());
  const owned = stack.move();
  return {
    ...{ reader, members, kernels, devnet, rpcUrl },
    entrance: { chainId, contract: contracts.entrance },
    privateKey: accountKey(flags, devnet),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function contractsOf(
  rpcUrl: string,
  entrance: Address,
  devnet: DevnetFile | undefined,
): DaContracts | Promise<DaContracts> {
  const known = devnet?.contracts;
  if (known?.daEntrance === entrance && known.daRegistry && known.stakeVault && known.daChallenges)
    return {
      registry: known.daRegistry,
      entrance,
      vault: known.stakeVault,
      challenges: known.daChallenges,
    };
  return daContractsOf(rpcUrl, entrance);
}

/** A blob key as an argument. */
export function parseKey(text: string | undefined): Hash32 {
  if (text === undefined || !/^0x[0-9a-fA-F]{64}$/.test(text))
    throw usage('a blob key is 0x and 64 hex digits, as cairn da put prints it');
  return parseHash32(text);
}

/** The confirmation of a blob on chain. Throws `SDK_NOT_FOUND`. */
export async function confirmedBlob({ reader }: DaSession, key: Hash32): Promise<ConfirmedBlob> {
  const blob = await reader.findBlob(key);
  if (blob) return blob;
  throw new CodedError({
    code: 'SDK_NOT_FOUND',
    kind: 'not_found',
    message: `no blob ${key} was ever confirmed on this chain`,
    hint: 'check the key; a blob that is still being dispersed is not there yet',
  });
}

/** Epoch and quorum of a confirmed blob. */
export async function placeOf(
  { reader }: DaSession,
  { header }: ConfirmedBlob,
): Promise<{ epoch: DaEpoch; quorum: DaQuorum }> {
  const epoch = await reader.epoch(header.epoch);
  const quorum = epoch?.quorums[header.quorum];
  if (epoch && quorum) return { epoch, quorum };
  throw new CodedError({
    code: 'SDK_NOT_FOUND',
    kind: 'not_found',
    message: `epoch ${header.epoch} is not on this chain`,
  });
}

/** What dispersing needs beside the session. */
export type Payment = Pick<DirectDeps, 'sender' | 'account'> & { threads: TaskPool | undefined };

/** From this size on, threads pay for their start. */
const THREADS_FROM_BYTES = 1024 * 1024;

/** The account that pays, and threads that encode when there is much to encode. */
export async function openPayment(
  session: DaSession,
  bytes: number,
  threads: number | undefined,
): Promise<Payment & AsyncDisposable> {
  const { privateKey, rpcUrl, entrance } = session;
  if (!privateKey)
    throw usage(
      'there is no key to pay with',
      'make one with cairn wallet new, or give --key-file',
    );
  const pool =
    bytes < THREADS_FROM_BYTES
      ? undefined
      : await createTaskPool({ threads, backend: kernelsFromEnvironment(process.env) });
  return {
    sender: createTransactionSender({ rpcUrl, privateKey, pollMs: 100 }),
    account: createBlobAccount(privateKey, entrance),
    threads: pool,
    [Symbol.asyncDispose]: async () => pool?.close(),
  };
}

/** Disperses without a disperser. */
export function direct(
  session: DaSession,
  payment: Payment,
  data: Uint8Array,
  options: Parameters<typeof disperseDirect>[2],
): ReturnType<typeof disperseDirect> {
  const { reader, members, kernels, entrance } = session;
  const disperser = new Disperser({ members, bls: blstBls, entrance, log: silentLogger });
  return disperseDirect(
    {
      ...{ reader, disperser, kernels, entrance, ...payment },
      ...{ bls: blstBls, random: systemRandom, clock: systemClock, log: silentLogger },
    },
    data,
    options,
  );
}
