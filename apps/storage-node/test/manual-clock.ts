import type { Clock } from '@cairn/base';

/** Time that a test sets; sleeping takes none. */
export class ManualClock implements Clock {
  #ms = 0;

  now(): number {
    return 1_800_000_000_000 + this.#ms;
  }

  monotonic(): number {
    return this.#ms;
  }

  async sleep(_ms: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await new Promise(setImmediate);
  }

  pass(seconds: number): void {
    this.#ms += seconds * 1000;
  }
}
