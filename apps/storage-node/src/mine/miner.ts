/*
 * One miner id: watches the chain for work, keeps the search on it, turns hits into checked answers. Owns the id's sealed copy.
 *
 * Nothing here reads a wall clock: windows are counted in blocks, so a skewed clock changes nothing.
 */
import { errorMessage, type Hash32, isCodedError, type Logger, Loop } from '@cairn/base';
import type { ChainWork, MineChain, MineParameters } from '@cairn/chain';
import type { Kernels } from '@cairn/kernels';
import {
  buildAnswer,
  qualityThreshold,
  rangeOfShard,
  SECTORS_PER_LOAD,
  subtaskWindow,
  verifyAnswer,
} from '@cairn/pora';
import { EMPTY_HASH, SECTORS_PER_SEAL, type ShardConfig } from '@cairn/protocol';
import type { Reader } from '../serve/reader.ts';
import type { NodeDatabase } from '../store/node-database.ts';
import type { RawData } from './raw-data.ts';
import type { SealContexts } from './seal-contexts.ts';
import type { SealedData } from './sealed-data.ts';
import type { Sealer } from './sealer.ts';
import type { Search, SearchHit } from './search.ts';
import type { Submitter } from './submitter.ts';

export type MinerDeps = {
  minerId: Hash32;
  chain: MineChain;
  database: NodeDatabase;
  reader: Reader;
  raw: RawData;
  sealed: SealedData;
  contexts: SealContexts;
  sealer: Sealer;
  search: Search;
  submitter: Submitter;
  kernels: Kernels;
  log: Logger;
  onBadSeal: () => void;
};
export type MinerOptions = {
  /** What is mined now; `resharded` tells that it changed. */
  shard: () => ShardConfig;
  queryMs: number;
  parameters: MineParameters;
};

/** Why an id does not search now, for people. */
export type MinerState =
  | 'mining'
  | 'waiting for work'
  | 'paused by the contract'
  | 'not synced'
  | 'chain unreachable'
  | 'stopped';

/** Loads being read again at once because a search thread could not use them. */
const RECHECKS_MAX = 4;

export class Miner {
  readonly #deps: MinerDeps;
  readonly #options: MinerOptions;
  readonly #loop: Loop;
  #work: ChainWork | undefined;
  #state: MinerState = 'waiting for work';
  #startPosition = 0;
  #rechecks = 0;

