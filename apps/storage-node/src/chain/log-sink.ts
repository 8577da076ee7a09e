/*
 * Applies the log to the database, and undoes it. Each call is one transaction, so a kill leaves the state before or
 * after it, never between. What follows from it (files that need nothing, equal roots, pooled segments) is done after
 * the commit and again at start, because it only derives from what is stored.
 */
import { CodedError, type DataRoot, type Logger } from '@cairn/base';
import type { BlockRef, ChainReader, LogSink, Submission } from '@cairn/chain';
import type { Kernels } from '@cairn/kernels';
import { segmentRootOf } from '@cairn/kernels';
import { segmentLeafCount, segmentSiblingsFromFlow, submissionRoot } from '@cairn/merkle';
import { BYTES_PER_SEGMENT } from '@cairn/protocol';
import type { SectorRange, SegmentStore } from '@cairn/store';
import { type Files, placeSegment, segmentsOf } from '../ingest/files.ts';
import type { Ingest } from '../ingest/ingest.ts';
import type { NodeDatabase } from '../store/node-database.ts';
import { STATE, type StoredSubmission } from '../store/submission-table.ts';

export type NodeLogSinkDeps = {
  database: NodeDatabase;
  segments: SegmentStore;
  files: Files;
  ingest: Ingest;
  kernels: Kernels;
  reader: ChainReader;
  log: Logger;
  /** The local flow root is not the chain's: nothing this node says can be trusted any more. */
  onDiverged: (error: CodedError) => void;
  /** The flow ends before `sector` again; what was there is forgotten. */
  onReverted?: ((sector: number) => Promise<void>) | undefined;
};

/** Times in a row that log and chain may disagree: one answer that was spoiled on its way does not end a node. */
const DISAGREEMENTS_MAX = 5;
/** Bytes of reverted files kept through a reorg, over all files. */
const KEPT_BYTES_MAX = 64 * 1024 * 1024;

export class NodeLogSink implements LogSink {
  readonly #deps: NodeLogSinkDeps;
  #disagreements = 0;

  constructor(deps: NodeLogSinkDeps) {
    this.#deps = deps;
  }

  progress(): BlockRef | undefined {
    return this.#deps.database.progress();
  }

  previousBlock(number: number): BlockRef | undefined {
    return this.#deps.database.previousBlock(number);
  }

  nextSeq(): number {
    return this.#deps.database.submissions.nextSeq;
  }

  async apply(batch: { submissions: Submission[]; blocks: BlockRef[] }): Promise<void> {
    const { database, kernels, log, reader } = this.#deps;
    const lengthBefore = database.flow.length;
    const added: StoredSubmission[] = [];
    const last = batch.submissions.at(-1);
    // Asked before anything is written, so that a log that is not the chain's leaves nothing behind.
    const flowRoot = last && (await reader.flowRootByTxSeq(last.seq));
    try {
      database.db.transaction(() => {
        for (const submission of batch.submissions) {
          const root = submissionRoot(kernels, submission.nodes);
          const { start, lengthAfter } = database.flow.append(submission.nodes);
          if (start !== submission.startSector)
            throw diverged(
              `submission ${submission.seq} is at sector ${submission.startSector} on chain and would be at ${start} here`,
            );
          added.push(database.submissions.insert(submission, root));
          database.parity.addIfParity(submission);
          database.addFlowRoot(database.flow.root(), submission.seq, lengthAfter);
        }
        if (last && database.flow.root() !== flowRoot)
          throw diverged(
            `after submission ${last.seq} the flow root is ${flowRoot} on chain and ${database.flow.root()} here`,
          );
        database.addBlocks(batch.blocks);
      })();
      this.#disagreements = 0;
    } catch (error) {
      database.nodes.forget();
      database.submissions.forget();
      database.flow.truncate(lengthBefore);
      if (last && error instanceof CodedError && error.code === 'NODE_DIVERGED')
        await this.#disagree(last, error);
      throw error;
    }
    for (const file of added) {
      log.debug({ txSeq: file.seq, root: file.root, bytes: file.size }, 'submission seen');
      await this.#settle(file);
    }
  }

