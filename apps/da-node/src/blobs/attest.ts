/*
 * Signs batches. A signature is a promise to keep and serve rows until the batch's expiry, so it is given only for blobs whose
 * rows are durable here, in a quorum this node is a member of, near the head of the chain.
 */
import { CodedError, type Hash32, hexToBytes } from '@cairn/base';
import { type DaReader, servingQuorum } from '@cairn/chain/da';
import { attestMessage, type Batch, type Bls, batchRoot, type Domain } from '@cairn/quorum';
import type { BlobIndex } from '../store/blob-index.ts';
import type { RowFiles } from '../store/row-files.ts';

export type AttesterDeps = {
  reader: DaReader;
  index: Pick<BlobIndex, 'get' | 'touch'>;
  files: Pick<RowFiles, 'isWhole'>;
  /** Whether rows of a blob are known to be lost or damaged. */
  isLost: (key: Hash32) => boolean;
  bls: Bls;
  secretKey: Uint8Array;
  entrance: Domain;
};

/** How far ahead of our own head a reference block may be: another node saw the chain a little earlier. */
const AHEAD_BLOCKS = 2;

function refuse(reason: string, details: Record<string, unknown>): CodedError {
  return new CodedError({
    code: 'DA_BATCH_REFUSED',
    kind: 'invalid',
    message: `batch refused: ${reason}`,
    details: { reason, ...details },
  });
}

export class Attester {
  readonly #deps: AttesterDeps;

  constructor(deps: AttesterDeps) {
    this.#deps = deps;
  }

  /** Throws `DA_BATCH_REFUSED` (invalid) or `DA_ROWS_MISSING` (not_ready) with the blobs that are not here. */
  async sign(
    batch: Batch,
    keys: readonly Hash32[],
  ): Promise<{ member: number; signature: Uint8Array }> {
    const { reader, index, bls, secretKey, entrance } = this.#deps;
    if (keys.length !== batch.blobs || keys.length === 0 || batchRoot(keys) !== batch.root)
      throw refuse('the keys are not the batch', { blobs: batch.blobs, keys: keys.length });
    const [head, parameters] = await Promise.all([reader.head(), reader.parameters()]);
    const age = head.number - batch.referenceBlock;
    if (age >= parameters.confirmBlocks || age < -AHEAD_BLOCKS)
      throw refuse('reference block', { referenceBlock: batch.referenceBlock, head: head.number });
    await servingQuorum(reader, batch, Math.min(batch.referenceBlock, head.number));
    const areHere = await Promise.all(keys.map((key) => this.#isHere(key)));
    // Read again: from here to `touch` nothing waits, so that nothing is dropped in between.
    const blobs = keys.map((key) => index.get(key));
    const missing = keys.filter((_, i) => !blobs[i] || !areHere[i]);
    if (missing.length > 0)
      throw new CodedError({
        code: 'DA_ROWS_MISSING',
        kind: 'not_ready',
        message: `the rows of ${missing.length} of the batch's blobs are not here`,
        details: { missing },
      });
    for (const blob of blobs) {
      const { header } = blob!;
      if (
        header.epoch !== batch.epoch ||
        header.quorum !== batch.quorum ||
        header.expiry !== batch.expiry
      )
        throw refuse('a blob of another epoch, quorum or expiry', { blobKey: blob!.key });
    }
    index.touch(keys, batch.referenceBlock);
    const signature = bls.sign(secretKey, hexToBytes(attestMessage(entrance, batch)));
    return { member: blobs[0]!.member, signature };
  }

  async #isHere(key: Hash32): Promise<boolean> {
    const { index, files, isLost } = this.#deps;
    const blob = index.get(key);
    return blob !== undefined && !isLost(key) && (await files.isWhole(key, blob.bytes));
  }
}
