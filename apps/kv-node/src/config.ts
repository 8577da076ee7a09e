import { kernelsSetting } from '@cairn/config';
import { daemonSettings } from '@cairn/daemon';
import { addressSchema, hash32Schema, PORTS } from '@cairn/protocol';
import { z } from 'zod';

const count = (min: number, max: number = Number.MAX_SAFE_INTEGER) =>
  z.number().int().min(min).max(max);
const port = (value: number) => count(0, 65_535).default(value);
/** As 0G's node takes them: with or without 0x. */
const streamId = z
  .string()
  .transform((text) => (text.startsWith('0x') ? text : `0x${text}`))
  .pipe(hash32Schema);

/** Settings of a KV node; flags are the kebab case of these names, variables `CAIRN_KV_` and upper snake case. */
export const kvConfigSchema = z.object({
  dataDir: z.string().min(1).describe('folder that holds the database'),
  chainRpcUrl: z.string().url().describe('JSON-RPC of the chain'),
  flowAddress: addressSchema.describe('address of the Flow contract'),
  startBlock: count(0).default(0).describe('block of the deployment, where log sync starts'),
  confirmationBlocks: count(0, 10_000).default(3).describe('blocks to stay behind the head'),
  pollMs: count(10).default(500).describe('pause between looks at the chain'),
  pageBlocks: count(1, 100_000).default(1000).describe('blocks one log query spans'),
  indexer: z.string().url().optional().describe('indexer that knows who holds the batches'),
  nodes: z.array(z.string().url()).default([]).describe('storage nodes, instead of an indexer'),
  streamIds: z.array(streamId).default([]).describe('streams to watch, comma separated'),
  maxStreams: count(1, 100_000).default(1024).describe('streams watched at most'),
  rpcHost: z.string().default('127.0.0.1').describe('interface of the public RPC'),
  rpcPort: port(PORTS.kv).describe('port of the public RPC, 0 for any'),
  adminHost: z.string().default('127.0.0.1').describe('interface of the admin RPC'),
  adminPort: port(PORTS.kvAdmin).describe('port of the admin RPC, 0 for any'),
  maxQueryBytes: count(1, 16 * 1024 * 1024)
    .default(262_144)
    .describe('bytes of a value one read may ask for'),
  maxBatchBytes: count(1)
    .default(1024 * 1024 * 1024)
    .describe('larger batches cannot be replayed'),
  parallelDownloads: count(1, 64).default(16).describe('batches fetched at once'),
  maxDownloadRetries: count(0)
    .default(0)
    .describe('give a batch up after so many failures; 0 tries for ever'),
  downloadTimeoutMs: count(100).default(300_000).describe('time for one download'),
  downloadRetryMs: count(1).default(100).describe('pause after a failed download, doubling'),
  downloadRetryMsMax: count(1).default(5000).describe('longest pause'),
  encryptionKeyFile: z.string().optional().describe('file with the key of encrypted batches'),
  walletKeyFile: z
    .string()
    .optional()
    .describe('file with the private key batches are encrypted to'),
  maxWatchers: count(0, 100_000).default(256).describe('event streams open at once'),
  kernels: kernelsSetting,
  ...daemonSettings,
});
export type KvConfig = z.output<typeof kvConfigSchema>;
