/*
 * Follows the log of the DA contracts: which blobs are paid for (from then on they oblige) and which challenges are open against
 * this operator. A pass is idempotent and begins some blocks before the last one ended, more of them when the newest block it saw is
 * gone, so a small reorg needs no undoing: a blob counts as confirmed once any branch confirmed it, which only keeps rows longer. A
 * blob that a batch was rejected for is kept like any other: it may be confirmed and paid for in another batch, before or after.
 *
 * A challenge is remembered from its opening until its end is final, over restarts and reorgs: forgetting one costs stake.
 */
import {
  type Address,
  errorMessage,
  forEachLimit,
  type Hash32,
  isCodedError,
  type Logger,
} from '@cairn/base';
import type { TransactionSender } from '@cairn/chain';
import {
  answerCall,
  BlobAssignment,
  type DaBlock,
  type DaChallengeOpened,
  type DaReader,
} from '@cairn/chain/da';
import { type Domain, epochAt, hashToUint, hashWords } from '@cairn/quorum';
import type { RowServer } from '../blobs/serve.ts';
import type { BlobIndex, ExpiryLimits } from '../store/blob-index.ts';
import type { RowFiles } from '../store/row-files.ts';

export type WatcherDeps = {
  reader: DaReader;
  sender: TransactionSender;
  index: BlobIndex;
  files: RowFiles;
  rows: RowServer;
  entrance: Domain;
  operator: Address;
  log: Logger;
  onAnswered?: (() => void) | undefined;
  /** A challenge asks for a row that is not here, or damaged. */
  onLost?: ((blobKey: Hash32) => void) | undefined;
};

/** Read again after a reorg or a restart. */
const OVERLAP_BLOCKS = 16;
/** Read again otherwise: a provider's logs may be behind its newest block for a moment. */
const LAG_BLOCKS = 3;
const PAGE_BLOCKS = 500;
/** The piece is drawn from the hash of this block after the opening. */
const DRAW_DELAY_BLOCKS = 2;
const PRUNE_MAX = 256;
/** A challenge may be opened until expiry; rows outlive the newest block that could hold one by this. */
const EXPIRY_GRACE_SECONDS = 60;
/** Answers on their way at once: more than the ten or so that deadlines let into one block. */
const ANSWERS_MAX = 16;
const LAST_BLOCK = 'lastBlock';

export class Watcher {
  readonly #deps: WatcherDeps;
  /** Challenges to answer, by id. */
  readonly #open = new Map<Hash32, DaChallengeOpened>();
  /** Those that ended in a block that is not final yet. */
  readonly #closed = new Map<Hash32, { challenge: DaChallengeOpened; block: number }>();
  /** Challenges whose failure to be answered was logged. */
  readonly #complained = new Set<Hash32>();
  #isCaughtUp = false;
  #watchedBlock = -1;
  /** Newest block whose events are in. */
  #last: DaBlock | undefined;

  constructor(deps: WatcherDeps) {
    this.#deps = deps;
  }

  /** Challenges against this operator that are not answered yet. */
  get openChallenges(): number {
    return this.#open.size;
  }

  /** Newest block that a whole pass has dealt with. */
  get watchedBlock(): number {
    return this.#watchedBlock;
  }

  /** One pass: new events, answers that are due, rows whose time is over. */
  async step(signal: AbortSignal): Promise<void> {
    const head = await this.#deps.reader.head();
    if (head.hash !== this.#last?.hash) await this.#follow(head, signal);
    await this.#answerDue(head.number, signal);
    await this.#settleClosed();
    await this.#prune(head);
    this.#watchedBlock = head.number;
  }

  /** Takes what happened since the last pass. */
  async #follow(head: DaBlock, signal: AbortSignal): Promise<void> {
    const { reader, index } = this.#deps;
    const { genesisBlock } = await reader.parameters();
    const last = Number(index.meta(LAST_BLOCK) ?? genesisBlock - 1);
    const overlap = (await this.#isStill(this.#last)) ? LAG_BLOCKS : OVERLAP_BLOCKS;
    let from = Math.max(genesisBlock, last + 1 - overlap);
    if (!this.#isCaughtUp) from = Math.min(from, index.oldestChallenge() ?? from);
    while (from <= head.number) {
      signal.throwIfAborted();
      const to = Math.min(head.number, from + PAGE_BLOCKS - 1);
      await this.#take(from, to);
      index.setMeta(LAST_BLOCK, String(Math.max(last, to)));
      from = to + 1;
    }
    this.#isCaughtUp = true;
    this.#last = head;
  }

  /** Whether the chain still has a block that was its newest. */
  async #isStill(block: DaBlock | undefined): Promise<boolean> {
    return (
      block !== undefined && (await this.#deps.reader.block(block.number))?.hash === block.hash
    );
  }

  async #take(fromBlock: number, toBlock: number): Promise<void> {
    const { reader, index, operator } = this.#deps;
    for (const event of await reader.events({ fromBlock, toBlock })) {
      if (event.kind === 'charged') index.confirm(event.blobKey);
      else if (event.kind === 'challenge' && event.operator === operator) {
        index.noteChallenge(event.id, event.blobKey, event.block);
        this.#closed.delete(event.id);
        this.#open.set(event.id, event);
      } else if (event.kind === 'answered' || event.kind === 'failed')
        this.#close(event.id, event.block);
    }
  }

  #close(id: Hash32, block: number): void {
    const challenge = this.#open.get(id);
    if (!challenge) return;
    this.#open.delete(id);
    this.#complained.delete(id);
    this.#closed.set(id, { challenge, block });
  }

