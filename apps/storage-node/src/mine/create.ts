import { availableParallelism } from 'node:os';
import { CodedError } from '@cairn/base';
import { createMineChain } from '@cairn/chain';
import type { ShardConfig } from '@cairn/protocol';
import type { NodeConfig } from '../config.ts';
import { MineControl } from './control.ts';
import { readMineKey } from './key.ts';
import type { MineServiceDeps } from './service.ts';

/** Mining as the settings ask for; undefined without a key. Throws `MINE_KEY`, `MINE_CONTRACT`. */
export function createMining(
  deps: Omit<MineServiceDeps, 'chain'>,
  config: NodeConfig,
  shard: () => ShardConfig,
): MineControl | undefined {
  if (config.mineKeyFile === undefined) return undefined;
  if (config.mineContractAddress === undefined) {
    throw new CodedError({
      code: 'MINE_CONTRACT',
      kind: 'invalid',
      message: 'mining needs the address of the PoraMine contract',
      hint: 'give --mine-contract-address',
    });
  }
  const chain = createMineChain({
    rpcUrl: config.chainRpcUrl,
    flow: config.flowAddress,
    mine: config.mineContractAddress,
    privateKey: readMineKey(config.mineKeyFile),
    pollMs: config.pollMs,
  });
  return new MineControl(
    { ...deps, chain },
    {
      dataDir: config.dataDir,
      segmentsPerVolume: config.segmentsPerVolume,
      shard,
      startBlock: config.startBlock,
      ids: config.mineIds,
      keepRaw: config.keepRaw,
      queryMs: config.mineQueryMs,
      replaceAfterMs: config.mineReplaceMs,
      cpuPercent: config.mineCpu,
      threads: config.mineThreads ?? availableParallelism(),
      backend: config.kernels,
    },
  );
}
