import type { Address, Hex } from '@cairn/base';
import type { DaPreset } from '@cairn/protocol';
import { announceService, deployContracts } from './deploy-contracts.ts';
import { stakeVaultArguments } from './stake-vault.ts';

export type DeployDaOptions = {
  rpcUrl: string;
  /** Pays for the deployment and becomes admin of the roles. */
  privateKey: Hex;
  parameters: DaPreset;
  /** Seconds between announcing a parameter and its effect. */
  timelockSeconds: number;
  /** Gets the treasury's part of fees; the deployer by default. */
  treasury?: Address | undefined;
  /**
   * The vault that secures the service: the account announces the registry to it, which takes effect after the vault's timelock.
   * Without it a vault of the service's own is deployed.
   */
  stakeVault?: Address | undefined;
  log?: ((message: string) => void) | undefined;
};
export type DaDeployment = {
  block: number;
  contracts: {
    stakeVault: Address;
    daRegistry: Address;
    daEntrance: Address;
    daChallenges: Address;
    /** RollupVerifier. */
    nitroValidator: Address;
  };
  codeHashes: Record<string, string>;
};

/** Deploys DARegistry, DAEntrance, DAChallenges and RollupVerifier, and a StakeVault if none is given. Throws `DEPLOY_FAILED`. */
export async function deployDa(options: DeployDaOptions): Promise<DaDeployment> {
  const p = options.parameters;
  const timelock = BigInt(options.timelockSeconds);
  const given = options.stakeVault;
  const { block, addresses, codeHashes } = await deployContracts(
    options,
    [
      ...(given ? [] : ['StakeVault']),
      'DARegistry',
      'DAEntrance',
      'DAChallenges',
      'RollupVerifier',
    ],
    (name, at, admin) => {
      const vault = given ?? at('StakeVault');
      switch (name) {
        case 'StakeVault':
          return stakeVaultArguments(
            p,
            [{ service: at('DARegistry'), slasher: at('DAChallenges'), capBps: p.slashCapBps }],
            admin,
            timelock,
          );
        case 'DARegistry':
          return [p, vault, at('DAChallenges')];
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
        case 'RollupVerifier':
          return [at('DAEntrance')];
        default:
          return [p, vault, at('DARegistry'), at('DAEntrance')];
      }
    },
  );
  const contracts = {
    stakeVault: given ?? addresses.StakeVault!,
    daRegistry: addresses.DARegistry!,
    daEntrance: addresses.DAEntrance!,
    daChallenges: addresses.DAChallenges!,
    nitroValidator: addresses.RollupVerifier!,
  };
  if (given) {
    const { daRegistry: service, daChallenges: slasher } = contracts;
    await announceService(options, given, { service, slasher, capBps: p.slashCapBps });
  }
  return {
    block,
    contracts,
    codeHashes,
  };
}
