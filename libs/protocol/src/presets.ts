/** Numbers that differ between a small fast network and a real one (architecture section 5). */
export type Preset = {
  name: 'devnet' | 'mainnet';
  blockTimeMs: number;
  blocksPerEpoch: number;
  confirmationBlocks: number;
  pricePerSectorWei: bigint;
  releaseSeconds: number;
  batchSubmitMax: number;
};

export const DEVNET: Preset = {
  name: 'devnet',
  blockTimeMs: 1000,
  blocksPerEpoch: 20,
  confirmationBlocks: 0,
  pricePerSectorWei: 30_733_644_962n,
  releaseSeconds: 86_400,
  batchSubmitMax: 100,
};

export const MAINNET: Preset = {
  name: 'mainnet',
  blockTimeMs: 400,
  blocksPerEpoch: 3750,
  confirmationBlocks: 3,
  pricePerSectorWei: 30_733_644_962n,
  releaseSeconds: 32_140_800,
  batchSubmitMax: 100,
};

export const PRESETS = { devnet: DEVNET, mainnet: MAINNET } as const;

/** Default ports (architecture section 1). */
export const PORTS = {
  nodeRpc: 5678,
  nodeAdmin: 5679,
  nodeP2p: 1234,
  indexer: 12345,
  chain: 8545,
} as const;
