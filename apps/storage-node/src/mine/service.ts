/*
 * Mining of one node: its ids with a sealed copy each, one search over all of them, one submitter for the account.
 *
 * Starting needs the chain (version, ids), which may be away or the wallet empty: it is tried until it works, and why it does not is
 * in the status. The node serves files meanwhile.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Clock,
  CodedError,
  errorMessage,
  type Hash32,
  type Logger,
  type RandomSource,
} from '@cairn/base';
import type { MineChain } from '@cairn/chain';
import type { KernelBackend, Kernels } from '@cairn/kernels';
import { PORA_VERSION, winProbability } from '@cairn/pora';
import { SECTORS_PER_SEAL, type ShardConfig } from '@cairn/protocol';
import type { Disk, SectorRange, SegmentStore } from '@cairn/store';
import type { NodeMetrics } from '../metrics.ts';
import type { Reader } from '../serve/reader.ts';
import type { NodeDatabase } from '../store/node-database.ts';
import { Miner, type MinerState } from './miner.ts';
import { ensureMinerIds } from './miner-ids.ts';
import { RawData } from './raw-data.ts';
import { SealContexts } from './seal-contexts.ts';
import { SealedCopy } from './sealed-copy.ts';
import type { SealedData } from './sealed-data.ts';
import { SealedInPlace } from './sealed-in-place.ts';
import { Sealer } from './sealer.ts';
import { Search, type SearchHit } from './search.ts';
import { clearStaleSeals, staleSeals } from './stale-seals.ts';
import { type SubmitResult, Submitter } from './submitter.ts';

export type MineServiceDeps = {
  chain: MineChain;
  database: NodeDatabase;
  segments: SegmentStore;
  reader: Reader;
  kernels: Kernels;
  metrics: NodeMetrics;
  clock: Clock;
  random: RandomSource;
  disk?: Disk | undefined;
  log: Logger;
};
export type MineServiceOptions = {
  dataDir: string;
  segmentsPerVolume: number;
  /** What is mined now; `resharded` tells that it changed. */
  shard: () => ShardConfig;
  /** Block of the deployment: nothing of ours is older. */
  startBlock: number;
  ids: number;
  /** Keep the raw bytes beside those sealed for the first id, instead of only these. */
  keepRaw: boolean;
  queryMs: number;
  /** Time until an answer that no block took is sent again for more. */
  replaceAfterMs: number;
  cpuPercent: number;
  threads: number;
  backend: 'auto' | KernelBackend;
};

export type MineStatus = {
  account: string;
  problem: string | undefined;
  miners: {
    minerId: Hash32;
    state: MinerState;
    epoch: number | undefined;
    sealedLoads: number;
    sealBacklogLoads: number;
  }[];
  iterationsPerSecond: number;
  loadsPerSecond: number;
  /** Seconds until a win at the present rate, on average; undefined without work. */
  expectedSecondsToWin: number | undefined;
  results: Record<SubmitResult, number>;
  owedWei: string;
  balanceWei: string;
};

const RETRY_MS = 5000;
/** Hits whose answers are being made; more are dropped, as an epoch takes few. */
const HITS_IN_FLIGHT_MAX = 16;
const RATE_WINDOW_MS = 30_000;

