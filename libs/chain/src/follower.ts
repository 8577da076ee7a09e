/*
 * Follows `Submit` events in order, and undoes them when the chain reorganises.
 *
 * One step: read the head; if the last processed block is no longer on the chain, walk back through the blocks the sink
 * remembers to the last common one and revert to it. A head below what was processed, on the same chain as far as it goes, is
 * an endpoint that lags, not a reorganisation: it is waited for. Then read pages up to head - confirmations. Near the head every
 * header of a page is read and the parent hashes must chain from the last processed block; far behind only the last
 * header is, before and after the logs. Any inconsistency means that the chain moved while we read: the page is dropped
 * and read again. The sink is told in order, one call at a time, and owns durability: a kill between calls is safe.
 */
import { type Clock, CodedError, type Logger, Loop } from '@cairn/base';
import type { BlockHeader, BlockRef, ChainReader, Submission } from './types.ts';

/** What happens with the log; calls are awaited one by one. */
export interface LogSink {
  /** The last processed block, or undefined at the start. */
  progress(): BlockRef | undefined;
  /** The highest remembered block below `number`, for walking back. */
  previousBlock(number: number): BlockRef | undefined;
  /** The submission that must come next; undefined when the first one seen may be any. */
  nextSeq(): number | undefined;
  /** `blocks` ascend; the last one is the new progress. One atomic, durable step. */
  apply(batch: { submissions: Submission[]; blocks: BlockRef[] }): Promise<void>;
  /** Undoes everything above `block`; undefined means everything. One atomic, durable step. */
  revert(block: BlockRef | undefined): Promise<void>;
}

export type LogFollowerDeps = { reader: ChainReader; sink: LogSink; log: Logger; clock?: Clock };
export type LogFollowerOptions = {
  /** Block of the deployment. */
  startBlock: number;
  /** Blocks to stay behind the head. */
  confirmationBlocks: number;
  pollMs: number;
  /** Most blocks one eth_getLogs spans. */
  pageBlocks: number;
  /** The chain that is followed: an endpoint that turns to another one must not undo what was read of this. */
  chainId?: number | undefined;
};

/** Pages up to this long read every header. */
const CHAINED_PAGE_BLOCKS = 64;

export class LogFollower {
  readonly #deps: LogFollowerDeps;
  readonly #options: LogFollowerOptions;
  readonly #loop: Loop;
  #failing = false;
  #head = 0;