  constructor(deps: MinerDeps, options: MinerOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#loop = new Loop(() => this.#watch(), {
      name: 'miner',
      intervalMs: options.queryMs,
      onError: (error) => {
        this.#idle(
          isCodedError(error, 'CHAIN_UNREACHABLE') ? 'chain unreachable' : 'waiting for work',
        );
        deps.log.warn({ error: errorMessage(error) }, 'no work from the chain');
      },
    });
  }

  get minerId(): Hash32 {
    return this.#deps.minerId;
  }

  get state(): MinerState {
    return this.#state;
  }

  get work(): ChainWork | undefined {
    return this.#work;
  }

  /** Chance of one hashed seal, or 0 without work. */
  get threshold(): bigint {
    if (!this.#work || this.#work.poraTarget === 0n) return 0n;
    const { context, poraTarget } = this.#work;
    const range = rangeOfShard(this.#options.shard(), context.flowLength, this.#startPosition);
    return qualityThreshold(poraTarget, range, context.flowLength);
  }

  start(): void {
    this.#deps.sealer.start();
    this.#loop.start();
  }

  async stop(): Promise<void> {
    await this.#loop.stop();
    this.#idle('stopped');
    await this.#deps.sealer.stop();
  }

  /** First sector of the window of a flow beyond 8 TiB per shard; a multiple of 8 GiB. */
  setStartPosition(position: number): void {
    this.#startPosition = position;
    this.#work = undefined;
    void this.#loop.trigger();
  }

  /** Loads outside of the shard are no longer recalled: the search begins again with the new range. */
  resharded(): void {
    this.#idle('waiting for work');
    void this.#loop.trigger();
  }

  /** A reorg moved everything from `sector` on. The search stops at once. */
  async reverted(sector: number): Promise<void> {
    this.#idle('not synced');
    await this.#deps.sealer.reset(sector);
  }

  async #watch(): Promise<void> {
    const { chain, contexts, sealer, log, minerId } = this.#deps;
    const before = this.#work;
    const work = await chain.work(minerId);
    if (before?.context.digest !== work.context.digest) {
      const changed = await contexts.recheck();
      if (changed !== undefined) {
        log.warn({ fromSector: changed }, 'a context changed, sealing again');
        this.#idle('not synced');
        await sealer.reset(changed);
      }
      sealer.wake();
    }
    if (work.poraTarget === 0n || work.context.digest === EMPTY_HASH) {
      const isPaused = await chain.isPaused();
      this.#idle(isPaused ? 'paused by the contract' : 'waiting for work');
      this.#work = work;
      return;
    }
    if (this.#deps.database.lengthOfRoot(work.context.flowRoot) !== work.context.flowLength) {
      this.#idle('not synced');
      return;
    }
    if (this.#state === 'mining' && before && sameWork(before, work)) return;
    this.#work = work;
    this.#mine(work);
  }

  #mine(work: ChainWork): void {
    const { search, sealed, minerId } = this.#deps;
    const { flowLength } = work.context;
    const range = rangeOfShard(this.#options.shard(), flowLength, this.#startPosition);
    search.setTask(minerId, {
      minerId,
      work,
      range,
      threshold: qualityThreshold(work.poraTarget, range, flowLength),
      dir: sealed.dir,
      place: (load) => sealed.place(load),
      onUnsound: (load) => this.#recheck(load),
    });
    this.#state = 'mining';
  }

  /** Looks at a load whose bytes a search thread did not find as they should be: damaged, or sealed anew meanwhile. */
  #recheck(load: number): void {
    const { sealed, log } = this.#deps;
    if (this.#rechecks >= RECHECKS_MAX) return; // it is recalled again
    this.#rechecks++;
    void sealed
      .check(load)
      .catch((error: unknown) =>
        log.warn({ load, error: errorMessage(error) }, 'a sealed load cannot be read'),
      )
      .finally(() => this.#rechecks--);
  }

  #idle(state: MinerState): void {
    this.#deps.search.setTask(this.#deps.minerId, undefined);
    this.#work = undefined;
    this.#state = state;
  }

  /** Turns a hit into an answer, checks it as the contract will, and hands it over. */
  async take(hit: SearchHit): Promise<void> {
    const { chain, reader, sealed, sealer, submitter, kernels, log, minerId } = this.#deps;
    const { work } = hit.task;
    const isCurrent = (): boolean =>
      this.#work !== undefined && sameEpoch(this.#work, work as ChainWork);
    if (!isCurrent()) return;
    const load = Math.floor(hit.loadStart / SECTORS_PER_LOAD);
    const startSector = hit.loadStart + hit.sealOffset * SECTORS_PER_SEAL;
    const digest = sealed.digestOf(load, hit.sealOffset);
    if (!digest) return; // a reorg took the seal meanwhile
    try {
      const { lemma } = await reader.sectorProof(startSector, work.context.flowRoot);
      const answer = buildAnswer({
        work,
        minerId,
        nonce: hit.nonce,
        range: hit.task.range,
        loadStart: hit.loadStart,
        sealOffset: hit.sealOffset,
        sealedContextDigest: digest,
        sealedData: hit.sealedData,
        // Leaf, four levels below a seal, siblings, root.
        merkleProof: lemma.slice(5, -1) as Hash32[],
      });
      const sealContext = { ...(await chain.sealRange(digest)), digest };
      verifyAnswer(kernels, answer, { work, sealContext });
      const options = this.#options.parameters;
      const { end: lastBlock } = subtaskWindow(work.context, minerId, options);
      submitter.offer({ answer, lastBlock, isCurrent });
    } catch (error) {
      log.warn({ error: errorMessage(error), startSector }, 'a hit could not be proven');
      if (!isCodedError(error) || !/^PORA_(SEAL_CONTEXT|PROOF_ROOT)$/.test(error.code)) return;
      // The seal is of another fork of the chain: it and what follows is sealed again.
      this.#deps.onBadSeal();
      await sealer.reset(startSector);
    }
  }
}

function sameEpoch(a: ChainWork, b: ChainWork): boolean {
  return a.context.digest === b.context.digest && a.subtaskDigest === b.subtaskDigest;
}

function sameWork(a: ChainWork, b: ChainWork): boolean {
  return sameEpoch(a, b) && a.poraTarget === b.poraTarget && a.maxShards === b.maxShards;
}
