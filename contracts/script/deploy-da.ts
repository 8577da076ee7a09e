import type { Address, Hex } from '@cairn/base';
import type { DaPreset } from '@cairn/protocol';
import { deployContracts } from './deploy-contracts.ts';

export type DeployDaOptions = {
  rpcUrl: string;
  /** Pays for the deployment and becomes admin of the roles. */
  privateKey: Hex;
  parameters: DaPreset;
  /** Seconds between announcing a parameter and its effect. */
  timelockSeconds: number;
  /** Gets the treasury's part of fees; the deployer by default. */
  treasury?: Address | undefined;
  log?: ((message: string) => void) | undefined;
};
export type DaDeployment = {
  block: number;
  contracts: {
    stakeVault: Address;
    daRegistry: Address;
    daEntrance: Address;
    daChallenges: Address;
  };
  codeHashes: Record<string, string>;
};

/** Deploys StakeVault, DARegistry, DAEntrance and DAChallenges. Throws `DEPLOY_FAILED`. */
export async function deployDa(options: DeployDaOptions): Promise<DaDeployment> {
  const p = options.parameters;
  const timelock = BigInt(options.timelockSeconds);
  const blocks =
    3 * p.epochBlocks +
    p.lookaheadBlocks +
    p.confirmBlocks +
    p.responseBlocks +
    p.correlationEpochs * p.epochBlocks;
  const requiredUnbonding = BigInt(p.retentionSeconds + blocks * p.blockSeconds);
  const { block, addresses, codeHashes } = await deployContracts(
    options,
    ['StakeVault', 'DARegistry', 'DAEntrance', 'DAChallenges'],
    (name, at, admin) => {
      switch (name) {
        case 'StakeVault':
          return [
            BigInt(p.unbondingSeconds),
            requiredUnbonding,
            p.minimumStakeWei,
            BigInt(p.epochBlocks),
            [at('DARegistry')],
            [{ slasher: at('DAChallenges'), capBps: p.slashCapBps, effectiveFrom: 0 }],
            admin,
            timelock,
          ];
        case 'DARegistry':
          return [p, at('StakeVault'), at('DAChallenges')];
        case 'DAEntrance':
          return [
            p,
            p.pricePerByteSecond,
            at('DARegistry'),
            at('DAChallenges'),
            options.treasury ?? admin,
            admin,
            timelock,
          ];
        default:
          return [p, at('StakeVault'), at('DARegistry'), at('DAEntrance')];
      }
    },
  );
  return {
    block,
    contracts: {
      stakeVault: addresses.StakeVault!,
      daRegistry: addresses.DARegistry!,
      daEntrance: addresses.DAEntrance!,
      daChallenges: addresses.DAChallenges!,
    },
    codeHashes,
  };
}
