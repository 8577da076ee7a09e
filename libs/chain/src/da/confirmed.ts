/* A confirmed blob found by what 0G's commitments name, from the log and calldata of the chain alone. */
import type { Hash32 } from '@cairn/base';
import { batchProof, blobKey, type Domain, epochStart, type Lookup } from '@cairn/quorum';
import type { Hex, PublicClient } from 'viem';
import { daEntranceAbi } from '../generated/da-entrance-abi.ts';
import { decodeConfirmInput } from './confirm-input.ts';
import type { DaContracts, DaParameters } from './types.ts';

export type ConfirmedAt = { commitment: Hash32; epoch: number; quorum: number };
export type FoundBlob =
  | { kind: 'found'; lookup: Lookup }
  /** `isFinal`: no block to come can change that. */
  | { kind: 'absent'; isFinal: boolean };

/** Epochs whose quorums may serve beyond their own, so that batches of one epoch are confirmed in the two after it. */
const CARRY_OVER = 2;
/** Blocks of one question for logs, as public endpoints allow. */
const PAGE_BLOCKS = 2000;

export async function findConfirmedBlob(
  client: Pick<PublicClient, 'getBlockNumber' | 'getLogs' | 'getTransaction'>,
  chain: { contracts: DaContracts; parameters: DaParameters },
  at: ConfirmedAt,
): Promise<FoundBlob> {
  const { contracts, parameters } = chain;
  const head = Number(await client.getBlockNumber());
  const first = epochStart(parameters, at.epoch);
  const last = epochStart(parameters, at.epoch + 1 + CARRY_OVER) + parameters.confirmBlocks;
  const event = daEntranceAbi.find(
    (entry) => entry.type === 'event' && entry.name === 'ErasureCommitmentVerified',
  );
  for (let from = first; from <= Math.min(last, head); from += PAGE_BLOCKS) {
    const logs = await client.getLogs({
      address: contracts.entrance,
      event: event as never,
      fromBlock: BigInt(from),
      toBlock: BigInt(Math.min(from + PAGE_BLOCKS - 1, last, head)),
    });
    for (const log of logs as { args?: unknown; transactionHash: Hex | null }[]) {
      const { dataRoot, epoch, quorumId } = (log.args ?? {}) as Record<string, unknown>;
      const isIt =
        dataRoot === at.commitment &&
        epoch === BigInt(at.epoch) &&
        quorumId === BigInt(at.quorum) &&
        log.transactionHash;
      if (!isIt) continue;
      const { input } = await client.getTransaction({ hash: log.transactionHash! });
      const entrance = { chainId: parameters.chainId, contract: contracts.entrance };
      const lookup = lookupOf(input, at.commitment, entrance);
      if (lookup) return { kind: 'found', lookup };
    }
  }
  return { kind: 'absent', isFinal: head > last };
}

/** The lookup of a blob in the calldata of `confirmBatch`; undefined for a call through another contract. */
function lookupOf(input: Hex, commitment: Hash32, entrance: Domain): Lookup | undefined {
  const call = decodeConfirmInput(input);
  const index = call?.headers.findIndex((header) => header.commitment === commitment) ?? -1;
  if (!call || index < 0) return undefined;
  const keys = call.headers.map((header) => blobKey(entrance, header));
  const { batch, headers } = call;
  return { batch, header: headers[index]!, index, siblings: batchProof(keys, index) };
}
