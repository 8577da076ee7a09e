import type { Hash32 } from '@cairn/base';

/** Numbers that differ between a small fast network and a real one (architecture section 5). */
export type Preset = {
  name: 'devnet' | 'mainnet';
  blockTimeMs: number;
  blocksPerEpoch: number;
  confirmationBlocks: number;
  pricePerSectorWei: bigint;
  releaseSeconds: number;
  batchSubmitMax: number;
  mine: MinePreset;
  custody: CustodyPreset;
  da: DaPreset;
};

/** Parameters of the DA contracts (design/da-protocol.md section 8). Blocks unless the name says otherwise. */
export type DaPreset = {
  epochBlocks: number;
  lookaheadBlocks: number;
  seedDelayBlocks: number;
  revealWindowBlocks: number;
  confirmBlocks: number;
  responseBlocks: number;
  correlationEpochs: number;
  retentionSeconds: number;
  /** Seconds a block takes, for locks. */
  blockSeconds: number;
  effectivePerQuorum: number;
  maxOperators: number;
  minMembers: number;
  voteUnit: bigint;
  minBond: bigint;
  isSingleQuorum: boolean;
  unbondingSeconds: number;
  minimumStakeWei: bigint;
  /** Wei. */
  pricePerByteSecond: bigint;
  /** Most of a stake that the DA service may slash in one window of `epochBlocks`. */
  slashCapBps: number;
};

/** Parameters of StorageCustody (design/contracts.md). */
export type CustodyPreset = {
  /** Most that one receipt may hold. */
  maxReceiptSeconds: number;
  /** How long stake stays locked past a receipt's end: RESPONSE + CORRELATION. */
  lockMarginSeconds: number;
  /** Blocks that an answer has at least. */
  responseBlocks: number;
  minBondWei: bigint;
  /** Wei slashed for each sector that a broken receipt covers; a hundred times its price. */
  slashPerSectorWei: bigint;
  /** Most of a stake that receipts may cost in one window. */
  slashCapBps: number;
};

/** Start values of PoraMine. Blocks are the chain's; governance changes them later. */
export type MinePreset = {
  /** Blocks after the start of a subtask in which answers count. */
  targetMineBlocks: number;
  targetSubmissions: number;
  difficultyAdjustRatio: number;
  subtaskCount: number;
  subtaskInterval: number;
  maxShards: number;
  minDifficulty: bigint;
  /** Seals that an unsharded miner hashes for one answer, on average. */
  difficulty: bigint;
  /** Wei that every miner id reserves. */
  idBondWei: bigint;
};

export const DEVNET: Preset = {
  name: 'devnet',
  blockTimeMs: 1000,
  blocksPerEpoch: 20,
  confirmationBlocks: 0,
  pricePerSectorWei: 30_733_644_962n,
  releaseSeconds: 86_400,
  batchSubmitMax: 100,
  mine: {
    targetMineBlocks: 15,
    targetSubmissions: 2,
    difficultyAdjustRatio: 20,
    subtaskCount: 1,
    subtaskInterval: 0,
    maxShards: 256,
    minDifficulty: 64n,
    difficulty: 200_000n,
    idBondWei: 10n ** 18n,
  },
  custody: {
    maxReceiptSeconds: 600,
    lockMarginSeconds: 60,
    responseBlocks: 30,
    minBondWei: 10n ** 15n,
    slashPerSectorWei: 3_073_364_496_200n,
    slashCapBps: 4000,
  },
  da: {
    epochBlocks: 30,
    lookaheadBlocks: 12,
    seedDelayBlocks: 2,
    revealWindowBlocks: 8,
    confirmBlocks: 30,
    responseBlocks: 30,
    correlationEpochs: 1,
    retentionSeconds: 600,
    blockSeconds: 1,
    effectivePerQuorum: 512,
    maxOperators: 128,
    minMembers: 3,
    voteUnit: 10n ** 18n,
    minBond: 10n ** 15n,
    isSingleQuorum: false,
    unbondingSeconds: 900,
    minimumStakeWei: 10n ** 18n,
    pricePerByteSecond: 1000n,
    slashCapBps: 6000,
  },
};

export const MAINNET: Preset = {
  name: 'mainnet',
  blockTimeMs: 400,
  blocksPerEpoch: 3750,
  confirmationBlocks: 3,
  pricePerSectorWei: 30_733_644_962n,
  releaseSeconds: 32_140_800,
  batchSubmitMax: 100,
  mine: {
    targetMineBlocks: 250,
    targetSubmissions: 100,
    difficultyAdjustRatio: 20,
    subtaskCount: 4,
    subtaskInterval: 800,
    maxShards: 256,
    minDifficulty: 1000n,
    difficulty: 1_000_000n,
    idBondWei: 10n ** 18n,
  },
  custody: {
    maxReceiptSeconds: 30 * 86_400,
    lockMarginSeconds: (3600 + 5760) * 12,
    responseBlocks: 3600,
    minBondWei: 2n * 10n ** 16n,
    slashPerSectorWei: 3_073_364_496_200n,
    slashCapBps: 4000,
  },
  da: {
    epochBlocks: 5760,
    lookaheadBlocks: 600,
    seedDelayBlocks: 64,
    revealWindowBlocks: 300,
    confirmBlocks: 150,
    responseBlocks: 3600,
    correlationEpochs: 1,
    retentionSeconds: 14 * 86_400,
    blockSeconds: 12,
    effectivePerQuorum: 512,
    maxOperators: 1024,
    minMembers: 32,
    voteUnit: 30n * 10n ** 18n,
    minBond: 2n * 10n ** 16n,
    isSingleQuorum: false,
    unbondingSeconds: 21 * 86_400,
    minimumStakeWei: 30n * 10n ** 18n,
    pricePerByteSecond: 1000n,
    slashCapBps: 6000,
  },
};

export const PRESETS = { devnet: DEVNET, mainnet: MAINNET } as const;

/** The stream that the KV node of a devnet watches from the start. */
export const DEVNET_STREAM_ID =
  '0x000000000000000000000000000000000000000000000000000000000000f2bd' as Hash32;

/** Default ports (architecture section 1). */
export const PORTS = {
  nodeRpc: 5678,
  nodeAdmin: 5679,
  nodeP2p: 1234,
  indexer: 12345,
  kv: 6789,
  kvAdmin: 6790,
  chain: 8545,
  daNode: 34_000,
  disperserGrpc: 51_001,
  opAltDa: 3100,
  nitroDa: 9880,
} as const;
