import { join } from 'node:path';
import { DEVNET, type Deployment } from '@cairn/protocol';
import { z } from 'zod';
import type { ChildOptions } from '../processes/child.ts';
import { appProcess } from './app.ts';

/** The line a storage node prints when it serves. */
export const storageNodeReady = z.object({
  url: z.string(),
  adminUrl: z.string(),
  shardId: z.int(),
  numShard: z.int(),
  pid: z.int(),
});

export type StorageNodeSpec = {
  name: string;
  /** `id/count`. */
  shard: string;
  rpcPort: number;
  adminPort: number;
  p2pPort: number;
  /** Key to mine with; without it the node does not. */
  mineKeyFile?: string | undefined;
  /** Key that stakes and signs receipts. */
  custodyKeyFile: string;
  /** Ports of peers to connect to. */
  bootPorts: readonly number[];
};

/**
 * Shards of the nodes. Without `shards`: full ones, then one for each half of the flow. With it: node i keeps part i mod shards
 * of the flow, so that together they hold every part nodes / shards times.
 */
export function shardPlan(nodes: number, shards: number | undefined): string[] {
  if (shards !== undefined)
    return Array.from({ length: nodes }, (_, i) => `${i % shards}/${shards}`);
  return [...Array.from({ length: nodes }, () => '0/1'), '0/2', '1/2'];
}

export function storageNodeProcess(
  spec: StorageNodeSpec,
  network: { dir: string; logDir: string; rpcUrl: string; deployment: Deployment },
): ChildOptions {
  const { dir, logDir, rpcUrl, deployment } = network;
  const bootNodes = spec.bootPorts.map((port) => `/ip4/127.0.0.1/tcp/${port}`);
  return appProcess('storage-node', {
    name: spec.name,
    logDir,
    args: [
      ...['--data-dir', join(dir, 'nodes', spec.name)],
      ...['--chain-rpc-url', rpcUrl],
      ...['--flow-address', deployment.contracts.flow],
      ...['--start-block', String(deployment.block)],
      ...['--confirmation-blocks', String(DEVNET.confirmationBlocks)],
      ...['--poll-ms', '250'],
      ...['--shard', spec.shard],
      ...['--rpc-port', String(spec.rpcPort)],
      ...['--admin-port', String(spec.adminPort)],
      ...['--p2p-host', '127.0.0.1'],
      ...['--p2p-port', String(spec.p2pPort)],
      ...(bootNodes.length > 0 ? ['--boot-nodes', bootNodes.join(',')] : []),
      '--allow-private-addresses',
      ...['--hash-threads', '1'],
      // What a real network waits for hours is over here while one watches.
      ...['--repair-delay-seconds', '10', '--repair-lazy-seconds', '60'],
      ...(spec.mineKeyFile && deployment.contracts.mine
        ? [
            ...['--mine-key-file', spec.mineKeyFile],
            ...['--mine-contract-address', deployment.contracts.mine],
            ...['--mine-cpu', '5'],
            '--keep-raw', // these nodes are trusted, and read more than they store
            ...['--mine-threads', '1'],
            ...['--mine-query-ms', '1000'],
          ]
        : []),
      ...['--reward-contract-address', deployment.contracts.reward],
      ...(deployment.contracts.storageCustody
        ? [
            ...['--custody-key-file', spec.custodyKeyFile],
            ...['--custody-contract-address', deployment.contracts.storageCustody],
            ...['--custody-query-ms', '1000'],
          ]
        : []),
      ...['--segments-per-volume', '256'],
    ],
  });
}
