import { kernelsSetting } from '@cairn/config';
import { daemonSettings } from '@cairn/daemon';
import { addressSchema, PORTS } from '@cairn/protocol';
import { z } from 'zod';
import { rollupSettings } from './rollup/config.ts';

/** Settings of the disperser; flags are the kebab case of these names, variables `CAIRN_DISPERSER_` and upper snake case. */
export const disperserConfigSchema = z.object({
  dataDir: z.string().describe('folder of the queue and its payloads'),
  chainRpcUrl: z.string().url().describe('JSON-RPC of the chain'),
  registryAddress: addressSchema.describe('address of DARegistry'),
  entranceAddress: addressSchema.describe('address of DAEntrance'),
  vaultAddress: addressSchema.describe('address of StakeVault'),
  challengesAddress: addressSchema.describe('address of DAChallenges'),
  keyFile: z
    .string()
    .describe('file with the private key that pays gas, and for blobs of 0G clients'),
  depositWei: z
    .string()
    .regex(/^\d+$/, 'expected wei')
    .default('1000000000000000000')
    .describe('prepaid balance kept in DAEntrance'),
  host: z.string().default('127.0.0.1').describe('interface of the gRPC port'),
  grpcPort: z
    .number()
    .int()
    .min(0)
    .max(65_535)
    .default(PORTS.disperserGrpc)
    .describe("port of 0G's gRPC services, 0 for any"),
  pollMs: z
    .number()
    .int()
    .min(50)
    .max(60_000)
    .default(500)
    .describe('milliseconds between looks at the chain'),
  parallelMax: z
    .number()
    .int()
    .min(1)
    .max(64)
    .default(4)
    .describe('blobs encoded and sent at once; each holds four times its bytes'),
  pendingMax: z
    .number()
    .int()
    .min(1)
    .default(256)
    .describe('accepted blobs that are not confirmed yet; beyond it new ones are refused'),
  preparedBytesMax: z
    .number()
    .int()
    .min(1 << 20)
    .default(256 * 1024 * 1024)
    .describe('bytes of encoded blobs in memory that wait for the signature of their account'),
  triesMax: z.number().int().min(1).max(100).default(5).describe('tries to disperse one blob'),
  keepMinutes: z
    .number()
    .int()
    .min(1)
    .default(60)
    .describe('how long ended blobs and their payloads are remembered'),
  archiveIndexerUrl: z
    .string()
    .url()
    .optional()
    .describe('indexer of the storage network that blobs are archived to; no archive without'),
  archiveKeyFile: z
    .string()
    .optional()
    .describe(
      'file with the key that pays for the archive; by default the one that pays for blobs',
    ),
  metricsPort: z
    .number()
    .int()
    .min(0)
    .max(65_535)
    .optional()
    .describe('port of GET /metrics, 0 for any; none by default'),
  ...rollupSettings,
  threads: z
    .number()
    .int()
    .min(1)
    .max(256)
    .optional()
    .describe('threads that encode; all cores by default'),
  kernels: kernelsSetting,
  ...daemonSettings,
});
export type DisperserConfig = z.output<typeof disperserConfigSchema>;
