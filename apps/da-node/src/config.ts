import { kernelsSetting } from '@cairn/config';
import { daemonSettings } from '@cairn/daemon';
import { addressSchema, PORTS } from '@cairn/protocol';
import { z } from 'zod';

/** Settings of the DA node; flags are the kebab case of these names, variables `CAIRN_DA_NODE_` and upper snake case. */
export const daNodeConfigSchema = z.object({
  dataDir: z.string().describe('folder of rows, index and the BLS key'),
  chainRpcUrl: z.string().url().describe('JSON-RPC of the chain'),
  registryAddress: addressSchema.describe('address of DARegistry'),
  entranceAddress: addressSchema.describe('address of DAEntrance'),
  vaultAddress: addressSchema.describe('address of StakeVault'),
  challengesAddress: addressSchema.describe('address of DAChallenges'),
  keyFile: z
    .string()
    .describe('file with the private key of the operator, which pays gas and stakes'),
  blsKeyFile: z
    .string()
    .optional()
    .describe(
      'file with 32 secret bytes (hex) of the BLS key; made in the data folder when absent',
    ),
  stakeWei: z
    .string()
    .regex(/^\d+$/, 'expected wei')
    .default('0')
    .describe('stake deposited when the operator has no votes yet'),
  host: z.string().default('127.0.0.1').describe('interface of the port'),
  port: z
    .number()
    .int()
    .min(0)
    .max(65_535)
    .default(PORTS.daNode)
    .describe('port of gRPC and of uploads of rows, 0 for any'),
  metricsPort: z
    .number()
    .int()
    .min(0)
    .max(65_535)
    .optional()
    .describe('port of GET /metrics, 0 for any; none by default'),
  endpoint: z
    .string()
    .max(255)
    .optional()
    .describe('host:port that others reach this node by; host and port by default'),
  pollMs: z
    .number()
    .int()
    .min(50)
    .max(60_000)
    .default(500)
    .describe('milliseconds between looks at the chain'),
  rewardSeconds: z
    .number()
    .int()
    .min(1)
    .max(86_400)
    .default(600)
    .describe('seconds between claims of rewards that have vested'),
  rewardLeastWei: z
    .string()
    .regex(/^\d+$/, 'expected wei')
    .default(String(10n ** 15n))
    .describe('least amount that is worth a transaction to pay it out'),
  inFlightBytesMax: z
    .number()
    .int()
    .min(1 << 20)
    .default(256 * 1024 * 1024)
    .describe('bytes of rows held in memory while they are checked; an eighth of it per account'),
  receiveSeconds: z
    .number()
    .int()
    .min(1)
    .max(600)
    .default(30)
    .describe('seconds the rows of one blob may take to come in'),
  checkThreads: z
    .number()
    .int()
    .min(1)
    .max(64)
    .default(1)
    .describe('threads that check rows; they live while there is work'),
  scrubBytesPerSecond: z
    .number()
    .int()
    .min(0)
    .default(4 * 1024 * 1024)
    .describe('stored bytes checked a second, lost rows are fetched again; 0: neither'),
  scrubPauseMs: z
    .number()
    .int()
    .min(100)
    .default(60_000)
    .describe('pause between two passes of that'),
  healBytesMax: z
    .number()
    .int()
    .min(1 << 20)
    .default(512 * 1024 * 1024)
    .describe('bytes of all rows of the largest blob that is encoded again for lost rows'),
  kernels: kernelsSetting,
  ...daemonSettings,
});
export type DaNodeConfig = z.output<typeof daNodeConfigSchema>;
