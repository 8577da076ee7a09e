import { z } from 'zod';
import type { ChildOptions } from '../processes/child.ts';
import { appProcess } from './app.ts';

/** The line an indexer prints when it serves. */
export const indexerReady = z.object({ url: z.string() });

export function indexerProcess(options: {
  port: number;
  trusted: readonly string[];
  /** Admin RPC of the node whose peers are discovered, and the RPC ports of all nodes. */
  discoveryNode: string;
  discoveryPorts: readonly number[];
  logDir: string;
}): ChildOptions {
  return appProcess('indexer', {
    name: 'indexer',
    logDir: options.logDir,
    args: [
      ...['--trusted', options.trusted.join(',')],
      ...['--port', String(options.port)],
      ...['--discovery-node', options.discoveryNode],
      ...['--discovery-ports', options.discoveryPorts.join(',')],
      ...['--discovery-interval-seconds', '5'],
      '--allow-private-addresses',
    ],
  });
}
