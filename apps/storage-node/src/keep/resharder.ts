/*
 * Keeps the node under its limit: halves its shard when the limit is near, doubles it when there is room again (docs/adr/0014).
 *
 *   split   one transaction: the shard is the half from now on → peers are greeted, miners told → what is outside goes, slowly
 *   merge   one transaction: the parent is wanted → files are widened from peers, while the shard that is answered for stays →
 *           when all is here, one transaction: the parent is answered for → peers are greeted, miners told
 *
 * So what is announced is always here, and a kill at any point leaves a state from which the next start goes on.
 */
import { forEachLimit, type Logger, type RandomSource } from '@cairn/base';
import { type ShardConfig, shardName, siblingOfShard } from '@cairn/protocol';
import type { SegmentStore } from '@cairn/store';
import type { ReceiptTable } from '../custody/receipt-table.ts';
import { type Files, fileTouches } from '../ingest/files.ts';
import type { NodeDatabase } from '../store/node-database.ts';
import { STATE, type StoredSubmission } from '../store/submission-table.ts';
import { halfToKeep, isMergeDue, isSplitDue } from './policy.ts';
import type { ShardState } from './shards.ts';

export type ResharderDeps = {
  database: NodeDatabase;
  segments: SegmentStore;
  files: Files;
  shards: ShardState;
  receipts: ReceiptTable;
  /** Time of the newest block, Unix seconds. */
  chainTime: () => Promise<number>;
  /** Shards of the peers that are connected. */
  peerShards: () => ShardConfig[];
  /** Fetches what is wanted of a finalized file; resolves when it ended, well or not. */
  widen: (file: StoredSubmission, signal: AbortSignal) => Promise<void>;
  /** The shard that is answered for changed: tells peers and miners. */
  onChanged: () => Promise<void>;
  random: RandomSource;
  log: Logger;
};
export type ResharderOptions = {
  /** Most segments to keep. */
  limitSegments: number;
  /** Finest division: the chain counts no more shards. */
  shardsMax: number;
  /** Files widened at once. */
  filesMax: number;
};

const PAGE_FILES = 64;
/** Files that were open when a merge passed them, to look at again; more, and the merge starts over. */
const PASSED_OPEN_MAX = 65_536;

export class Resharder {
  readonly #deps: ResharderDeps;
  readonly #options: ResharderOptions;
  /** Where the merge is in the log, and which open files it passed. A restart begins with the first file again. */
  #mergeNext = 0;
  readonly #passedOpen = new Set<number>();
  #isHeldBack = false;
  /** Refusals of the store when last looked. */
  #refusals = 0;
  /** What was kept when the store refused something: merging to as much again would only lead back here. */
  #roomSegments = Number.POSITIVE_INFINITY;

