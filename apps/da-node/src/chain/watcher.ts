/*
 * Follows the log of the DA contracts: which blobs are paid for (from then on they oblige), which were rejected, and which
 * challenges are open against this operator. A pass is idempotent and begins a few blocks before the last one ended, so a
 * small reorg needs no undoing: a blob counts as confirmed once any branch confirmed it, which only keeps rows longer.
 */
import { type Address, errorMessage, type Hash32, type Logger } from '@cairn/base';
import type { TransactionSender } from '@cairn/chain';
import { answerCall, BlobAssignment, type DaChallengeOpened, type DaReader } from '@cairn/chain/da';
import { type Domain, hashToUint, hashWords } from '@cairn/quorum';
import type { RowServer } from '../blobs/serve.ts';
import type { BlobIndex } from '../store/blob-index.ts';
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
};

const OVERLAP_BLOCKS = 16;
const PAGE_BLOCKS = 500;
/** The piece is drawn from the hash of this block after the opening. */
const DRAW_DELAY_BLOCKS = 2;
const PRUNE_MAX = 256;
const LAST_BLOCK = 'lastBlock';

export class Watcher {
  readonly #deps: WatcherDeps;
  /** Challenges to answer, by id. */
  readonly #open = new Map<Hash32, DaChallengeOpened>();

  constructor(deps: WatcherDeps) {
    this.#deps = deps;
  }

  /** Challenges against this operator that are not answered yet. */
  get openChallenges(): number {
    return this.#open.size;
  }

  /** One pass: new events, answers that are due, rows whose time is over. */
  async step(signal: AbortSignal): Promise<void> {
    const { reader, index } = this.#deps;
    const [head, { genesisBlock }] = await Promise.all([reader.head(), reader.parameters()]);
    const last = Number(index.meta(LAST_BLOCK) ?? genesisBlock - 1);
    for (let from = Math.max(genesisBlock, last + 1 - OVERLAP_BLOCKS); from <= head.number; ) {
      signal.throwIfAborted();
      const to = Math.min(head.number, from + PAGE_BLOCKS - 1);
      await this.#take(from, to);
      index.setMeta(LAST_BLOCK, String(to));
      from = to + 1;
    }
    await this.#answerDue(head.number, signal);
    await this.#prune(head);
  }

  async #take(fromBlock: number, toBlock: number): Promise<void> {
    const { reader, index, files, operator } = this.#deps;
    for (const event of await reader.events({ fromBlock, toBlock })) {
      if (event.kind === 'charged') index.confirm(event.blobKey);
      else if (event.kind === 'rejected') {
        const blob = index.get(event.blobKey);
        if (!blob) continue;
        index.remove(event.blobKey);
        await files.remove(event.blobKey);
      } else if (event.kind === 'challenge') {
        if (event.operator === operator) this.#open.set(event.id, event);
      } else if (event.kind !== 'confirmed') this.#open.delete(event.id);
    }
  }

  async #answerDue(head: number, signal: AbortSignal): Promise<void> {
    const { log } = this.#deps;
    for (const [id, challenge] of this.#open) {
      if (head > challenge.deadline) {
        log.error(
          { challenge: id, blobKey: challenge.blobKey },
          'a challenge passed its deadline unanswered',
        );
        this.#open.delete(id);
      } else if (head > challenge.openedBlock + DRAW_DELAY_BLOCKS) {
        try {
          await this.#answer(challenge, signal);
          this.#open.delete(id);
        } catch (error) {
          signal.throwIfAborted();
          log.error(
            { challenge: id, blobKey: challenge.blobKey, error: errorMessage(error) },
            'a challenge could not be answered yet',
          );
        }
      }
    }
  }

  async #answer(challenge: DaChallengeOpened, signal: AbortSignal): Promise<void> {
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
    await sender.send(answerCall(reader.contracts, challenge.raw, proof), { signal });
    log.info({ challenge: id, blobKey, position }, 'challenge answered');
    onAnswered?.();
  }

  /** Drops rows after their expiry and what nobody confirmed; an open challenge keeps its blob. */
  async #prune(head: { number: number; timestamp: number }): Promise<void> {
    const { reader, index, files, log } = this.#deps;
    const { confirmBlocks } = await reader.parameters();
    const challenged = new Set([...this.#open.values()].map(({ blobKey }) => blobKey));
    const over = index.expired({
      expiryBefore: head.timestamp,
      // Late signers count until twice the window; a batch of ours cannot be confirmed after that.
      unconfirmedBefore: head.number - 2 * confirmBlocks,
      limit: PRUNE_MAX,
    });
    for (const { key, header, isConfirmed } of over) {
      if (challenged.has(key)) continue;
      if (!isConfirmed) index.noteLapse(header.account, header.epoch);
      index.remove(key);
      await files.remove(key);
      log.debug({ blobKey: key, isConfirmed }, 'rows dropped');
    }
  }
}