  async #answerDue(head: number, signal: AbortSignal): Promise<void> {
    const { index, log } = this.#deps;
    for (const [id, { blobKey, deadline }] of this.#open) {
      if (head <= deadline) continue;
      log.error({ challenge: id, blobKey }, 'a challenge passed its deadline unanswered');
      this.#open.delete(id);
      this.#complained.delete(id);
      index.dropChallenge(id);
    }
    const due = [...this.#open.values()]
      .filter(({ openedBlock }) => head > openedBlock + DRAW_DELAY_BLOCKS)
      .sort((a, b) => a.deadline - b.deadline);
    await forEachLimit(due, { limit: ANSWERS_MAX, signal }, async (challenge) => {
      const { id, blobKey } = challenge;
      try {
        this.#close(id, await this.#answer(challenge, signal));
      } catch (error) {
        signal.throwIfAborted();
        if (isCodedError(error) && (error.kind === 'not_found' || error.kind === 'corrupt'))
          this.#deps.onLost?.(blobKey);
        if (this.#complained.has(id)) return;
        this.#complained.add(id);
        log.error(
          { challenge: id, blobKey, error: errorMessage(error) },
          'a challenge could not be answered yet, trying until its deadline',
        );
      }
    });
  }

  /** Block of the answer. */
  async #answer(challenge: DaChallengeOpened, signal: AbortSignal): Promise<number> {
    const { reader, sender, index, rows, entrance, log, onAnswered } = this.#deps;
    const { blobKey, id, position } = challenge;
    const header = index.get(blobKey)?.header;
    const block = await reader.block(challenge.openedBlock + DRAW_DELAY_BLOCKS);
    const epoch = header && (await reader.epoch(header.epoch));
    const quorum = epoch?.quorums[header?.quorum ?? 0];
    if (!header || !block || !epoch || !quorum) throw new Error('its rows are not here');
    const assignment = new BlobAssignment(entrance, epoch, quorum, header);
    const proof = await rows.piece(blobKey, assignment.rowAt(position), (count) =>
      Number(hashToUint(hashWords(block.hash, id)) % BigInt(count)),
    );
    const receipt = await sender.send(answerCall(reader.contracts, challenge.raw, proof), {
      signal,
    });
    log.info({ challenge: id, blobKey, position }, 'challenge answered');
    onAnswered?.();
    return Number(receipt.blockNumber);
  }

  /** Forgets challenges whose end is final; one whose answer a reorg took is open again. */
  async #settleClosed(): Promise<void> {
    const { reader, index } = this.#deps;
    if (this.#closed.size === 0) return;
    const final = await reader.finalized();
    for (const [id, { challenge, block }] of this.#closed) {
      if (block > final) continue;
      const isOpen = await reader.isChallengeOpen(id);
      this.#closed.delete(id);
      if (isOpen) this.#open.set(id, challenge);
      else index.dropChallenge(id);
    }
  }

  /** Drops rows after their expiry and what nobody confirmed; an open challenge keeps its blob. */
  async #prune(head: { number: number; timestamp: number }): Promise<void> {
    const { reader, index, files, log } = this.#deps;
    const parameters = await reader.parameters();
    const epoch = epochAt(parameters, head.number) ?? 0;
    const limits: ExpiryLimits = {
      expiryBefore: head.timestamp - EXPIRY_GRACE_SECONDS,
      // Late signers count until twice the window; a batch of ours cannot be confirmed after that.
      unconfirmedBefore: head.number - 2 * parameters.confirmBlocks,
    };
    for (const { key, header, isConfirmed } of index.expired({ ...limits, limit: PRUNE_MAX })) {
      // A signature may have been given while others were removed.
      if (!index.removeExpired(key, limits)) continue;
      if (!isConfirmed) index.noteLapse(header.account, epoch);
      await files.remove(key);
      log.debug({ blobKey: key, isConfirmed }, 'rows dropped');
    }
  }
}
