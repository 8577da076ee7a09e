import { readFileSync } from 'node:fs';
import { type Address, CodedError, type Hex, parseAddress } from '@cairn/base';
import {
  type Abi,
  createPublicClient,
  createWalletClient,
  getContractAddress,
  http,
  keccak256,
} from 'viem';
import { privateKeyToAccount } from 'viem/accounts';
import type { StakedService } from './stake-vault.ts';

type Artifact = { abi: Abi; bytecode: Hex };

function artifact(name: string): Artifact {
  return JSON.parse(
    readFileSync(new URL(`../artifacts/${name}.json`, import.meta.url), 'utf8'),
  ) as Artifact;
}

export type Deployed = {
  chainId: number;
  /** Block before the first deployment. */
  block: number;
  addresses: Record<string, Address>;
  codeHashes: Record<string, string>;
};

/**
 * Deploys contracts one after the other, wired in their constructors: `argumentsOf` gets the addresses that all of them will
 * have, so there is no moment in which somebody else can initialise one. Throws `DEPLOY_FAILED`.
 */
export async function deployContracts(
  options: { rpcUrl: string; privateKey: Hex; log?: ((message: string) => void) | undefined },
  names: readonly string[],
  argumentsOf: (name: string, addressOf: (name: string) => Address, admin: Address) => unknown[],
): Promise<Deployed> {
  const account = privateKeyToAccount(options.privateKey);
  const transport = http(options.rpcUrl);
  const client = createPublicClient({ transport, pollingInterval: 50 });
  const wallet = createWalletClient({ account, transport });
  const chainId = await client.getChainId();
  const block = Number(await client.getBlockNumber());
  const nonce = await client.getTransactionCount({ address: account.address, blockTag: 'pending' });
  const addresses = Object.fromEntries(
    names.map((name, i) => [
      name,
      parseAddress(getContractAddress({ from: account.address, nonce: BigInt(nonce + i) })),
    ]),
  );
  const codeHashes: Record<string, string> = {};
  for (const [i, name] of names.entries()) {
    const { abi, bytecode } = artifact(name);
    const hash = await wallet.deployContract({
      abi,
      bytecode,
      args: argumentsOf(name, (other) => addresses[other]!, parseAddress(account.address)),
      chain: null,
      account,
      nonce: nonce + i,
    });
    const receipt = await client.waitForTransactionReceipt({ hash, timeout: 60_000 });
    const actual = receipt.contractAddress?.toLowerCase();
    if (receipt.status !== 'success' || actual !== addresses[name]) {
      throw new CodedError({
        code: 'DEPLOY_FAILED',
        kind: 'conflict',
        message: `deploying ${name} failed`,
        hint: 'the account sent another transaction meanwhile, or the chain lacks the Prague upgrade',
        details: { hash, expected: addresses[name], actual },
      });
    }
    codeHashes[name] = keccak256((await client.getCode({ address: addresses[name]! })) ?? '0x');
    options.log?.(`${name} at ${addresses[name]}`);
  }
  return { chainId, block, addresses, codeHashes };
}

/** Announces a service to a vault whose parameters the account may set. Throws `DEPLOY_FAILED`. */
export async function announceService(
  options: { rpcUrl: string; privateKey: Hex },
  stakeVault: Address,
  { service, slasher, capBps }: StakedService,
): Promise<void> {
  const account = privateKeyToAccount(options.privateKey);
  const transport = http(options.rpcUrl);
  const client = createPublicClient({ transport, pollingInterval: 50 });
  const hash = await createWalletClient({ account, transport }).writeContract({
    address: stakeVault,
    abi: artifact('StakeVault').abi,
    functionName: 'announceService',
    args: [service, slasher, capBps],
    chain: null,
    account,
  });
  const receipt = await client.waitForTransactionReceipt({ hash, timeout: 60_000 });
  if (receipt.status === 'success') return;
  throw new CodedError({
    code: 'DEPLOY_FAILED',
    kind: 'conflict',
    message: `the vault at ${stakeVault} did not take the service`,
    hint: 'the account may not set its parameters, or it knows the service already',
    details: { hash, service },
  });
}
