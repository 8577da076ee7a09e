import type { Hex } from '@cairn/base';
import type { Deployment, Preset } from '@cairn/protocol';
import { deployContracts } from './deploy-contracts.ts';
import { stakeVaultArguments } from './stake-vault.ts';

export type DeployOptions = {
  rpcUrl: string;
  /** Pays for the deployment and becomes admin of the roles. */
  privateKey: Hex;
  preset: Preset;
  /** Seconds between announcing a parameter and its effect. */
  timelockSeconds?: number;
  log?: (message: string) => void;
};

/**
 * Deploys ChunkRewards, FixedPriceMarket, Flow, StakeVault, StorageCustody and PoraMine. The vault knows PoraMine, which reserves
 * bonds and never slashes, and StorageCustody; `deployDa` announces further services to it. Throws `DEPLOY_FAILED`.
 */
export async function deployStorage(options: DeployOptions): Promise<Deployment> {
  const { preset } = options;
  const timelock = BigInt(options.timelockSeconds ?? (preset.name === 'devnet' ? 0 : 172_800));
  const { chainId, block, addresses, codeHashes } = await deployContracts(
    options,
    ['ChunkRewards', 'FixedPriceMarket', 'Flow', 'StakeVault', 'StorageCustody', 'PoraMine'],
    (name, at, admin) => {
      switch (name) {
        case 'ChunkRewards':
          return [
            at('FixedPriceMarket'),
            at('PoraMine'),
            BigInt(preset.releaseSeconds),
            admin,
            timelock,
          ];
        case 'FixedPriceMarket':
          return [preset.pricePerSectorWei, at('Flow'), at('ChunkRewards'), admin, timelock];
        case 'Flow':
          return [at('FixedPriceMarket'), BigInt(preset.blocksPerEpoch), 0n, admin, timelock];
        case 'StakeVault': {
          const mine = { service: at('PoraMine'), slasher: at('PoraMine'), capBps: 0 };
          const custody = {
            service: at('StorageCustody'),
            slasher: at('StorageCustody'),
            capBps: preset.custody.slashCapBps,
          };
          return stakeVaultArguments(preset.da, [mine, custody], admin, timelock);
        }
        case 'StorageCustody':
          return [
            {
              maxShards: BigInt(preset.mine.maxShards),
              maxReceiptSeconds: BigInt(preset.custody.maxReceiptSeconds),
              lockMarginSeconds: BigInt(preset.custody.lockMarginSeconds),
              responseBlocks: BigInt(preset.custody.responseBlocks),
              minBond: preset.custody.minBondWei,
              slashPerSector: preset.custody.slashPerSectorWei,
            },
            at('Flow'),
            at('StakeVault'),
          ];
        default:
          return [
            at('Flow'),
            at('ChunkRewards'),
            at('StakeVault'),
            preset.mine.idBondWei,
            preset.mine.difficulty,
            preset.mine,
            admin,
            timelock,
          ];
      }
    },
  );
  return {
    chainId,
    block,
    contracts: {
      flow: addresses.Flow!,
      market: addresses.FixedPriceMarket!,
      reward: addresses.ChunkRewards!,
      mine: addresses.PoraMine!,
      stakeVault: addresses.StakeVault!,
      storageCustody: addresses.StorageCustody!,
    },
    codeHashes,
  };
}