  constructor(deps: LogFollowerDeps, options: LogFollowerOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#loop = new Loop((signal) => this.#step(signal), {
      name: 'log follower',
      intervalMs: options.pollMs,
      onError: (error) => this.#report(error),
      ...(deps.clock ? { clock: deps.clock } : {}),
    });
  }

  /** Head of the chain as last seen. */
  get head(): number {
    return this.#head;
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  /** Runs one step now and resolves after it. */
  trigger(): Promise<void> {
    return this.#loop.trigger();
  }

  async #step(signal: AbortSignal): Promise<void> {
    const { reader, sink, log } = this.#deps;
    const head = await reader.head('latest');
    this.#head = head.number;
    if (this.#failing) {
      this.#failing = false;
      log.info({ head: head.number }, 'chain answers again');
    }
    await this.#undoReorg(head);
    const target = head.number - this.#options.confirmationBlocks;
    while (!signal.aborted) {
      const progress = sink.progress();
      const from = progress ? progress.number + 1 : this.#options.startBlock;
      if (from > target) return;
      const to = Math.min(target, from + this.#options.pageBlocks - 1);
      const isNear = to - from < CHAINED_PAGE_BLOCKS;
      const batch = isNear
        ? await this.#chainedPage(from, to, progress)
        : await this.#farPage(from, to);
      this.#checkOrder(batch.submissions);
      await sink.apply(batch);
    }
  }

  async #undoReorg(head: BlockHeader): Promise<void> {
    const { reader, sink, log } = this.#deps;
    const progress = sink.progress();
    if (!progress || (await this.#isLagging(head, progress))) return;
    let common: BlockRef | undefined = progress;
    let depth = 0;
    while (common) {
      const onChain = common.number > head.number ? undefined : await reader.block(common.number);
      if (onChain?.hash === common.hash) break;
      common = sink.previousBlock(common.number);
      depth++;
    }
    if (common === progress) return;
    await this.#confirm(progress);
    log.warn(
      { from: progress.number, to: common?.number ?? null, depth },
      'chain reorganised, reverting',
    );
    await sink.revert(common);
  }

  /** True when the endpoint has not seen all that was processed, and contradicts none of it. */
  async #isLagging(head: BlockHeader, progress: BlockRef): Promise<boolean> {
    if (head.number >= progress.number) return false;
    const { reader, sink } = this.#deps;
    const known = sink.previousBlock(head.number + 1);
    return known !== undefined && (await reader.block(known.number))?.hash === known.hash;
  }

  /**
   * Asks once more, in one request, whether it is our chain that no longer has the block: behind one address may be several
   * endpoints. Throws `CHAIN_WRONG_CHAIN_ID`, and `CHAIN_MOVED` when the block is there after all.
   */
  async #confirm(progress: BlockRef): Promise<void> {
    const { reader } = this.#deps;
    const wanted = this.#options.chainId;
    const [chainId, block] = await Promise.all([reader.chainId(), reader.block(progress.number)]);
    if (wanted !== undefined && chainId !== wanted) {
      throw new CodedError({
        code: 'CHAIN_WRONG_CHAIN_ID',
        kind: 'unavailable',
        message: `the chain RPC serves chain ${chainId} now, not ${wanted}`,
        hint: 'check where the RPC leads; nothing was undone',
        details: { chainId, wanted },
      });
    }
    if (block?.hash === progress.hash) throw moved(progress.number, progress.number);
  }

  async #chainedPage(
    from: number,
    to: number,
    progress: BlockRef | undefined,
  ): Promise<{ submissions: Submission[]; blocks: BlockRef[] }> {
    const { reader } = this.#deps;
    const numbers = Array.from({ length: to - from + 1 }, (_, i) => from + i);
    const [submissions, headers] = await Promise.all([
      reader.submissions({ fromBlock: from, toBlock: to }),
      Promise.all(numbers.map((number) => reader.block(number))),
    ]);
    const blocks: BlockRef[] = [];
    let parent = progress?.hash;
    for (const header of headers) {
      if (!header || (parent !== undefined && header.parentHash !== parent)) throw moved(from, to);
      blocks.push({ number: header.number, hash: header.hash });
      parent = header.hash;
    }
    for (const submission of submissions) {
      if (blocks[submission.blockNumber - from]?.hash !== submission.blockHash)
        throw moved(from, to);
    }
    return { submissions, blocks };
  }

  async #farPage(
    from: number,
    to: number,
  ): Promise<{ submissions: Submission[]; blocks: BlockRef[] }> {
    const { reader } = this.#deps;
    const before = await reader.block(to);
    const submissions = await reader.submissions({ fromBlock: from, toBlock: to });
    const after = await reader.block(to);
    if (!before || before.hash !== after?.hash) throw moved(from, to);
    const blocks = new Map(
      submissions.map((s) => [s.blockNumber, { number: s.blockNumber, hash: s.blockHash }]),
    );
    blocks.set(to, { number: to, hash: before.hash });
    return { submissions, blocks: [...blocks.values()].sort((a, b) => a.number - b.number) };
  }

  #checkOrder(submissions: Submission[]): void {
    let expected = this.#deps.sink.nextSeq();
    for (const { seq } of submissions) {
      if (expected !== undefined && seq !== expected) {
        throw new CodedError({
          code: 'CHAIN_LOG_GAP',
          kind: 'conflict',
          message: `the RPC gave submission ${seq} where ${expected} must come`,
          hint: 'the RPC drops logs, or the start block is after the deployment',
          details: { seq, expected },
        });
      }
      expected = seq + 1;
    }
  }

  #report(error: unknown): void {
    if (error instanceof CodedError && error.code === 'CHAIN_MOVED') return;
    const { log } = this.#deps;
    const fields = {
      error: error instanceof Error ? error.message : String(error),
      code: error instanceof CodedError ? error.code : undefined,
    };
    if (this.#failing) log.debug(fields, 'log sync step failed');
    else log.warn(fields, 'log sync step failed, retrying');
    this.#failing = true;
  }
}

function moved(from: number, to: number): CodedError {
  return new CodedError({
    code: 'CHAIN_MOVED',
    kind: 'conflict',
    message: `blocks ${from} to ${to} changed while they were read`,
  });
}
