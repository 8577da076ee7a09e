import { type Clock, systemClock } from './clock.ts';
import { assert, CodedError, isCodedError } from './errors.ts';

/** Combines an optional signal with a time limit. */
export function withTimeout(signal: AbortSignal | undefined, timeoutMs: number): AbortSignal {
  const timeout = AbortSignal.timeout(timeoutMs);
  return signal ? AbortSignal.any([signal, timeout]) : timeout;
}

/** What `promise` brings, or the reason of the signal as soon as it aborts. The work itself is not stopped. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** True for the error an aborted signal raises. */
export function isAbortError(error: unknown): boolean {
  return isCodedError(error)
    ? error.kind === 'cancelled'
    : error instanceof Error && error.name === 'AbortError';
}

export type RetryOptions = {
  /** Total tries, at least 1. */
  attempts: number;
  /** Pause before the second try; doubles each time, with ±50 % jitter. */
  baseDelayMs: number;
  maxDelayMs: number;
  signal?: AbortSignal;
  clock?: Clock;
  /** Defaults to the kinds that house style calls retryable. */
  isRetryable?: (error: unknown) => boolean;
  onRetry?: (error: unknown, attempt: number) => void;
};

const RETRYABLE = new Set(['unavailable', 'timeout', 'exhausted', 'not_ready']);

/** The one retry helper: bounded, jittered, cancellable. Use it only at the edge that owns the deadline. */
export async function retry<T>(
  run: (attempt: number) => Promise<T>,
  options: RetryOptions,
): Promise<T> {
  const clock = options.clock ?? systemClock;
  const isRetryable = options.isRetryable ?? ((e) => isCodedError(e) && RETRYABLE.has(e.kind));
  for (let attempt = 1; ; attempt++) {
    options.signal?.throwIfAborted();
    try {
      return await run(attempt);
    } catch (error) {
      if (attempt >= options.attempts || !isRetryable(error)) throw error;
      options.onRetry?.(error, attempt);
      const delay = Math.min(options.maxDelayMs, options.baseDelayMs * 2 ** (attempt - 1));
      await clock.sleep(delay * (0.5 + Math.random()), options.signal);
    }
  }
}

/** At most `limit` tasks at once; waiters queue up to `maxWaiting`, beyond that `acquire` throws `exhausted`. */
export class Semaphore {
  #free: number;
  readonly #waiting: Array<() => void> = [];
  readonly #maxWaiting: number;

  constructor(limit: number, maxWaiting = Number.POSITIVE_INFINITY) {
    assert(limit >= 1, 'semaphore limit');
    this.#free = limit;
    this.#maxWaiting = maxWaiting;
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    await this.#acquire();
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }

  #acquire(): Promise<void> {
    if (this.#free > 0) {
      this.#free--;
      return Promise.resolve();
    }
    if (this.#waiting.length >= this.#maxWaiting) {
      return Promise.reject(
        new CodedError({
          code: 'BASE_QUEUE_FULL',
          kind: 'exhausted',
          message: 'too many tasks waiting',
        }),
      );
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

/** Runs `task` over `items` with at most `limit` in flight; the first failure aborts the rest and is thrown. */
export async function forEachLimit<T>(
  items: Iterable<T>,
  options: { limit: number; signal?: AbortSignal },
  task: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const abort = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, abort.signal]) : abort.signal;
  const iterator = items[Symbol.iterator]();
  let failure: { error: unknown } | undefined;
  const lane = async (): Promise<void> => {
    while (!failure) {
      signal.throwIfAborted();
      const step = iterator.next();
      if (step.done) return;
      await task(step.value, signal);
    }
  };
  await Promise.all(
    Array.from({ length: options.limit }, () =>
      lane().catch((error: unknown) => {
        failure ??= { error };
        abort.abort(error);
      }),
    ),
  );
  if (failure) throw failure.error;
}

export type LoopOptions = {
  name: string;
  intervalMs: number;
  /** Called with any error of an iteration; the loop goes on. Assertion errors are rethrown as unhandled. */
  onError: (error: unknown) => void;
  clock?: Clock;
};

/** A named background loop: `stop()` waits for the running iteration; `trigger()` runs one now and resolves after it. */
export class Loop {
  readonly #run: (signal: AbortSignal) => Promise<void>;
  readonly #options: LoopOptions;
  readonly #abort = new AbortController();
  #wake: AbortController | undefined;
  #current: Promise<void> | undefined;
  #waiters: Array<() => void> = [];

  constructor(run: (signal: AbortSignal) => Promise<void>, options: LoopOptions) {
    this.#run = run;
    this.#options = options;
  }

  start(): void {
    this.#current ??= this.#loop();
  }

  /** Asks for an iteration as soon as possible and resolves when one that began after this call has ended. */
  trigger(): Promise<void> {
    if (this.#abort.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
      this.#wake?.abort();
    });
  }

  async stop(): Promise<void> {
    this.#abort.abort(
      new CodedError({
        code: 'BASE_STOPPED',
        kind: 'cancelled',
        message: `${this.#options.name} stopped`,
      }),
    );
    await this.#current;
    for (const resolve of this.#waiters.splice(0)) resolve();
  }

  async #loop(): Promise<void> {
    const clock = this.#options.clock ?? systemClock;
    const { signal } = this.#abort;
    while (!signal.aborted) {
      const waiters = this.#waiters.splice(0);
      try {
        await this.#run(signal);
      } catch (error) {
        if (!signal.aborted) this.#options.onError(error);
      }
      for (const resolve of waiters) resolve();
      if (signal.aborted) return;
      if (this.#waiters.length > 0) continue;
      this.#wake = new AbortController();
      await clock
        .sleep(this.#options.intervalMs, AbortSignal.any([signal, this.#wake.signal]))
        .catch(() => {});
      this.#wake = undefined;
    }
  }
}
