/* A confirmed blob found by what 0G's commitments name, from the log and calldata of the chain alone. */
import { type Hash32, parseAddress, parseHash32 } from '@cairn/base';
import { type BlobHeader, batchProof, blobKey, epochStart, type Lookup } from '@cairn/quorum';
import { decodeFunctionData, type Hex, type PublicClient } from 'viem';
import { daEntranceAbi } from '../generated/da-entrance-abi.ts';
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
      const lookup = lookupOf(input, { ...at, chainId: parameters.chainId, contracts });
      if (lookup) return { kind: 'found', lookup };
    }
  }
  return { kind: 'absent', isFinal: head > last };
}

type RawHeader = Omit<BlobHeader, 'expiry'> & { expiry: bigint };

/** The lookup of a blob in the calldata of `confirmBatch`; undefined for a call through another contract. */
function lookupOf(
  input: Hex,
  at: ConfirmedAt & { chainId: number; contracts: DaContracts },
): Lookup | undefined {
  let call: ReturnType<typeof decodeFunctionData<typeof daEntranceAbi>>;
  try {
    call = decodeFunctionData({ abi: daEntranceAbi, data: input });
  } catch {
    return undefined;
  }
  if (call.functionName !== 'confirmBatch') return undefined;
  const [{ batch }, raw] = call.args;
  const headers = (raw as readonly unknown[]).map((one): BlobHeader => {
    const header = one as RawHeader;
    return {
      ...header,
      commitment: parseHash32(header.commitment),
      account: parseAddress(header.account),
      disperser: parseAddress(header.disperser),
      expiry: Number(header.expiry),
    };
  });
  const index = headers.findIndex(({ commitment }) => commitment === at.commitment);
  const header = headers[index];
  if (!header) return undefined;
  const entrance = { chainId: at.chainId, contract: at.contracts.entrance };
  const keys = headers.map((one) => blobKey(entrance, one));
  return {
    batch: {
      ...batch,
      referenceBlock: Number(batch.referenceBlock),
      expiry: Number(batch.expiry),
      root: parseHash32(batch.root),
    },
    header,
    index,
    siblings: batchProof(keys, index),
  };
}
