/* Finds a blob by commitment, epoch and quorum: in the queue, or from the members under the header that the queue knows. */
import { CodedError, type Hash32, hexToBytes } from '@cairn/base';
import type { DaReader } from '@cairn/chain/da';
import type { Kernels } from '@cairn/kernels';
import { type Domain, decodeHeader } from '@cairn/quorum';
import { type MemberPool, retrieveBlob } from '@cairn/sdk/da';
import type { BlobQueue } from '../queue/blob-queue.ts';

export type RetrieverDeps = {
  queue: BlobQueue;
  reader: DaReader;
  members: MemberPool;
  kernels: Kernels;
  entrance: Domain;
};

export class Retriever {
  readonly #deps: RetrieverDeps;

  constructor(deps: RetrieverDeps) {
    this.#deps = deps;
  }

  /** Verified bytes. Throws `DISPERSER_BLOB_UNKNOWN` (not_found) or what reading from the members throws. */
  async retrieve(at: { commitment: Hash32; epoch: number; quorum: number }): Promise<Uint8Array> {
    const { queue, reader, members, kernels, entrance } = this.#deps;
    const blob = queue.byCommitment(hexToBytes(at.commitment));
    const header = blob?.header ? decodeHeader(new Uint8Array(blob.header)) : undefined;
    const isIt =
      header?.epoch === at.epoch &&
      header.quorum === at.quorum &&
      (blob?.state === 'CONFIRMED' || blob?.state === 'FINALIZED');
    if (!blob || !header || !isIt)
      throw new CodedError({
        code: 'DISPERSER_BLOB_UNKNOWN',
        kind: 'not_found',
        message: `no blob ${at.commitment} in quorum ${at.quorum} of epoch ${at.epoch} is known here`,
        details: at,
      });
    const kept = await queue.payload(blob).catch(() => undefined);
    if (kept) return kept;
    const epoch = await reader.epoch(header.epoch);
    const quorum = epoch?.quorums[header.quorum];
    if (!epoch || !quorum)
      throw new CodedError({
        code: 'DISPERSER_BLOB_UNKNOWN',
        kind: 'not_found',
        message: `epoch ${header.epoch} is not known any more`,
      });
    return (await retrieveBlob({ members, kernels, entrance }, { epoch, quorum }, header)).payload;
  }
}
