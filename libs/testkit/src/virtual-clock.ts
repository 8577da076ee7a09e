import type { Clock } from '@cairn/base';

type Sleeper = { at: number; order: number; wake: () => void };

/**
 * Time that passes only when everybody sleeps: a run of minutes takes milliseconds, and sleepers wake in a fixed order.
 * `run` drives it until the task ends. Work outside the event loop (threads, sockets, disks) is not waited for.
 */
export class VirtualClock implements Clock {
  #now = 0;
  #order = 0;
  readonly #sleepers: Sleeper[] = [];

  now(): number {
    return 1_800_000_000_000 + this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason);
        return;
      }
      const sleeper: Sleeper = {
        at: this.#now + Math.max(0, ms),
        order: this.#order++,
        wake: () => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      const onAbort = (): void => {
        const at = this.#sleepers.indexOf(sleeper);
        if (at >= 0) this.#sleepers.splice(at, 1);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#sleepers.push(sleeper);
    });
  }

  /** Lets time pass while `task` waits for it; throws when nobody sleeps and the task still waits, or at `limitMs`. */
  async run<T>(task: Promise<T>, limitMs = 3_600_000): Promise<T> {
    let isDone = false;
    const done = task.finally(() => {
      isDone = true;
    });
    done.catch(() => {}); // awaited below
    const deadline = this.#now + limitMs;
    for (let idle = 0; !isDone; ) {
      await turn();
      if (isDone) break;
      if (this.#sleepers.length === 0) {
        if (++idle > 1000) throw new Error('the task waits and nobody sleeps');
        continue;
      }
      idle = 0;
      this.#advance();
      if (this.#now > deadline) throw new Error(`not done after ${limitMs} virtual ms`);
    }
    return done;
  }

  #advance(): void {
    let next = this.#sleepers[0]!;
    for (const sleeper of this.#sleepers)
      if (sleeper.at < next.at || (sleeper.at === next.at && sleeper.order < next.order))
        next = sleeper;
    this.#sleepers.splice(this.#sleepers.indexOf(next), 1);
    this.#now = Math.max(this.#now, next.at);
    next.wake();
  }
}

/** All promises that can settle have settled after a few turns of the event loop. */
async function turn(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
}
