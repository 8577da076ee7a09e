import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Hex } from '@cairn/base';
import { createChainReader } from '@cairn/chain';
import { deployStorage } from '@cairn/contracts/deploy';
import { deployDa } from '@cairn/contracts/deploy-da';
import { DEVNET, type Deployment, deploymentSchema } from '@cairn/protocol';

/** Deploys everything, or finds what an earlier start deployed on the same chain state. Throws `DEPLOY_FAILED`. */
export async function deployOnce(
  dir: string,
  rpcUrl: string,
  privateKey: Hex,
): Promise<Deployment> {
  const path = join(dir, 'deployment.json');
  if (existsSync(path)) {
    const known = deploymentSchema.safeParse(JSON.parse(readFileSync(path, 'utf8')));
    if (
      known.success &&
      known.data.contracts.daEntrance &&
      (await createChainReader({ rpcUrl, flow: known.data.contracts.flow }).hasFlow())
    )
      return known.data;
    // The chain's state is gone, so what the nodes know of it is void.
    rmSync(join(dir, 'nodes'), { recursive: true, force: true });
  }
  const storage = await deployStorage({ rpcUrl, privateKey, preset: DEVNET });
  const da = await deployDa({
    ...{ rpcUrl, privateKey, parameters: DEVNET.da, timelockSeconds: 0 },
    stakeVault: storage.contracts.stakeVault,
  });
  const deployment: Deployment = {
    ...storage,
    contracts: { ...storage.contracts, ...da.contracts },
    codeHashes: { ...storage.codeHashes, ...da.codeHashes },
  };
  writeFileSync(path, `${JSON.stringify(deployment, null, 2)}\n`);
  return deployment;
}
