/*
 * Answers challenges of our receipts: finds them in the log, waits for the draw, proves the sector under the receipt's flow root. A
 * pass is idempotent and begins some blocks before the last one ended, so a reorg or a restart needs no undoing. Nothing is remembered as
 * done: a reorg may drop our answer, or open the same challenge again in another block. What is closed costs one call a pass until
 * the overlap has moved past it.
 */
import { CodedError, errorMessage, type Hash32, type Logger } from '@cairn/base';
import type { TransactionSender } from '@cairn/chain';
import {
  answerChallengeCall,
  type CustodyChallenge,
  type CustodyReader,
} from '@cairn/chain/custody';
import type { Reader } from '../serve/reader.ts';
import type { NodeDatabase } from '../store/node-database.ts';

export type ChallengesDeps = {
  reader: CustodyReader;
  sender: TransactionSender;
  database: NodeDatabase;
  serve: Reader;
  log: Logger;
  onAnswered?: (() => void) | undefined;
  onMissed?: (() => void) | undefined;
};
export type ChallengesOptions = { startBlock: number; pageBlocks: number };

/** Deeper than a reorg, and further back than a stop usually is long. */
const OVERLAP_BLOCKS = 64;
/** Challenges kept to answer; more are found again in a later pass. */
const OPEN_MAX = 1024;
const LAST_BLOCK = 'custody_block';

export class Challenges {
  readonly #deps: ChallengesDeps;
  readonly #options: ChallengesOptions;
  readonly #open = new Map<Hash32, CustodyChallenge>();
  /** Past their deadline, told once. */
  readonly #missed = new Set<Hash32>();

  constructor(deps: ChallengesDeps, options: ChallengesOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Challenges of ours that are not answered yet. */
  get openCount(): number {
    return this.#open.size;
  }

  /** One pass. */
  async step(signal: AbortSignal): Promise<void> {
    const { reader, sender, database } = this.#deps;
    const { startBlock, pageBlocks } = this.#options;
    const head = (await reader.head()).number;
    const last = Number(database.meta(LAST_BLOCK) ?? startBlock - 1);
    for (let from = Math.max(startBlock, last + 1 - OVERLAP_BLOCKS); from <= head; ) {
      signal.throwIfAborted();
      const to = Math.min(head, from + pageBlocks - 1);
      const range = { fromBlock: from, toBlock: to, provider: sender.address };
      for (const challenge of await reader.opened(range)) {
        // Stopping here keeps the page for the next pass.
        if (this.#open.size >= OPEN_MAX) return this.#answerDue(head, signal);
        this.#open.set(challenge.id, challenge);
      }
      if (to > last) database.setMeta(LAST_BLOCK, String(to));
      from = to + 1;
    }
    await this.#answerDue(head, signal);
  }

  async #answerDue(head: number, signal: AbortSignal): Promise<void> {
    const { reader, log, onMissed } = this.#deps;
    for (const [id, challenge] of this.#open) {
      const about = { challenge: id, txSeq: challenge.receipt.txSeq };
      try {
        if (!(await reader.isOpen(id))) {
          this.#open.delete(id); // answered, by us or another, or gone with a reorg
        } else if (head >= challenge.deadline) {
          this.#open.delete(id);
          if (this.#missed.has(id)) continue;
          if (this.#missed.size >= OPEN_MAX) this.#missed.clear();
          this.#missed.add(id);
          log.error(about, 'a challenge passed its deadline unanswered: stake will be slashed');
          onMissed?.();
        } else if (await this.#answer(challenge, signal)) this.#open.delete(id);
      } catch (error) {
        signal.throwIfAborted();
        log.error(
          { ...about, error: errorMessage(error) },
          'a challenge could not be answered yet',
        );
      }
    }
  }

  /** False while the sector is not drawn. Throws when it is not here. */
  async #answer(challenge: CustodyChallenge, signal: AbortSignal): Promise<boolean> {
    const { reader, sender, serve, log, onAnswered } = this.#deps;
    const sector = await reader.sectorOf(challenge);
    if (sector === undefined) return false;
    const { txSeq, flowRoot, startPos, dataRoot } = challenge.receipt;
    const file = serve.file(txSeq, true);
    const data =
      file?.root === dataRoot && file.startSector === startPos
        ? await serve.sectors(file, sector - startPos, sector - startPos + 1)
        : undefined;
    if (!data)
      throw new CodedError({
        code: 'CUSTODY_LOST',
        kind: 'corrupt',
        message: `sector ${sector} of submission ${txSeq} is not stored here`,
      });
    const { lemma } = await serve.sectorProof(sector, flowRoot);
    const path = lemma.slice(1, -1);
    await sender.send(answerChallengeCall(reader.contract, challenge, data, path), { signal });
    log.info({ challenge: challenge.id, txSeq, sector }, 'challenge answered');
    onAnswered?.();
    return true;
  }
}
