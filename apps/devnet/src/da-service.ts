/*
 * The DA service of a devnet: its nodes, the disperser, and the first open quorum. On a new chain the blocks up to that are mined
 * at once, with the operators' registrations and reveals in between, so that nobody waits an epoch of real time for it.
 */
import { createDaReader, type DaReader } from '@cairn/chain/da';
import { DEVNET, type Deployment, type DevnetFile, PORTS } from '@cairn/protocol';
import { rpcCall } from '@cairn/rpc';
import { bringUpDa } from '@cairn/testkit/da';
import type { DevelopmentKey } from './keys.ts';
import {
  type DaPlace,
  daNodeProcess,
  daNodeReady,
  daStakes,
  disperserProcess,
  disperserReady,
} from './parts/da.ts';
import { setClock } from './processes/chain.ts';
import type { ChildOptions } from './processes/child.ts';
import { choosePort } from './processes/ports.ts';
import type { Supervised } from './processes/supervised.ts';

export type DaServiceDeps = {
  place: DaPlace;
  /** Ports that are given away. */
  taken: Set<number>;
  operators: readonly DevelopmentKey[];
  disperser: DevelopmentKey;
  /** Pays for the archive of what rollups store, on the storage nodes that the indexer names. */
  archive: DevelopmentKey;
  indexerUrl: string;
  launch: (child: ChildOptions, onReady: (line: unknown) => void) => Promise<Supervised>;
};
export type DaService = {
  /** What `devnet.json` says of it; kept up to date. */
  entry: NonNullable<DevnetFile['da']>;
  disperser: Supervised;
};

const BRING_UP_MS = 90_000;

function daReader({ rpcUrl, deployment }: { rpcUrl: string; deployment: Deployment }): DaReader {
  const { daRegistry, daEntrance, stakeVault, daChallenges } = deployment.contracts;
  return createDaReader({
    rpcUrl,
    contracts: {
      registry: daRegistry!,
      entrance: daEntrance!,
      vault: stakeVault!,
      challenges: daChallenges!,
    },
  });
}

/**
 * Mines the chain to its next open quorum while the operators join, also when it comes back: time has passed since the seeds of its
 * epochs were captured, and locks and obligations are counted from there. `isNew`: its clock is behind, and brought to the present
 * before that capture.
 */
export async function openNextQuorum(
  place: { rpcUrl: string; deployment: Deployment },
  operators: readonly DevelopmentKey[],
  options: { isNew: boolean; signal: AbortSignal },
): Promise<void> {
  const { blockSeconds } = DEVNET.da;
  await bringUpDa({
    rpc: (method, params) => rpcCall(place.rpcUrl, method, params ?? []),
    reader: daReader(place),
    operators: operators.map(({ address }) => address),
    timeoutMs: BRING_UP_MS,
    signal: options.signal,
    ...(options.isNew
      ? {
          blockSeconds,
          onJoined: (blocksLeft) => setClock(place.rpcUrl, -blocksLeft * blockSeconds),
        }
      : {}),
  });
}

/** Resolves when the nodes and the disperser serve. */
export async function startDaService(deps: DaServiceDeps): Promise<DaService> {
  const { place, taken, operators, launch } = deps;
  const stakes = daStakes(operators.length);
  const ports: number[] = [];
  for (const i of operators.keys()) ports.push(await choosePort(PORTS.daNode + i, taken));
  const grpcPort = await choosePort(PORTS.disperserGrpc, taken);
  const opPort = await choosePort(PORTS.opAltDa, taken);
  const nitroPort = await choosePort(PORTS.nitroDa, taken);
  const entry: DaService['entry'] = {
    ...{ disperserGrpc: '', disperserPid: 0, altDaUrl: '', nitroUrl: '' },
    nodes: [],
  };
  const [disperser] = await Promise.all([
    launch(
      disperserProcess(
        {
          ...{ grpcPort, opPort, nitroPort, indexerUrl: deps.indexerUrl },
          keyFile: deps.disperser.privateKeyFile,
          archiveKeyFile: deps.archive.privateKeyFile,
        },
        place,
      ),
      (line) => {
        const { grpc, pid, op, nitro } = disperserReady.parse(line);
        entry.altDaUrl = op;
        entry.nitroUrl = nitro;
        entry.disperserGrpc = grpc;
        entry.disperserPid = pid;
      },
    ),
    ...operators.map(({ privateKeyFile: keyFile }, i) =>
      launch(
        daNodeProcess({ name: `da-${i}`, port: ports[i]!, keyFile, stakeWei: stakes[i]! }, place),
        (line) => {
          entry.nodes[i] = daNodeReady.parse(line);
        },
      ),
    ),
  ]);
  return { entry, disperser };
}
