/*
 * Lets small inputs share blobs. A blob costs the same gas and almost the same hashing whether it holds 1 KB or 1 MB, and a
 * rollup posts about 130 KB at a time: what waits while `parallelMax` blobs are on their way goes into the next one together.
 * Latency first: an input that finds a free place leaves after `lingerMs`, with whatever came in that time.
 *
 * Inputs are independent: each has its own byte range, and one that is given up does not touch the others.
 */

import type { Clock } from '@cairn/base';
import { CodedError, concatBytes } from '@cairn/base';
import type { Lookup } from '@cairn/quorum';
import type { BlobLane } from './lane.ts';

export type PackerOptions = {
  /** Blobs on their way at once. */
  parallelMax: number;
  /** Inputs up to this long share blobs; longer ones go alone. */
  sharedInputBytesMax: number;
  /** Longest shared blob. */
  sharedBlobBytesMax: number;
  /** Inputs waiting; beyond it `ROLLUP_BUSY`. */
  waitingMax: number;
  lingerMs: number;
};
/** Where an input ended up: bytes [offset, offset + length) of a confirmed blob. */
export type PlacedInput = { blob: Lookup; offset: number; length: number };

type Waiting = {
  input: Uint8Array;
  isShared: boolean;
  signal: AbortSignal;
  resolve: (placed: PlacedInput) => void;
  reject: (error: unknown) => void;
};

export class Packer {
  readonly #lane: BlobLane;
  readonly #clock: Clock;
  readonly #options: PackerOptions;
  readonly #stopping = new AbortController();
  readonly #sending = new Set<Promise<void>>();
  #waiting: Waiting[] = [];
  #lingering: Promise<void> | undefined;

  constructor(deps: { lane: BlobLane; clock: Clock }, options: PackerOptions) {
    this.#lane = deps.lane;
    this.#clock = deps.clock;
    this.#options = options;
  }

  /** Inputs that no blob has taken yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Resolves when the input is certified. Rejects with what dispersing said, with the signal's reason, or with `ROLLUP_BUSY`
   * (exhausted). `isAlone` keeps other inputs out of its blob.
   */
  put(
    input: Uint8Array,
    { signal, isAlone = false }: { signal: AbortSignal; isAlone?: boolean },
  ): Promise<PlacedInput> {
    const { waitingMax, sharedInputBytesMax } = this.#options;
    if (this.#waiting.length >= waitingMax)
      return Promise.reject(
        new CodedError({
          code: 'ROLLUP_BUSY',
          kind: 'exhausted',
          message: `${waitingMax} inputs are waiting already`,
        }),
      );
    return new Promise((resolve, reject) => {
      const isShared = !isAlone && input.length <= sharedInputBytesMax;
      const waiting: Waiting = { input, isShared, signal, resolve, reject };
      const onAbort = (): void => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
        reject(signal.reason);
      };
      if (signal.aborted) return onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiting);
      this.#lingering ??= this.#clock
        .sleep(this.#options.lingerMs, this.#stopping.signal)
        .catch(() => {})
        .then(() => {
          this.#lingering = undefined;
          this.#pump();
        });
    });
  }

  /** Lets nothing more leave and waits for what is on its way to be given up. */
  async stop(): Promise<void> {
    this.#stopping.abort(
      new CodedError({ code: 'ROLLUP_STOPPED', kind: 'cancelled', message: 'the server stopped' }),
    );
    for (const { reject } of this.#waiting.splice(0)) reject(this.#stopping.signal.reason);
    await Promise.all(this.#sending);
  }

  #pump(): void {
    while (
      this.#waiting.length > 0 &&
      this.#sending.size < this.#options.parallelMax &&
      !this.#stopping.signal.aborted
    ) {
      const sending = this.#send(this.#take()).finally(() => {
        this.#sending.delete(sending);
        this.#pump();
      });
      this.#sending.add(sending);
    }
  }

  /** The first that waits, and with it as many others as fit. */
  #take(): Waiting[] {
    const first = this.#waiting[0]!;
    let room = this.#options.sharedBlobBytesMax - first.input.length;
    const taken = first.isShared
      ? this.#waiting.filter((one) => {
          if (one === first) return true;
          if (!one.isShared || one.input.length > room) return false;
          room -= one.input.length;
          return true;
        })
      : [first];
    const isTaken = new Set(taken);
    this.#waiting = this.#waiting.filter((one) => !isTaken.has(one));
    return taken;
  }

  async #send(taken: readonly Waiting[]): Promise<void> {
    // Given up once nobody waits for any of it.
    const allGone = new AbortController();
    let left = taken.length;
    for (const { signal } of taken)
      signal.addEventListener('abort', () => --left === 0 && allGone.abort(signal.reason), {
        once: true,
      });
    const signal = AbortSignal.any([allGone.signal, this.#stopping.signal]);
    try {
      const payload =
        taken.length === 1 ? taken[0]!.input : concatBytes(...taken.map(({ input }) => input));
      const blob = await this.#lane.disperse(payload, signal);
      let offset = 0;
      for (const { input, resolve } of taken) {
        resolve({ blob, offset, length: input.length });
        offset += input.length;
      }
    } catch (error) {
      for (const { reject } of taken) reject(error);
    }
  }
}
