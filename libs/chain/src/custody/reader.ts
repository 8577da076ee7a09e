/* Reads StorageCustody, and of StakeVault what stands behind a receipt, through one JSON-RPC endpoint. */
import { type Address, isCodedError, parseAddress, positionFromBigint } from '@cairn/base';
import { receiptToAbi } from '@cairn/protocol';
import { concat, keccak256, zeroAddress } from 'viem';
import { flowAbi } from '../generated/flow-abi.ts';
import { stakeVaultAbi } from '../generated/stake-vault-abi.ts';
import { storageCustodyAbi } from '../generated/storage-custody-abi.ts';
import { openReadClient, type ReadClientOptions } from '../read-client.ts';
import { decodeSubmissions } from '../reader.ts';
import { challengeFromAbi, challengeToAbi } from './abi.ts';
import type { CustodyParameters, CustodyReader } from './types.ts';

export type CustodyReaderOptions = ReadClientOptions & { contract: Address };

const CLOSED = `0x${'00'.repeat(32)}`;

export function createCustodyReader(options: CustodyReaderOptions): CustodyReader {
  const { contract } = options;
  const { client, guard } = openReadClient(options);
  const custody = { address: contract, abi: storageCustodyAbi } as const;
  let known: Promise<CustodyParameters> | undefined;
  const readParameters = async (): Promise<CustodyParameters> => {
    const number = async (
      functionName: 'maxShards' | 'maxReceiptSeconds' | 'lockMarginSeconds',
    ): Promise<number> =>
      positionFromBigint(await client.readContract({ ...custody, functionName }));
    const [chainId, vault, maxShards, maxReceiptSeconds, lockMarginSeconds] = await Promise.all([
      client.getChainId(),
      client.readContract({ ...custody, functionName: 'vault' }),
      number('maxShards'),
      number('maxReceiptSeconds'),
      number('lockMarginSeconds'),
    ]);
    return {
      chainId,
      vault: parseAddress(vault),
      maxShards,
      maxReceiptSeconds,
      lockMarginSeconds,
    };
  };
  const parameters = (): Promise<CustodyParameters> => {
    known ??= guard(readParameters);
    known.catch(() => {
      known = undefined;
    });
    return known;
  };
  const isOpen = (id: `0x${string}`): Promise<boolean> =>
    guard(
      async () =>
        (await client.readContract({
          ...custody,
          functionName: 'challengeHash',
          args: [id],
        })) !== CLOSED,
    );
  return {
    contract,
    parameters,
    isOpen,
    head: () =>
      guard(async () => {
        const { number, timestamp } = await client.getBlock({ blockTag: 'latest' });
        return { number: Number(number), timestamp: Number(timestamp) };
      }),
    provider: async (provider) => {
      const { vault } = await parameters();
      const stake = { address: vault, abi: stakeVaultAbi } as const;
      return guard(async () => {
        const [signer, lock, stakeWei, isServing] = await Promise.all([
          client.readContract({ ...custody, functionName: 'signerOf', args: [provider] }),
          client.readContract({ ...custody, functionName: 'lockOf', args: [provider] }),
          client.readContract({ ...stake, functionName: 'stakeOf', args: [provider] }),
          client.readContract({ ...stake, functionName: 'isServing', args: [provider, contract] }),
        ]);
        return {
          signer: signer === zeroAddress ? undefined : parseAddress(signer),
          lockedUntil: positionFromBigint(lock),
          stakeWei,
          isServing,
        };
      });
    },
    checkReceipt: ({ receipt, signature }) =>
      guard(async () => {
        await client.readContract({
          ...custody,
          functionName: 'checkReceipt',
          args: [receiptToAbi(receipt), signature],
        });
      }),
    bondFor: (provider) =>
      guard(() => client.readContract({ ...custody, functionName: 'bondFor', args: [provider] })),
    submission: (txSeq, nodeRoots) =>
      guard(async () => {
        const flow = parseAddress(await client.readContract({ ...custody, functionName: 'flow' }));
        const logs = await client.getContractEvents({
          address: flow,
          abi: flowAbi,
          eventName: 'Submit',
          args: { identity: keccak256(concat(nodeRoots)) },
          fromBlock: 0n,
        });
        return decodeSubmissions(logs, flow).find(({ seq }) => seq === txSeq);
      }),
    opened: ({ fromBlock, toBlock, provider }) =>
      guard(async () => {
        const logs = await client.getContractEvents({
          ...custody,
          eventName: 'Opened',
          args: provider ? { provider } : {},
          fromBlock: BigInt(fromBlock),
          toBlock: BigInt(toBlock),
          strict: true,
        });
        return logs.map(({ args }) => challengeFromAbi(args.challenge));
      }),
    sectorOf: async (challenge) => {
      try {
        return await guard(async () =>
          positionFromBigint(
            await client.readContract({
              ...custody,
              functionName: 'sectorOf',
              args: [challengeToAbi(challenge)],
            }),
          ),
        );
      } catch (error) {
        if (isCodedError(error) && error.details.errorName === 'NotDrawnYet') return undefined;
        throw error;
      }
    },
    outcome: async (challenge) => {
      if (await isOpen(challenge.id)) return undefined;
      return guard(async () => {
        const range = { fromBlock: BigInt(challenge.openedBlock), args: { id: challenge.id } };
        const [failed] = await client.getContractEvents({
          ...custody,
          ...range,
          eventName: 'Failed',
          strict: true,
        });
        return failed ? { kind: 'failed', slashedWei: failed.args.slashed } : { kind: 'answered' };
      });
    },
  };
}
