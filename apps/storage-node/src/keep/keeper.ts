// The loop over what this node keeps: prune, take away, halve or double. One thing at a time, so that they never meet.
import { type Clock, errorMessage, type Logger, Loop } from '@cairn/base';
import type { Dropper } from './dropper.ts';
import type { Pruner } from './pruner.ts';
import type { Resharder } from './resharder.ts';

export type KeeperDeps = {
  dropper: Dropper;
  /** Absent without the address of the rewards contract. */
  pruner: Pruner | undefined;
  /** Absent without a limit. */
  resharder: Resharder | undefined;
  clock: Clock;
  log: Logger;
};
export type KeeperOptions = { intervalMs: number; pruneIntervalMs: number };

export class Keeper {
  readonly #deps: KeeperDeps;
  readonly #options: KeeperOptions;
  readonly #loop: Loop;
  #prunedAt = Number.NEGATIVE_INFINITY;

  constructor(deps: KeeperDeps, options: KeeperOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#loop = new Loop((signal) => this.#look(signal), {
      name: 'keeper',
      intervalMs: options.intervalMs,
      clock: deps.clock,
      onError: (error) => deps.log.warn({ error: errorMessage(error) }, 'keeping has to try again'),
    });
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  /** Looks now; resolves when a look that began after the call has ended. */
  trigger(): Promise<void> {
    return this.#loop.trigger();
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { dropper, pruner, resharder, clock } = this.#deps;
    const now = clock.monotonic();
    try {
      if (pruner && now - this.#prunedAt >= this.#options.pruneIntervalMs) {
        this.#prunedAt = now;
        await pruner.step(signal);
      }
    } finally {
      // A chain that does not answer keeps neither the disk full nor the shard as it is.
      await dropper.run(signal);
      if (resharder) {
        await resharder.step(signal);
        await dropper.run(signal);
      }
    }
  }
}
