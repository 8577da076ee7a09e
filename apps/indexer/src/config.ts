import { kernelsSetting } from '@cairn/config';
import { daemonSettings } from '@cairn/daemon';
import { PORTS } from '@cairn/protocol';
import { z } from 'zod';

/** Settings of the indexer; flags are the kebab case of these names, variables `CAIRN_INDEXER_` and upper snake case. */
export const indexerConfigSchema = z.object({
  trusted: z
    .array(z.string().url())
    .min(1, 'name at least one storage node')
    .describe('URLs of trusted storage nodes, comma separated'),
  host: z.string().default('127.0.0.1').describe('interface to serve on'),
  port: z
    .number()
    .int()
    .min(0)
    .max(65_535)
    .default(PORTS.indexer)
    .describe('port of RPC and gateway, 0 for any'),
  nodeTimeoutMs: z
    .number()
    .int()
    .min(100)
    .default(3000)
    .describe('how long a node may take to answer'),
  locationCacheEntries: z
    .number()
    .int()
    .min(0)
    .default(100_000)
    .describe('file locations remembered'),
  locationCacheSeconds: z.number().int().min(0).default(86_400).describe('how long they are'),
  discoveryNode: z
    .string()
    .url()
    .optional()
    .describe('admin RPC of a storage node whose peers are offered as discovered nodes'),
  discoveryPorts: z
    .array(z.coerce.number().int().min(1).max(65_535))
    .min(1)
    .max(64)
    .default([PORTS.nodeRpc])
    .describe('ports at which peers are looked for, comma separated'),
  discoveryIntervalSeconds: z
    .number()
    .int()
    .min(1)
    .default(600)
    .describe('pause between looks for nodes'),
  allowPrivateAddresses: z
    .boolean()
    .default(false)
    .describe('look at private addresses that peers name (networks on one machine or LAN)'),
  folderFileBytesMax: z
    .number()
    .int()
    .min(1)
    .default(100 * 1024 * 1024)
    .describe('largest file that the gateway serves out of a directory'),
  hashThreads: z
    .number()
    .int()
    .min(1)
    .max(256)
    .default(1)
    .describe('threads that verify what the gateway serves'),
  kernels: kernelsSetting,
  ...daemonSettings,
});
export type IndexerConfig = z.output<typeof indexerConfigSchema>;
