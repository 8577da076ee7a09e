/*
 * Seals what is stored, in the background. The work to do is derived, never stored: a seal is due when its bytes are known, its
 * epoch has ended, and it is not sealed, or not for this id and under the chain's context. So a restart begins with every load, and
 * a reorg only has to forget.
 *
 * Cost: 128 Keccaks per seal on the node's own thread, at most one load (about 2 ms) at a time, yielding in between.
 */
import { CodedError, type Hash32, isCodedError, type Logger, Loop } from '@cairn/base';
import type { Kernels } from '@cairn/kernels';
import { SEALS_PER_LOAD, SECTORS_PER_LOAD, sealInPlace } from '@cairn/pora';
import { SECTORS_PER_SEAL } from '@cairn/protocol';
import type { RawData } from './raw-data.ts';
import type { SealContexts } from './seal-contexts.ts';
import type { SealedData } from './sealed-data.ts';

export type SealerDeps = {
  minerId: Hash32;
  raw: RawData;
  sealed: SealedData;
  contexts: SealContexts;
  kernels: Kernels;
  log: Logger;
  onSealed: (seals: number) => void;
};
export type SealerOptions = { intervalMs: number };

export class Sealer {
  readonly #deps: SealerDeps;
  readonly #loop: Loop;
  /** Loads to look at: at most one entry per load that the node stores. */
  readonly #due = new Set<number>();
  /** Loads with bytes whose epoch has not ended, looked at again in the next one. */
  readonly #waiting = new Set<number>();
  /** Changes with every reorg, so that what was read before it is not written after it. */
  #generation = 0;
  #isScanned = false;
  /** Flow at the last wake: what followed it made the gap behind it known. */
  #seenLength = 0;

  constructor(deps: SealerDeps, options: SealerOptions) {
    this.#deps = deps;
    this.#loop = new Loop((signal) => this.#run(signal), {
      name: 'sealer',
      intervalMs: options.intervalMs,
      onError: (error) =>
        deps.log.warn(
          { error: error instanceof Error ? error.message : String(error) },
          'sealing paused',
        ),
    });
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  /** Loads that have something to seal, now or when their epoch has ended. */
  get backlog(): number {
    return this.#due.size + this.#waiting.size;
  }

  /** Data arrived. */
  add(load: number): void {
    this.#due.add(load);
  }

  /** A context became known or changed. */
  wake(): void {
    for (const load of this.#waiting) this.#due.add(load);
    this.#waiting.clear();
    const edge = Math.floor(this.#seenLength / SECTORS_PER_LOAD);
    if (this.#deps.raw.holdsAny(edge)) this.#due.add(edge);
    this.#seenLength = this.#deps.raw.flowLength;
    void this.#loop.trigger();
  }

  /** Forgets everything from `sector` on, which a reorg moved or gave another context, and seals it again. */
  async reset(sector: number): Promise<void> {
    this.#generation++;
    const { sealed, contexts } = this.#deps;
    contexts.dropFrom(sector);
    await sealed.removeFrom(sector);
    this.#isScanned = false;
    void this.#loop.trigger();
  }

  async #run(signal: AbortSignal): Promise<void> {
    if (!this.#isScanned) {
      for (const load of this.#deps.raw.loads()) this.#due.add(load);
      this.#isScanned = true;
    }
    for (const load of this.#due) {
      signal.throwIfAborted();
      this.#due.delete(load);
      try {
        if (!(await this.#seal(load))) this.#waiting.add(load);
      } catch (error) {
        if (isCodedError(error, 'STORE_CONFLICT')) this.#due.add(load);
        else this.#waiting.add(load);
        if (!isCodedError(error, 'STORE_CONFLICT') && !isCodedError(error, 'MINE_REORGED'))
          throw error;
      }
      await new Promise(setImmediate);
    }
  }

  /** Seals what can be sealed of a load. False when something must wait for its epoch. */
  async #seal(load: number): Promise<boolean> {
    const { raw, sealed, contexts, kernels, minerId, onSealed } = this.#deps;
    const generation = this.#generation;
    await this.#undoStale(load);
    let isComplete = true;
    for (let seal = 0; seal < SEALS_PER_LOAD; ) {
      if (sealed.has(load, seal) || !raw.isKnown(load, seal)) {
        seal++;
        continue;
      }
      const startSector = load * SECTORS_PER_LOAD + seal * SECTORS_PER_SEAL;
      const context = await contexts.at(startSector + SECTORS_PER_SEAL - 1);
      if (!context) {
        isComplete = false;
        break; // what follows is in later epochs
      }
      let end = seal + 1;
      while (
        end < SEALS_PER_LOAD &&
        load * SECTORS_PER_LOAD + (end + 1) * SECTORS_PER_SEAL <= context.end &&
        !sealed.has(load, end) &&
        raw.isKnown(load, end)
      )
        end++;
      const draft = sealed.draft(load);
      const data = await raw.read(load, seal, end);
      if (!data) return false;
      sealInPlace(kernels, data, { minerId, contextDigest: context.digest, startSector });
      const run = { start: seal, end, digest: context.digest };
      const isCurrent = (): void => {
        // The data may have gone meanwhile, after its seals had been forgotten.
        if (this.#generation !== generation || !raw.isKnown(load, run.start)) throw reorged();
      };
      isCurrent();
      await draft.write(run, data, isCurrent);
      onSealed(end - seal);
      seal = end;
    }
    return isComplete;
  }

  /** Forgets seals of a load that were made for another id, or under a context that the chain no longer has. */
  async #undoStale(load: number): Promise<void> {
    const { sealed, contexts } = this.#deps;
    if (sealed.isForeign(load)) await sealed.remove(load, 0, SEALS_PER_LOAD);
    for (const { start, end, digest } of sealed.runs(load)) {
      const context = await contexts.at(load * SECTORS_PER_LOAD + end * SECTORS_PER_SEAL - 1);
      if (context && context.digest !== digest) await sealed.remove(load, start, end);
    }
  }
}

function reorged(): CodedError {
  return new CodedError({
    code: 'MINE_REORGED',
    kind: 'conflict',
    message: 'the chain reorganised while a load was sealed',
  });
}
