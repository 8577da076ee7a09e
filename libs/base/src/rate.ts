import type { Clock } from './clock.ts';

/**
 * A token bucket: `take(n)` waits until n tokens are there. Callers are served in order. It holds one second's worth, so a
 * pause is not made up for by a flood.
 */
export class RateLimit {
  readonly #clock: Clock;
  readonly #perSecond: number;
  #tokens: number;
  #at: number;
  #tail: Promise<void> = Promise.resolve();

  /** `perSecond` may be infinite. */
  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#tokens = perSecond;
    this.#at = clock.monotonic();
  }

  /** Takes without waiting, or not at all. */
  tryTake(count = 1): boolean {
    this.#refill();
    if (this.#tokens < count) return false;
    this.#tokens -= count;
    return true;
  }

  /** More than a second's worth is taken as debt, so a large message passes and delays those after it. */
  take(count: number, signal?: AbortSignal): Promise<void> {
    if (this.#perSecond === Number.POSITIVE_INFINITY) return Promise.resolve();
    const turn = this.#tail.then(async () => {
      this.#refill();
      const needed = Math.min(count, this.#perSecond);
      if (this.#tokens < needed) {
        await this.#clock.sleep(((needed - this.#tokens) / this.#perSecond) * 1000, signal);
        this.#refill();
      }
      this.#tokens -= count;
    });
    this.#tail = turn.catch(() => {}); // an aborted wait must not block those behind it
    return turn;
  }

  #refill(): void {
    const now = this.#clock.monotonic();
    const earned = ((now - this.#at) / 1000) * this.#perSecond;
    this.#tokens = Math.min(this.#perSecond, this.#tokens + earned);
    this.#at = now;
  }
}
