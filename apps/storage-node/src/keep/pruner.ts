/*
 * Gives up submissions that nobody pays for any more: every 8 GiB range of the flow that they touch has a lease that ended, and was
 * not renewed for a while after (docs/adr/0014). Each range is asked for by itself: one that was renewed stays, wherever it lies among
 * others that ended. What a receipt binds stays until it binds no more.
 *
 * Time is the chain's. A chain whose newest block is far from our clock (an RPC that lies, a chain that stands) decides nothing.
 * Pruning is a transaction per file; the bytes go afterwards (keep/dropper.ts).
 */
import type { Clock, Logger } from '@cairn/base';
import type { LeaseReader } from '@cairn/chain';
import { SECTORS_PER_PRICING } from '@cairn/protocol';
import type { ReceiptTable } from '../custody/receipt-table.ts';
import type { NodeDatabase } from '../store/node-database.ts';
import { STATE, type StoredSubmission } from '../store/submission-table.ts';

export type PrunerDeps = {
  database: NodeDatabase;
  leases: LeaseReader;
  receipts: ReceiptTable;
  clock: Clock;
  log: Logger;
  onLooked?: (() => void) | undefined;
  onPruned?: ((file: StoredSubmission) => void) | undefined;
};
export type PrunerOptions = {
  /** How long after the end of its lease a range can still be renewed before it is given up. */
  graceSeconds: number;
  /** How far the chain's time may be from our clock. */
  skewSecondsMax: number;
};

/** Ranges asked for in one look (512 GiB); the next look goes on behind them. */
const RANGES_PER_LOOK = 64;
const PAGE_FILES = 64;

export class Pruner {
  readonly #deps: PrunerDeps;
  readonly #options: PrunerOptions;
  #nextRange = 0;
  #isSkewed = false;

  constructor(deps: PrunerDeps, options: PrunerOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** One look at some ranges; returns how many submissions were given up. */
  async step(signal: AbortSignal): Promise<number> {
    const { database, leases, log } = this.#deps;
    const time = await leases.time();
    if (!this.#isPlausible(time)) return 0;
    const rangeCount = Math.ceil(database.flow.length / SECTORS_PER_PRICING);
    if (this.#nextRange >= rangeCount) this.#nextRange = 0;
    const first = this.#nextRange;
    const count = Math.min(RANGES_PER_LOOK, rangeCount - first);
    const over = new Map<number, boolean>();
    await this.#look(over, first, count, time);
    let pruned = 0;
    for (let range = first; range < first + count; range++) {
      if (!over.get(range)) continue;
      pruned += await this.#pruneRange(range, over, time, signal);
    }
    this.#nextRange = first + count;
    this.#deps.onLooked?.();
    if (pruned > 0) log.info({ files: pruned, fromRange: first }, 'files without a lease pruned');
    return pruned;
  }

  #isPlausible(time: number): boolean {
    const { clock, log } = this.#deps;
    const skewSeconds = Math.abs(time - clock.now() / 1000);
    const isSkewed = skewSeconds > this.#options.skewSecondsMax;
    if (isSkewed && !this.#isSkewed)
      log.warn(
        { chainTime: time, skewSeconds: Math.round(skewSeconds) },
        'the chain and our clock disagree about the time: nothing is pruned',
      );
    this.#isSkewed = isSkewed;
    return !isSkewed;
  }

  /** Notes which of these ranges are given up. */
  async #look(
    over: Map<number, boolean>,
    first: number,
    count: number,
    time: number,
  ): Promise<void> {
    const ends = await this.#deps.leases.leaseEnds(first, count);
    for (const [i, end] of ends.entries())
      over.set(first + i, end !== 0 && end + this.#options.graceSeconds <= time);
  }

  async #pruneRange(
    range: number,
    over: Map<number, boolean>,
    time: number,
    signal: AbortSignal,
  ): Promise<number> {
    const { submissions } = this.#deps.database;
    const sectors = { start: range * SECTORS_PER_PRICING, end: (range + 1) * SECTORS_PER_PRICING };
    let pruned = 0;
    for (let after = sectors.start; ; ) {
      signal.throwIfAborted();
      const page = submissions.keptIn(sectors, after, PAGE_FILES);
      const last = page.at(-1);
      if (!last) return pruned;
      for (const file of page) {
        const rangesEnd = Math.ceil(file.endSector / SECTORS_PER_PRICING);
        const rangesStart = Math.floor(file.startSector / SECTORS_PER_PRICING);
        for (let at = rangesStart; at < rangesEnd; at++)
          if (!over.has(at)) await this.#look(over, at, 1, time);
        const touched = Array.from({ length: rangesEnd - rangesStart }, (_, i) => rangesStart + i);
        if (touched.every((at) => over.get(at)) && this.#prune(file, time)) pruned++;
      }
      after = last.endSector;
      await new Promise(setImmediate);
    }
  }

  /** Gives a file up unless a receipt binds it or a reorg moved it; nothing is awaited in between. */
  #prune(file: StoredSubmission, time: number): boolean {
    const { database, receipts } = this.#deps;
    const { submissions } = database;
    const now = submissions.bySeq(file.seq);
    const isSame = now?.txHash === file.txHash && now.startSector === file.startSector;
    if (!isSame || now.state === STATE.pruned || receipts.binds(file.seq, time)) return false;
    database.db.transaction(() => submissions.prune(file.seq))();
    this.#deps.onPruned?.(now);
    return true;
  }
}
