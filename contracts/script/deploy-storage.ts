import { readFileSync } from 'node:fs';
import { CodedError, type Hex, parseAddress } from '@cairn/base';
import type { Deployment, Preset } from '@cairn/protocol';
import {
  type Abi,
  type Account,
  createPublicClient,
  createWalletClient,
  getContractAddress,
  http,
  keccak256,
} from 'viem';
import { privateKeyToAccount } from 'viem/accounts';

export type DeployOptions = {
  rpcUrl: string;
  /** Pays for the deployment and becomes admin of the roles. */
  privateKey: Hex;
  preset: Preset;
  /** Seconds between announcing a parameter and its effect. */
  timelockSeconds?: number;
  log?: (message: string) => void;
};

type Artifact = { abi: Abi; bytecode: Hex };

function artifact(name: string): Artifact {
  return JSON.parse(
    readFileSync(new URL(`../artifacts/${name}.json`, import.meta.url), 'utf8'),
  ) as Artifact;
}

/**
 * Deploys ChunkRewards, FixedPriceMarket, Flow, IdBonds and PoraMine, wired in their constructors: each takes the address that
 * the next transactions of this account will create, so there is no moment in which somebody else can initialise one. The wiring
 * is read back at the end. Throws `DEPLOY_FAILED`.
 */
export async function deployStorage(options: DeployOptions): Promise<Deployment> {
  const account: Account = privateKeyToAccount(options.privateKey);
  const transport = http(options.rpcUrl);
  const publicClient = createPublicClient({ transport, pollingInterval: 50 });
  const wallet = createWalletClient({ account, transport });
  const chainId = await publicClient.getChainId();
  const block = Number(await publicClient.getBlockNumber());
  const nonce = await publicClient.getTransactionCount({
    address: account.address,
    blockTag: 'pending',
  });
  const [reward, market, flow, idBonds, mine] = [0, 1, 2, 3, 4].map((i) =>
    getContractAddress({ from: account.address, nonce: BigInt(nonce + i) }),
  );
  const timelock = BigInt(
    options.timelockSeconds ?? (options.preset.name === 'devnet' ? 0 : 172_800),
  );
  const { preset } = options;

  const deployments: [string, string, unknown[]][] = [
    [
      'ChunkRewards',
      reward!,
      [market, mine, BigInt(preset.releaseSeconds), account.address, timelock],
    ],
    [
      'FixedPriceMarket',
      market!,
      [preset.pricePerSectorWei, flow, reward, account.address, timelock],
    ],
    ['Flow', flow!, [market, BigInt(preset.blocksPerEpoch), 0n, account.address, timelock]],
    ['IdBonds', idBonds!, [mine, preset.mine.idBondWei]],
    [
      'PoraMine',
      mine!,
      [flow, reward, idBonds, preset.mine.difficulty, preset.mine, account.address, timelock],
    ],
  ];
  const codeHashes: Record<string, string> = {};
  for (const [i, [name, expected, args]] of deployments.entries()) {
    const { abi, bytecode } = artifact(name);
    const hash = await wallet.deployContract({
      abi,
      bytecode,
      args,
      chain: null,
      account,
      nonce: nonce + i,
    });
    const receipt = await publicClient.waitForTransactionReceipt({ hash, timeout: 60_000 });
    if (
      receipt.status !== 'success' ||
      receipt.contractAddress?.toLowerCase() !== expected.toLowerCase()
    ) {
      throw new CodedError({
        code: 'DEPLOY_FAILED',
        kind: 'conflict',
        message: `deploying ${name} failed`,
        hint: 'the account sent another transaction meanwhile, or the chain lacks the Prague upgrade',
        details: { hash, expected, actual: receipt.contractAddress },
      });
    }
    codeHashes[name] = keccak256(
      (await publicClient.getCode({ address: receipt.contractAddress })) ?? '0x',
    );
    options.log?.(`${name} at ${receipt.contractAddress}`);
  }
  return {
    chainId,
    block,
    contracts: {
      flow: parseAddress(flow),
      market: parseAddress(market),
      reward: parseAddress(reward),
      mine: parseAddress(mine),
      idBonds: parseAddress(idBonds),
    },
    codeHashes,
  };
}
