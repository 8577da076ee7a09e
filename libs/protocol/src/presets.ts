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
    difficulty: 100_000n,
    idBondWei: 10n ** 18n,
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
} as const;
