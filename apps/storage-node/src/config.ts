import { addressSchema, PORTS } from '@cairn/protocol';
import { z } from 'zod';

const port = z.number().int().min(0).max(65_535);

/** Settings of the storage node; flags are the kebab case of these names, variables `CAIRN_NODE_` and upper snake case. */
export const nodeConfigSchema = z.object({
  dataDir: z.string().describe('folder of volumes and database'),
  chainRpcUrl: z.string().url().describe('JSON-RPC of the chain'),
  flowAddress: addressSchema.describe('address of the Flow contract'),
  startBlock: z.number().int().min(0).default(0).describe('block of the deployment'),
  rpcHost: z.string().default('127.0.0.1').describe('interface of the public RPC'),
  rpcPort: port.default(PORTS.nodeRpc).describe('port of the public RPC, 0 for any'),
  adminHost: z.string().default('127.0.0.1').describe('interface of the admin RPC'),
  adminPort: port
    .default(PORTS.nodeAdmin)
    .describe('port of the admin RPC; the same as rpcPort serves both'),
  shard: z
    .string()
    .regex(/^\d+\/\d+$/, 'expected ID/COUNT, for example 0/1')
    .default('0/1')
    .describe('which part of the flow this node keeps, ID/COUNT'),
  confirmationBlocks: z
    .number()
    .int()
    .min(0)
    .max(1000)
    .default(3)
    .describe('blocks to stay behind the head'),
  pollMs: z
    .number()
    .int()
    .min(10)
    .max(60_000)
    .default(500)
    .describe('milliseconds between looks at the chain'),
  pageBlocks: z.number().int().min(1).max(10_000).default(999).describe('blocks per eth_getLogs'),
  segmentsPerVolume: z
    .number()
    .int()
    .min(1)
    .default(4096)
    .describe('256 KiB slots per volume file (4096: 1 GiB)'),
  maxSegments: z
    .number()
    .int()
    .min(1)
    .optional()
    .describe('most segments to keep; beyond it uploads are refused'),
  hashThreads: z
    .number()
    .int()
    .min(1)
    .max(256)
    .optional()
    .describe('hashing threads; all cores by default'),
  kernels: z
    .enum(['auto', 'native', 'wasm', 'reference'])
    .default('auto')
    .describe('hash implementation'),
  poolBytes: z
    .number()
    .int()
    .min(0)
    .default(256 * 1024 * 1024)
    .describe('bytes of segments kept before their log entry'),
  poolTtlMs: z.number().int().min(1000).default(300_000).describe('how long they are kept'),
  writersMax: z
    .number()
    .int()
    .min(1)
    .max(1024)
    .default(16)
    .describe('upload requests hashed and written at once'),
  writersWaitingMax: z
    .number()
    .int()
    .min(0)
    .max(100_000)
    .default(1024)
    .describe('upload requests that wait their turn; beyond it they are told to come back'),
  logLevel: z
    .enum(['debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .describe('least level written'),
  logFile: z.string().optional().describe('file for the log; standard error by default'),
  readyJson: z
    .boolean()
    .default(false)
    .describe('print one JSON line to standard output when serving'),
  exitWithParent: z
    .boolean()
    .default(false)
    .describe('stop when standard input closes (for supervisors)'),
});
export type NodeConfig = z.output<typeof nodeConfigSchema>;