  constructor(deps: ResharderDeps, options: ResharderOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** True while the shard should be halved and receipts are in the way: new ones would keep it so. */
  get isHeldBack(): boolean {
    return this.#isHeldBack;
  }

  /** One look, when nothing is left to drop. */
  async step(signal: AbortSignal): Promise<void> {
    const { shards, segments } = this.#deps;
    const usage = { segments: segments.segmentCount, limit: this.#options.limitSegments };
    // What is refused may need more room at once than is left between the mark and the limit.
    const isRefused = segments.limitRefusals !== this.#refusals;
    this.#refusals = segments.limitRefusals;
    if (isRefused) this.#roomSegments = Math.min(this.#roomSegments, usage.segments);
    if (isSplitDue(usage) || isRefused) {
      if (shards.isMerging) await this.#cancelMerge();
      else await this.#split();
      return;
    }
    this.#isHeldBack = false;
    const room = { ...usage, limit: Math.min(usage.limit, this.#roomSegments) };
    if (!shards.isMerging && shards.canMerge && isMergeDue(room)) await this.#beginMerge();
    if (shards.isMerging) await this.#fill(signal);
  }

  async #split(): Promise<void> {
    const { shards, receipts, database, random, log, segments } = this.#deps;
    const from = shards.current;
    if (from.numShard * 2 > this.#options.shardsMax) return;
    const time = await this.#deps.chainTime();
    // From here to the transaction nothing is awaited: no receipt can come in between.
    const bound = receipts
      .boundSeqs(time)
      .map((seq) => database.submissions.bySeq(seq))
      .filter((file) => file !== undefined);
    const half = halfToKeep(from, {
      isBound: (one) => bound.some((file) => fileTouches(file, one)),
      peers: this.#deps.peerShards(),
      draw: random.next(),
    });
    if (half === undefined) {
      if (!this.#isHeldBack)
        log.warn(
          { shard: shardName(from), receipts: bound.length },
          'the limit is near and receipts bind both halves of the shard: it is halved when one is free',
        );
      this.#isHeldBack = true;
      return;
    }
    shards.split(half);
    this.#isHeldBack = false;
    log.info(
      {
        from: shardName(from),
        to: shardName(shards.current),
        segments: segments.segmentCount,
        limit: this.#options.limitSegments,
      },
      'shard halved: the limit is near',
    );
    await this.#changed();
  }

  /** Tells everybody before the files are looked through, which may take a while. */
  async #changed(): Promise<void> {
    const settled = this.#deps.files.resharded();
    await this.#deps.onChanged();
    await settled;
  }

  /* ------------------------------------------------- merging ------------------------------------------------- */

  async #beginMerge(): Promise<void> {
    const { shards, files, log } = this.#deps;
    shards.beginMerge();
    log.info(
      { from: shardName(shards.current), to: shardName(shards.wanted) },
      'there is room: the other half of the shard is fetched',
    );
    this.#restart();
    await files.resharded();
  }

  async #cancelMerge(): Promise<void> {
    const { shards, files, log } = this.#deps;
    shards.cancelMerge();
    this.#restart();
    log.info({ shard: shardName(shards.current) }, 'the limit is near: the merge is given up');
    await files.resharded();
  }

  #restart(): void {
    this.#mergeNext = 0;
    this.#passedOpen.clear();
  }

  /** Widens finalized files in the order of the log; ends the merge behind the last one. */
  async #fill(signal: AbortSignal): Promise<void> {
    const { database, files } = this.#deps;
    const sibling = siblingOfShard(this.#deps.shards.current);
    for (;;) {
      signal.throwIfAborted();
      const page = database.submissions.keptFrom(this.#mergeNext, PAGE_FILES);
      const last = page.at(-1);
      if (last === undefined) break;
      const touched = page.filter((file) => fileTouches(file, sibling));
      for (const file of touched)
        if (file.state === STATE.receiving) this.#passedOpen.add(file.seq);
      if (this.#passedOpen.size > PASSED_OPEN_MAX) return this.#restart();
      const short = touched.filter(
        (file) => file.state === STATE.finalized && files.missing(file).size > 0,
      );
      await forEachLimit(short, { limit: this.#options.filesMax, signal }, (file, within) =>
        this.#deps.widen(file, within),
      );
      // Who has it may come later; the limit is looked at in between.
      if (short.some((file) => files.isCurrent(file) && files.missing(file).size > 0)) return;
      this.#mergeNext = last.seq + 1;
      if (this.#isFull()) return;
    }
    await this.#finishMerge();
  }

  #isFull(): boolean {
    const { segments } = this.#deps;
    return isSplitDue({
      segments: segments.segmentCount,
      limit: this.#options.limitSegments,
    });
  }

  async #finishMerge(): Promise<void> {
    const { shards, files, database, log } = this.#deps;
    const { submissions } = database;
    const from = shards.current;
    shards.finishMerge(() => {
      // Finalized for the half since it was passed: it is open again for the whole.
      for (const seq of this.#passedOpen) {
        const file = submissions.bySeq(seq);
        if (file?.state === STATE.finalized && files.missing(file).size > 0)
          submissions.setState(seq, STATE.receiving);
      }
    });
    this.#restart();
    log.info({ from: shardName(from), to: shardName(shards.current) }, 'shard doubled');
    await this.#changed();
  }
}
