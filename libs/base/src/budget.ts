import { assert, CodedError } from './errors.ts';

type Waiter = { units: number; grant: () => void };

/**
 * Shares `total` units (bytes, mostly) among tasks, first come first served. A request above the total is granted alone
 * and takes all of it, so nothing waits for ever. At most `maxWaiting` wait; beyond that `acquire` throws
 * `BASE_QUEUE_FULL` (kind `exhausted`).
 */
export class Budget {
  readonly #total: number;
  readonly #maxWaiting: number;
  readonly #waiting: Waiter[] = [];
  #free: number;

  constructor(total: number, maxWaiting: number) {
    assert(total >= 1, 'budget total');
    this.#total = total;
    this.#free = total;
    this.#maxWaiting = maxWaiting;
  }

  get free(): number {
    return this.#free;
  }

  /** Resolves with the function that gives the units back; calling it twice is fine. Rejects when the signal aborts. */
  async acquire(units: number, signal?: AbortSignal): Promise<() => void> {
    assert(units >= 0, 'budget units');
    signal?.throwIfAborted();
    const wanted = Math.min(units, this.#total);
    if (this.#waiting.length > 0 || wanted > this.#free) await this.#wait(wanted, signal);
    else this.#free -= wanted;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#free += wanted;
      this.#serve();
    };
  }

  #wait(units: number, signal: AbortSignal | undefined): Promise<void> {
    if (this.#waiting.length >= this.#maxWaiting) {
      return Promise.reject(
        new CodedError({
          code: 'BASE_QUEUE_FULL',
          kind: 'exhausted',
          message: 'too many tasks waiting',
        }),
      );
    }
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
        reject(signal!.reason);
        this.#serve(); // a large request at the head may have held back small ones
      };
      const waiter: Waiter = {
        units,
        grant: () => {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      this.#waiting.push(waiter);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  #serve(): void {
    for (let next = this.#waiting[0]; next && next.units <= this.#free; next = this.#waiting[0]) {
      this.#waiting.shift();
      this.#free -= next.units;
      next.grant();
    }
  }
}
