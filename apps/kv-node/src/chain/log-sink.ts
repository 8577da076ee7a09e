/*
 * Puts batches of watched streams into the queue as the log brings them, and undoes them when the chain reorganises. Each
 * call is one transaction. The sender is the signer of the transaction, asked from the chain: the event's own field is
 * whatever the submitter wrote.
 */
import { type Address, CodedError, type Hash32, type Logger } from '@cairn/base';
import type { BlockRef, ChainReader, LogSink, Submission } from '@cairn/chain';
import type { Kernels } from '@cairn/kernels';
import { parseTags } from '@cairn/kv';
import { submissionRoot } from '@cairn/merkle';
import type { KvState } from '../store/kv-state.ts';

export type KvLogSinkDeps = {
  state: KvState;
  reader: Pick<ChainReader, 'transactionSender'>;
  kernels: Kernels;
  log: Logger;
  /** There may be something to replay. */
  onPending: () => void;
  /** Every batch from `seq` on is undone. */
  onReverted: (seq: number) => void;
};

export class KvLogSink implements LogSink {
  readonly #deps: KvLogSinkDeps;

  constructor(deps: KvLogSinkDeps) {
    this.#deps = deps;
  }

  progress(): BlockRef | undefined {
    return this.#deps.state.log.progress();
  }

  previousBlock(number: number): BlockRef | undefined {
    return this.#deps.state.log.previousBlock(number);
  }

  nextSeq(): number | undefined {
    return this.#deps.state.log.nextSeq();
  }

  async apply(batch: { submissions: Submission[]; blocks: BlockRef[] }): Promise<void> {
    const { state, kernels, onPending } = this.#deps;
    const senders = new Map<Hash32, Address>();
    for (;;) {
      const batches = this.#watched(batch.submissions);
      await this.#askSenders(batches, senders);
      // A stream may have been added while the chain was asked: look again before anything is written.
      const found = this.#watched(batch.submissions);
      if (found.some(({ submission }) => !senders.has(submission.txHash))) continue;
      state.transaction(() => {
        const first = batch.submissions[0];
        if (first) state.log.noteFirstSeq(first.seq);
        for (const { submission, streamIds } of found)
          state.log.addPending({
            seq: submission.seq,
            root: submissionRoot(kernels, submission.nodes),
            size: submission.size,
            startSector: submission.startSector,
            txHash: submission.txHash,
            sender: senders.get(submission.txHash)!,
            streamIds,
            block: submission.blockNumber,
          });
        state.log.addBlocks(this.#withNextSeq(batch));
      });
      onPending();
      return;
    }
  }

  async revert(block: BlockRef | undefined): Promise<void> {
    const { state, log, onReverted } = this.#deps;
    const seq = state.transaction(() => {
      const from = state.log.revert(block?.number ?? -1);
      state.revertFrom(from);
      return from;
    });
    log.warn({ fromSeq: seq, toBlock: block?.number ?? null }, 'batches reverted');
    onReverted(seq);
  }

  /** Batches of which every stream is watched; the others are not of this node. */
  #watched(submissions: readonly Submission[]): { submission: Submission; streamIds: Hash32[] }[] {
    const { streams } = this.#deps.state;
    return submissions.flatMap((submission) => {
      const streamIds = parseTags(submission.tags);
      const isOurs =
        streamIds.length > 0 && streamIds.every((id) => streams.isWatchedAt(id, submission.seq));
      return isOurs ? [{ submission, streamIds }] : [];
    });
  }

  async #askSenders(
    batches: readonly { submission: Submission }[],
    senders: Map<Hash32, Address>,
  ): Promise<void> {
    const unknown = new Map(
      batches
        .filter(({ submission }) => !senders.has(submission.txHash))
        .map(({ submission }) => [submission.txHash, submission]),
    );
    await Promise.all(
      [...unknown.values()].map(async ({ txHash, blockHash }) => {
        const found = await this.#deps.reader.transactionSender(txHash);
        if (found?.blockHash !== blockHash)
          throw new CodedError({
            code: 'CHAIN_MOVED',
            kind: 'conflict',
            message: `transaction ${txHash} is not in block ${blockHash} any more`,
          });
        senders.set(txHash, found.sender);
      }),
    );
  }

  #withNextSeq(batch: {
    submissions: Submission[];
    blocks: BlockRef[];
  }): (BlockRef & { nextSeq: number })[] {
    let nextSeq = this.#deps.state.log.nextSeq() ?? 0;
    let at = 0;
    return batch.blocks.map((block) => {
      for (; at < batch.submissions.length; at++) {
        const submission = batch.submissions[at]!;
        if (submission.blockNumber > block.number) break;
        nextSeq = submission.seq + 1;
      }
      return { ...block, nextSeq };
    });
  }
}
