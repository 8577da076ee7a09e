/*
 * Finds the confirmation of a blob by its key, from the chain alone: the event names the transaction, whose input has every header
 * of the batch, so header, batch and the path of its leaf follow. Nobody has to be asked or believed.
 */
import { CodedError, type Hash32, parseHash32, positionFromBigint } from '@cairn/base';
import { batchProof, batchRoot, blobKey, type Domain, encodeLookup } from '@cairn/quorum';
import type { PublicClient } from 'viem';
import { daEntranceAbi } from '../generated/da-entrance-abi.ts';
import { decodeConfirmInput } from './confirm-input.ts';
import type { ConfirmedBlob } from './types.ts';

/** Blocks per log request; most endpoints refuse much more. */
const PAGE_BLOCKS = 5000;

const CHARGED = daEntranceAbi.find(
  (item): item is Extract<(typeof daEntranceAbi)[number], { type: 'event'; name: 'BlobCharged' }> =>
    item.type === 'event' && item.name === 'BlobCharged',
)!;
/**
 * Undefined when no block in [fromBlock, head] paid for it. Throws `CHAIN_BLOB_INDIRECT` (not_found) when another contract made the
 * confirmation, so that its input is not the batch.
 */
export async function findBlob(
  client: PublicClient,
  entrance: Domain,
  key: Hash32,
  fromBlock: number,
): Promise<ConfirmedBlob | undefined> {
  const head = positionFromBigint(await client.getBlockNumber());
  for (let end = head + 1; end > fromBlock; end -= PAGE_BLOCKS) {
    const [log] = await client.getLogs({
      address: entrance.contract,
      event: CHARGED,
      args: { blobKey: key },
      fromBlock: BigInt(Math.max(fromBlock, end - PAGE_BLOCKS)),
      toBlock: BigInt(end - 1),
    });
    if (!log?.transactionHash) continue;
    const { input, to } = await client.getTransaction({ hash: log.transactionHash });
    const batched = to?.toLowerCase() === entrance.contract ? decodeConfirmInput(input) : undefined;
    const keys = batched?.headers.map((header) => blobKey(entrance, header)) ?? [];
    const index = keys.indexOf(key);
    if (!batched || index < 0 || batchRoot(keys) !== batched.batch.root)
      throw new CodedError({
        code: 'CHAIN_BLOB_INDIRECT',
        kind: 'not_found',
        message: `blob ${key} was confirmed through another contract, whose input does not show its header`,
        hint: 'give the certificate instead of the key',
        details: { blobKey: key, transaction: log.transactionHash },
      });
    const header = batched.headers[index]!;
    const siblings = batchProof(keys, index);
    return {
      key,
      header,
      batch: batched.batch,
      absentees: batched.absentees,
      lookup: encodeLookup({ batch: batched.batch, header, index, siblings }),
      block: positionFromBigint(log.blockNumber ?? 0n),
      txHash: parseHash32(log.transactionHash),
    };
  }
  return undefined;
}
