import { join } from 'node:path';
import { DEVNET, DEVNET_STREAM_ID, type Deployment } from '@cairn/protocol';
import { z } from 'zod';
import type { ChildOptions } from '../processes/child.ts';
import { appProcess } from './app.ts';

/** The line a KV node prints when it serves. */
export const kvNodeReady = z.object({ url: z.string(), adminUrl: z.string(), pid: z.int() });

export function kvNodeProcess(
  ports: { rpc: number; admin: number },
  network: {
    dir: string;
    logDir: string;
    rpcUrl: string;
    deployment: Deployment;
    indexerUrl: string;
  },
): ChildOptions {
  const { dir, logDir, rpcUrl, deployment, indexerUrl } = network;
  return appProcess('kv-node', {
    name: 'kv-node',
    logDir,
    args: [
      ...['--data-dir', join(dir, 'nodes', 'kv')],
      ...['--chain-rpc-url', rpcUrl],
      ...['--flow-address', deployment.contracts.flow],
      ...['--start-block', String(deployment.block)],
      ...['--confirmation-blocks', String(DEVNET.confirmationBlocks)],
      ...['--poll-ms', '250'],
      ...['--indexer', indexerUrl],
      ...['--stream-ids', DEVNET_STREAM_ID],
      ...['--rpc-port', String(ports.rpc)],
      ...['--admin-port', String(ports.admin)],
    ],
  });
}
