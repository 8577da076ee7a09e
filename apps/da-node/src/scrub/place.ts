import { BlobAssignment, type DaEpoch, type DaQuorum, type DaReader } from '@cairn/chain/da';
import type { Domain } from '@cairn/quorum';
import type { IndexedBlob } from '../store/blob-index.ts';

export type BlobPlace = {
  epoch: DaEpoch;
  quorum: DaQuorum;
  /** Rows the node answers for, ascending. */
  custody: readonly number[];
};

/** Where a blob's rows are, and which of them are ours; undefined when its epoch is not known. */
export async function placeOf(
  reader: Pick<DaReader, 'epoch'>,
  entrance: Domain,
  { header, member: index }: IndexedBlob,
): Promise<BlobPlace | undefined> {
  const epoch = await reader.epoch(header.epoch);
  const quorum = epoch?.quorums[header.quorum];
  const member = quorum?.members.find((one) => one.index === index);
  if (!epoch || !quorum || !member) return undefined;
  const { custody } = new BlobAssignment(entrance, epoch, quorum, header).rowsOf(member);
  return { epoch, quorum, custody };
}