  async revert(block: BlockRef | undefined): Promise<void> {
    const { database, segments, files, log } = this.#deps;
    const height = block?.number ?? -1;
    const undone = database.submissions.above(height);
    const first = undone[0];
    if (!first) {
      database.removeBlocksAbove(height);
      return;
    }
    await this.#keep(undone);
    const before = first.seq === 0 ? undefined : database.submissions.bySeq(first.seq - 1);
    // All of each file: on the way from one shard to another more is stored than the shard has.
    const ranges: SectorRange[] = undone.flatMap((file) =>
      Array.from({ length: segmentsOf(file).count }, (_, index) => placeSegment(file, index)),
    );
    const endSector = before?.endSector ?? 1;
    await segments.remove(ranges, () => {
      database.submissions.removeFrom(first.seq);
      database.parity.removeFrom(first.seq);
      database.removeFlowRootsFrom(first.seq);
      database.flow.truncate(endSector);
      database.removeBlocksAbove(height);
    });
    files.revert(first.seq);
    log.warn(
      { fromSeq: first.seq, submissions: undone.length, toBlock: height },
      'submissions reverted',
    );
    await this.#deps.onReverted?.(endSector);
  }

  /** At start: what a kill may have left undone. */
  async resume(): Promise<void> {
    for (const file of this.#deps.database.submissions.receiving()) await this.#settle(file);
  }

  async #settle(file: StoredSubmission): Promise<void> {
    try {
      await this.#deps.files.settle(file);
      if (this.#deps.database.submissions.bySeq(file.seq)?.state === STATE.receiving)
        await this.#deps.ingest.flushPool(file);
    } catch (error) {
      this.#deps.log.warn(
        { txSeq: file.seq, error: error instanceof Error ? error.message : String(error) },
        'could not settle a file yet',
      );
    }
  }

  /** Moves what we have of the files, whole or not, to the memory pool: most are mined again a moment later. */
  async #keep(undone: readonly StoredSubmission[]): Promise<void> {
    const { database, segments, files, ingest, kernels } = this.#deps;
    let kept = 0;
    for (const file of undone) {
      for (const index of files.required(file)) {
        if (!files.has(file, index)) continue;
        if (kept + BYTES_PER_SEGMENT > KEPT_BYTES_MAX) return;
        const place = placeSegment(file, index);
        const data = await segments.read(place.segmentIndex, place.startSector, place.endSector);
        const siblings = segmentSiblingsFromFlow(
          kernels,
          { size: file.size, startSector: file.startSector, index },
          (level, node) => database.flow.node(level, node),
        );
        if (!data || !siblings) continue;
        const segmentRoot = segmentRootOf(kernels, data, segmentLeafCount(file.size, index));
        try {
          ingest.keep(file.root as DataRoot, file.size, { index, data, segmentRoot, siblings });
          kept += data.length;
        } catch {
          return; // the pool is full: what does not fit is uploaded again
        }
      }
    }
  }

  /** Log and chain do not agree: a reorg in between, an answer that was spoiled, or the end of this node. */
  async #disagree(last: Submission, error: CodedError): Promise<void> {
    const block = await this.#deps.reader.block(last.blockNumber);
    if (block?.hash !== last.blockHash) return;
    if (++this.#disagreements >= DISAGREEMENTS_MAX) this.#deps.onDiverged(error);
  }
}

function diverged(reason: string): CodedError {
  return new CodedError({
    code: 'NODE_DIVERGED',
    kind: 'corrupt',
    message: `this node no longer agrees with the chain: ${reason}`,
    hint: 'start it with a fresh data folder; if it happens again, the contract is not the one this version knows',
  });
}
