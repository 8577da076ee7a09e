import { isIP } from 'node:net';
import { kernelsSetting } from '@cairn/config';
import { daemonSettings } from '@cairn/daemon';
import { parseAddress as parsePeerAddress } from '@cairn/p2p';
import { addressSchema, PORTS } from '@cairn/protocol';
import { z } from 'zod';

const port = z.number().int().min(0).max(65_535);
const peerAddress = z.string().refine((address) => {
  try {
    return parsePeerAddress(address).port > 0;
  } catch {
    return false;
  }
}, 'expected /ip4/1.2.3.4/tcp/1234, with or without /p2p/ID');

/** Settings of the storage node; flags are the kebab case of these names, variables `CAIRN_NODE_` and upper snake case. */
export const nodeConfigSchema = z.object({
  dataDir: z.string().describe('folder of volumes and database'),
  chainRpcUrl: z.string().url().describe('JSON-RPC of the chain'),
  flowAddress: addressSchema.describe('address of the Flow contract'),
  chainId: z
    .number()
    .int()
    .min(1)
    .optional()
    .describe('chain that the RPC must serve; any by default'),
  chainWaitSeconds: z
    .number()
    .int()
    .min(0)
    .max(86_400)
    .default(60)
    .describe('how long to wait at the start for a chain that does not answer'),
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
    .describe(
      'most segments of 256 KiB to keep; at nine tenths the shard is halved, beyond it uploads are refused',
    ),
  reshard: z
    .boolean()
    .default(true)
    .describe('halve the shard near maxSegments, and double it up to --shard when there is room'),
  keepIntervalMs: z
    .number()
    .int()
    .min(50)
    .max(3_600_000)
    .default(5000)
    .describe('milliseconds between looks at what is kept'),
  rewardContractAddress: addressSchema
    .optional()
    .describe('address of the ChunkRewards contract; with it files without a lease are pruned'),
  pruneIntervalSeconds: z
    .number()
    .int()
    .min(1)
    .max(86_400)
    .default(60)
    .describe('seconds between looks at leases'),
  pruneGraceSeconds: z
    .number()
    .int()
    .min(0)
    .max(31_536_000)
    .default(86_400)
    .describe('how long after its end a lease can still be renewed before its files are pruned'),
  pruneSkewSeconds: z
    .number()
    .int()
    .min(1)
    .max(31_536_000)
    .default(3600)
    .describe('how far the time of the chain may be from the clock for anything to be pruned'),
  hashThreads: z
    .number()
    .int()
    .min(1)
    .max(256)
    .optional()
    .describe('hashing threads; all cores by default'),
  kernels: kernelsSetting,
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
  p2p: z.boolean().default(true).describe('talk to other nodes; without it nothing is synced'),
  p2pHost: z
    .string()
    .refine((host) => isIP(host) !== 0, 'expected an IP address')
    .default('0.0.0.0')
    .describe('interface to listen on for peers'),
  p2pPort: port.default(PORTS.nodeP2p).describe('port for peers, 0 for any'),
  announceAddresses: z
    .array(peerAddress)
    .max(8)
    .default([])
    .describe('addresses to tell peers instead of those listened on, /ip4/1.2.3.4/tcp/1234'),
  bootNodes: z
    .array(peerAddress)
    .max(256)
    .default([])
    .describe('peers to connect to and to come back to, comma separated'),
  allowPrivateAddresses: z
    .boolean()
    .default(false)
    .describe('dial private addresses that peers name (networks on one machine or LAN)'),
  targetPeers: z.number().int().min(1).max(1000).default(50).describe('peers to look for'),
  peerIdleMs: z
    .number()
    .int()
    .min(100)
    .max(60_000)
    .default(5000)
    .describe('how long a peer may be silent in an answer'),
  syncFilesMax: z.number().int().min(1).max(256).default(4).describe('files fetched at once'),
  syncBytesPerSecond: z
    .number()
    .int()
    .min(1024 * 1024)
    .default(256 * 1024 * 1024)
    .describe('bytes fetched from peers a second'),
  repair: z
    .boolean()
    .default(true)
    .describe('rebuild segments of coded files that no peer has any more'),
  repairDelaySeconds: z
    .number()
    .int()
    .min(1)
    .max(86_400)
    .default(60)
    .describe('how long copying from peers may gain nothing before a coded file is rebuilt'),
  repairLazySeconds: z
    .number()
    .int()
    .min(1)
    .max(2_592_000)
    .default(21_600)
    .describe('the same while more than 22 of 32 (19 of 24) fragments of a stripe are left'),
  repairBytesPerSecond: z
    .number()
    .int()
    .min(1024 * 1024)
    .default(64 * 1024 * 1024)
    .describe('bytes read from peers a second to rebuild'),
  serveBytesPerSecond: z
    .number()
    .int()
    .min(1024 * 1024)
    .default(256 * 1024 * 1024)
    .describe('bytes served to peers a second'),
  scrubBytesPerSecond: z
    .number()
    .int()
    .min(0)
    .default(4 * 1024 * 1024)
    .describe('stored bytes checked against roots a second (1 TiB in 3 days at 4 MiB); 0: never'),
  scrubPauseMs: z
    .number()
    .int()
    .min(100)
    .default(60_000)
    .describe('pause between two passes of that'),
  mineKeyFile: z
    .string()
    .optional()
    .describe('file with the private key that mines; without it the node does not mine'),
  mineContractAddress: addressSchema
    .optional()
    .describe('address of the PoraMine contract, needed to mine'),
  mineCpu: z.coerce
    .number()
    .min(0.1)
    .max(100)
    .default(100)
    .describe('percent of its search threads that mining may use'),
  mineThreads: z
    .number()
    .int()
    .min(1)
    .max(256)
    .optional()
    .describe('search threads; all cores by default'),
  mineIds: z
    .number()
    .int()
    .min(1)
    .max(64)
    .default(1)
    .describe('miner ids; those after the first have a sealed copy each'),
  keepRaw: z
    .boolean()
    .default(false)
    .describe(
      'keep the raw bytes beside the sealed ones: twice the disk, and reads that undo no seal',
    ),
  mineQueryMs: z
    .number()
    .int()
    .min(50)
    .max(60_000)
    .default(5000)
    .describe('milliseconds between looks for work'),
  mineReplaceMs: z
    .number()
    .int()
    .min(100)
    .max(600_000)
    .default(15_000)
    .describe('milliseconds until an answer that no block took is sent again for more'),
  custodyKeyFile: z
    .string()
    .optional()
    .describe(
      'file with the private key that stakes and signs receipts; without it none are signed',
    ),
  custodyContractAddress: addressSchema
    .optional()
    .describe('address of the StorageCustody contract, needed for receipts'),
  custodyStake: z.coerce
    .number()
    .min(1)
    .max(1e9)
    .default(10)
    .describe('tokens to stake behind receipts when joining'),
  custodyQueryMs: z
    .number()
    .int()
    .min(50)
    .max(600_000)
    .default(5000)
    .describe('milliseconds between looks for challenges'),
  ...daemonSettings,
});
export type NodeConfig = z.output<typeof nodeConfigSchema>;
