import type { Address } from '@cairn/base';
import type { DaPreset } from '@cairn/protocol';

/** A service that the vault knows from its first block: who may slash for it, and at most how much of a stake per window. */
export type StakedService = { service: Address; slasher: Address; capBps: number };

/** Constructor arguments of StakeVault. Stake stays as long as the longest obligation of the DA service may need it. */
export function stakeVaultArguments(
  p: DaPreset,
  services: readonly StakedService[],
  admin: Address,
  timelock: bigint,
): unknown[] {
  const blocks =
    3 * p.epochBlocks +
    p.lookaheadBlocks +
    p.confirmBlocks +
    p.responseBlocks +
    p.correlationEpochs * p.epochBlocks;
  return [
    BigInt(p.unbondingSeconds),
    BigInt(p.retentionSeconds + blocks * p.blockSeconds),
    p.minimumStakeWei,
    BigInt(p.epochBlocks * p.blockSeconds),
    services.map(({ service }) => service),
    services.map(({ slasher, capBps }) => ({ slasher, capBps, effectiveFrom: 0 })),
    admin,
    timelock,
  ];
}
