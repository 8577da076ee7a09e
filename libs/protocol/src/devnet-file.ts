import { z } from 'zod';
import { addressSchema } from './zgs.ts';

/** `.cairn/devnet.json`: a stable interface (architecture section 6). Keys that do not exist yet are absent. */
export const devnetFileSchema = z.object({
  pid: z.int(),
  rpcUrl: z.string(),
  chainId: z.int(),
  contracts: z
    .object({ flow: addressSchema, market: addressSchema, reward: addressSchema })
    .catchall(addressSchema),
  indexerUrl: z.string(),
  storageNodes: z.array(
    z.object({
      url: z.string(),
      adminUrl: z.string(),
      shardId: z.int(),
      numShard: z.int(),
      pid: z.int(),
    }),
  ),
  kvUrl: z.string().optional(),
  kv: z.object({ adminUrl: z.string(), pid: z.int() }).optional(),
  da: z
    .object({
      /** `host:port` of the disperser's gRPC. */
      disperserGrpc: z.string(),
      disperserPid: z.int(),
      /** OP alt-DA and Nitro's DA provider, which the disperser serves. */
      altDaUrl: z.string(),
      nitroUrl: z.string(),
      /** `url` is `host:port` of gRPC, `address` the operator. */
      nodes: z.array(z.object({ url: z.string(), address: addressSchema, pid: z.int() })),
    })
    .optional(),
  accounts: z.array(z.object({ address: addressSchema, privateKeyFile: z.string() })),
});
export type DevnetFile = z.infer<typeof devnetFileSchema>;

/** What `contracts/script` writes: one JSON per deployment. */
export const deploymentSchema = z.object({
  chainId: z.int(),
  /** Block of the first deployment transaction: where log sync starts. */
  block: z.int(),
  contracts: z
    .object({ flow: addressSchema, market: addressSchema, reward: addressSchema })
    .catchall(addressSchema),
  codeHashes: z.record(z.string(), z.string()),
});
export type Deployment = z.infer<typeof deploymentSchema>;
