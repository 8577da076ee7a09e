/*
 * A child that is reported when it dies, and on demand started again: after a pause that grows with every death, and not
 * more often than RESTARTS_MAX times in a row.
 */
import { errorMessage, systemClock } from '@cairn/base';
import { Child, type ChildOptions } from './child.ts';

export type SupervisedDeps = {
  /** Start it again when it dies. */
  isRestarted: boolean;
  say: (text: string) => void;
  /** It died for good, or is started again by us. */
  onExit: (name: string, reason: string) => void;
  /** Its first line, at every start. */
  onReady: (firstLine: string) => void;
};

const RESTARTS_MAX = 5;
const PAUSE_MS = 500;
/** One that lived this long starts counting anew. */
const HEALTHY_MS = 30_000;

export class Supervised implements AsyncDisposable {
  readonly #options: ChildOptions;
  readonly #deps: SupervisedDeps;
  readonly #stopping = new AbortController();
  #child: Child;
  #watch: Promise<void>;
  /** While it is paused: settles with the next process, or with none when the service stops. */
  #pause: PromiseWithResolvers<Child | undefined> | undefined;

  private constructor(options: ChildOptions, deps: SupervisedDeps, child: Child) {
    this.#options = options;
    this.#deps = deps;
    this.#child = child;
    this.#watch = this.#supervise();
  }

  /** Starts the process; throws what `Child.start` throws. */
  static async start(options: ChildOptions, deps: SupervisedDeps): Promise<Supervised> {
    const child = await Child.start(options);
    deps.onReady(child.firstLine);
    return new Supervised(options, deps, child);
  }

  get name(): string {
    return this.#options.name;
  }

  /** Ends the process on purpose, until `resume`. */
  async pause(): Promise<void> {
    this.#pause ??= Promise.withResolvers();
    await this.#child.stop();
  }

  /** Starts it again after `pause`, with the same options. Throws what `Child.start` throws. */
  async resume(): Promise<void> {
    this.#pause?.resolve(await Child.start(this.#options));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#pause?.resolve(undefined);
    await this.#child.stop();
    await this.#watch;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #supervise(): Promise<void> {
    const { signal } = this.#stopping;
    const { isRestarted, say, onExit, onReady } = this.#deps;
    for (let restarts = 0; ; restarts++) {
      const startedAt = systemClock.monotonic();
      const reason = await this.#child.exit;
      if (signal.aborted) return;
      if (this.#pause) {
        const next = await this.#pause.promise;
        this.#pause = undefined;
        if (!next) return;
        this.#child = next;
        onReady(next.firstLine);
        restarts = -1;
        continue;
      }
      onExit(this.name, reason);
      if (!isRestarted) return;
      if (systemClock.monotonic() - startedAt > HEALTHY_MS) restarts = 0;
      if (restarts >= RESTARTS_MAX) {
        say(`${this.name} died ${restarts + 1} times in a row and is left alone`);
        return;
      }
      try {
        await systemClock.sleep(PAUSE_MS * 2 ** restarts, signal);
        this.#child = await Child.start(this.#options);
      } catch (error) {
        if (signal.aborted) return;
        say(errorMessage(error));
        return;
      }
      if (signal.aborted) {
        await this.#child.stop();
        return;
      }
      say(`${this.name} runs again (process ${this.#child.pid})`);
      onReady(this.#child.firstLine);
    }
  }
}
