import { join } from 'node:path';
import { addressSchema, type Deployment } from '@cairn/protocol';
import { z } from 'zod';
import type { ChildOptions } from '../processes/child.ts';
import { appProcess } from './app.ts';

/** The line a DA node prints when it serves. */
export const daNodeReady = z.object({ url: z.string(), address: addressSchema, pid: z.int() });
/** The line the disperser prints when it serves. */
export const disperserReady = z.object({
  grpc: z.string(),
  op: z.string(),
  nitro: z.string(),
  pid: z.int(),
});

export type DaPlace = { dir: string; logDir: string; rpcUrl: string; deployment: Deployment };

const TOKEN_WEI = 10n ** 18n;
/** Every node has this much more than the next smaller one: unequal, and none alone has a third of the weight. */
const STAKE_STEP_WEI = 100n * TOKEN_WEI;

/** Stakes of `count` nodes in wei, largest first. */
export function daStakes(count: number): bigint[] {
  return Array.from({ length: count }, (_, i) => BigInt(count - i) * STAKE_STEP_WEI);
}

function contractArgs({ rpcUrl, deployment: { contracts } }: DaPlace): string[] {
  const addresses: [string, string | undefined][] = [
    ['registry', contracts.daRegistry],
    ['entrance', contracts.daEntrance],
    ['vault', contracts.stakeVault],
    ['challenges', contracts.daChallenges],
  ];
  return [
    ...['--chain-rpc-url', rpcUrl],
    ...addresses.flatMap(([name, address]) => [`--${name}-address`, address ?? '']),
  ];
}

export function daNodeProcess(
  spec: { name: string; port: number; keyFile: string; stakeWei: bigint },
  place: DaPlace,
): ChildOptions {
  return appProcess('da-node', {
    name: spec.name,
    logDir: place.logDir,
    args: [
      ...contractArgs(place),
      ...['--data-dir', join(place.dir, 'nodes', spec.name)],
      ...['--key-file', spec.keyFile],
      ...['--stake-wei', String(spec.stakeWei)],
      ...['--port', String(spec.port)],
    ],
  });
}

export function disperserProcess(
  spec: {
    grpcPort: number;
    opPort: number;
    nitroPort: number;
    keyFile: string;
    /** Pays for the archive of what rollups store. */
    archiveKeyFile: string;
    indexerUrl: string;
  },
  place: DaPlace,
): ChildOptions {
  return appProcess('da-disperser', {
    name: 'disperser',
    logDir: place.logDir,
    args: [
      ...contractArgs(place),
      ...['--data-dir', join(place.dir, 'nodes', 'disperser')],
      ...['--key-file', spec.keyFile],
      ...['--grpc-port', String(spec.grpcPort)],
      ...['--op-port', String(spec.opPort), '--nitro-port', String(spec.nitroPort)],
      ...['--rollup-verifier-address', place.deployment.contracts.nitroValidator ?? ''],
      ...['--archive-indexer-url', spec.indexerUrl, '--archive-key-file', spec.archiveKeyFile],
      ...['--poll-ms', '250'],
    ],
  });
}