export class MineService {
  readonly #deps: MineServiceDeps;
  readonly #options: MineServiceOptions;
  readonly #abort = new AbortController();
  readonly #miners = new Map<Hash32, Miner>();
  readonly #sealers = new Map<Hash32, { sealer: Sealer; sealed: SealedData }>();
  readonly #results: Record<SubmitResult, number> = {
    accepted: 0,
    stale: 0,
    lost: 0,
    refused: 0,
    failed: 0,
  };
  readonly #work: { at: number; nonces: number; loads: number }[] = [];
  #owned: AsyncDisposableStack | undefined;
  #starting: Promise<void> | undefined;
  #search: Search | undefined;
  #submitter: Submitter | undefined;
  #problem: string | undefined = 'starting';
  #hitsInFlight = 0;

  constructor(deps: MineServiceDeps, options: MineServiceOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /** Begins, in the background. */
  start(): void {
    this.#starting ??= this.#begin();
  }

  async stop(): Promise<void> {
    this.#abort.abort(
      new CodedError({ code: 'MINE_STOPPED', kind: 'cancelled', message: 'mining stopped' }),
    );
    await this.#starting;
    await this.#owned?.disposeAsync();
    this.#owned = undefined;
  }

  get isRunning(): boolean {
    return this.#owned !== undefined;
  }

  /** Data of this load became durable. */
  stored(load: number): void {
    this.#search?.yield();
    for (const { sealer } of this.#sealers.values()) sealer.add(load);
  }

  /** A reorg moved the flow from `sector` on. */
  async reverted(sector: number): Promise<void> {
    await Promise.all([...this.#miners.values()].map((miner) => miner.reverted(sector)));
  }

  /** The shard changed. */
  resharded(): void {
    for (const miner of this.#miners.values()) miner.resharded();
  }

  /** Forgets every seal that overlaps these sectors; durable when it resolves. */
  async unseal(ranges: readonly SectorRange[]): Promise<void> {
    for (const { sealed } of this.#sealers.values())
      for (const { segmentIndex, startSector, endSector } of ranges)
        await sealed.drop(
          segmentIndex,
          Math.floor(startSector / SECTORS_PER_SEAL),
          Math.ceil(endSector / SECTORS_PER_SEAL),
        );
  }

  setStartPosition(position: number): void {
    for (const miner of this.#miners.values()) miner.setStartPosition(position);
  }

  withdraw(): Promise<Hash32> {
    return this.#deps.chain.withdraw();
  }

  get sealBacklog(): number {
    let loads = 0;
    for (const { sealer } of this.#sealers.values()) loads += sealer.backlog;
    return loads;
  }

  async status(): Promise<MineStatus> {
    const { chain } = this.#deps;
    const money = await Promise.all([chain.owed(), chain.balance()]).catch(() => undefined);
    const { nonces, loads, seconds } = this.#rate();
    const threshold = [...this.#miners.values()].reduce(
      (most, miner) => (miner.threshold > most ? miner.threshold : most),
      0n,
    );
    const perSecond = (loads / seconds) * 64 * winProbability(threshold);
    return {
      account: chain.account,
      problem: this.#problem ?? this.#submitter?.problem,
      miners: [...this.#miners.values()].map((miner) => {
        const { sealer, sealed } = this.#sealers.get(miner.minerId)!;
        return {
          minerId: miner.minerId,
          state: miner.state,
          epoch: miner.work?.context.epoch,
          sealedLoads: sealed.loads,
          sealBacklogLoads: sealer.backlog,
        };
      }),
      iterationsPerSecond: nonces / seconds,
      loadsPerSecond: loads / seconds,
      expectedSecondsToWin: perSecond > 0 ? 1 / perSecond : undefined,
      results: { ...this.#results },
      owedWei: String(money?.[0] ?? ''),
      balanceWei: String(money?.[1] ?? ''),
    };
  }

  async #begin(): Promise<void> {
    const { log, clock } = this.#deps;
    const { signal } = this.#abort;
    while (!signal.aborted) {
      try {
        await this.#open();
        this.#problem = undefined;
        return;
      } catch (error) {
        if (signal.aborted) return;
        const problem = errorMessage(error);
        if (problem !== this.#problem) log.warn({ problem }, 'mining cannot start yet');
        this.#problem = problem;
        await clock.sleep(RETRY_MS, signal).catch(() => {});
      }
    }
  }

  async #open(): Promise<void> {
    const { chain, database, segments, reader, kernels, clock, random, log } = this.#deps;
    const { shard, queryMs } = this.#options;
    const version = await chain.poraVersion();
    if (version !== PORA_VERSION) {
      throw new CodedError({
        code: 'MINE_VERSION',
        kind: 'invalid',
        message: `the contract speaks version ${version} of PoRA, this node ${PORA_VERSION}`,
        hint: 'run a node of that version',
      });
    }
    const parameters = await chain.parameters();
    const ids = await ensureMinerIds(
      { chain, database, random, log },
      {
        count: this.#options.ids,
        fromBlock: this.#options.startBlock,
        signal: this.#abort.signal,
      },
    );
    await using stack = new AsyncDisposableStack();
    const submitter = new Submitter(
      { chain, clock, log, onResult: (result, _, reason) => this.#onResult(result, reason) },
      {
        queueMax: 16,
        pollMs: Math.min(500, queryMs),
        replaceAfterMs: this.#options.replaceAfterMs,
        replacementsMax: 5,
      },
    );
    const search = new Search(
      {
        random,
        clock,
        log,
        onHit: (hit) => this.#onHit(hit),
        onWorked: (done) => this.#onWorked(done),
      },
      this.#options,
    );
    const contexts = new SealContexts(chain);
    const raw = new RawData({ flow: database.flow, segments });
    const stale = staleSeals(database);
    for (const [i, minerId] of ids.entries()) {
      const child = log.child({ minerId: minerId.slice(0, 10) });
      const isInPlace = i === 0 && !this.#options.keepRaw;
      const sealed = stack.adopt(await this.#openSealed(minerId, isInPlace, child), (data) =>
        data.close(),
      );
      if (stale > 0) await sealed.keepOnly((load) => raw.holdsAny(load), this.#abort.signal);
      const sealer = new Sealer(
        {
          minerId,
          raw,
          sealed,
          contexts,
          kernels,
          log: child,
          onSealed: (seals) => {
            this.#deps.metrics.sealedSeals.add({}, seals);
          },
        },
        { intervalMs: queryMs },
      );
      const miner = new Miner(
        {
          minerId,
          chain,
          database,
          reader,
          raw,
          sealed,
          contexts,
          sealer,
          search,
          submitter,
          kernels,
          log: child,
          onBadSeal: () => this.#deps.metrics.badSeals.add({}),
        },
        { shard, queryMs, parameters },
      );
      this.#sealers.set(minerId, { sealer, sealed });
      this.#miners.set(minerId, miner);
    }
    clearStaleSeals(database, stale);
    stack.defer(() => {
      this.#miners.clear();
      this.#sealers.clear();
    });
    submitter.start();
    stack.defer(() => submitter.stop());
    search.start();
    stack.defer(() => search.stop());
    for (const miner of this.#miners.values()) {
      miner.start();
      stack.defer(() => miner.stop());
    }
    this.#submitter = submitter;
    this.#search = search;
    this.#owned = stack.move();
    log.info({ account: chain.account, ids: ids.length }, 'mining');
  }

  /** The sealed bytes of an id: in the node's own store, or a copy. A copy of an id that seals in place now is not needed. */
  async #openSealed(minerId: Hash32, isInPlace: boolean, log: Logger): Promise<SealedData> {
    const { segments, disk } = this.#deps;
    const { dataDir, segmentsPerVolume } = this.#options;
    const dir = join(dataDir, 'sealed', minerId.slice(2, 18));
    if (!isInPlace) return SealedCopy.open({ log, disk }, { dir, segmentsPerVolume });
    await rm(dir, { recursive: true, force: true });
    return new SealedInPlace({ segments }, { minerId, dir: dataDir });
  }

  #onHit(hit: SearchHit): void {
    const miner = this.#miners.get(hit.task.minerId);
    if (!miner || this.#hitsInFlight >= HITS_IN_FLIGHT_MAX) return;
    this.#hitsInFlight++;
    this.#deps.metrics.mineHits.add({});
    void miner
      .take(hit)
      .catch((error: unknown) =>
        this.#deps.log.warn({ error: errorMessage(error) }, 'a hit was lost'),
      )
      .finally(() => this.#hitsInFlight--);
  }

  #onWorked(done: { nonces: number; loads: number }): void {
    const { metrics, clock } = this.#deps;
    metrics.mineIterations.add({}, done.nonces);
    metrics.mineLoads.add({}, done.loads);
    const at = clock.monotonic();
    this.#work.push({ at, ...done });
    while (this.#work.length > 0 && this.#work[0]!.at < at - RATE_WINDOW_MS) this.#work.shift();
  }

  #rate(): { nonces: number; loads: number; seconds: number } {
    const now = this.#deps.clock.monotonic();
    let [nonces, loads] = [0, 0];
    for (const one of this.#work) {
      if (one.at < now - RATE_WINDOW_MS) continue;
      nonces += one.nonces;
      loads += one.loads;
    }
    const first = this.#work[0]?.at ?? now;
    return { nonces, loads, seconds: Math.max(1, Math.min(RATE_WINDOW_MS, now - first) / 1000) };
  }

  #onResult(result: SubmitResult, reason: string | undefined): void {
    this.#results[result]++;
    this.#deps.metrics.mineAnswers.add({ result });
    if (result === 'accepted') this.#deps.log.info({}, 'answer accepted');
    else if (result === 'failed' || result === 'refused')
      this.#deps.log.error({ result, reason }, 'an answer was refused that should have passed');
    else this.#deps.log.debug({ result, reason }, 'answer dropped');
  }
}
