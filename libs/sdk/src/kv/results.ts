/*
 * Waits for what becomes of submissions. One poll serves all that wait: progress first, then the results of those that are
 * decided. A node without `kv_getReplayProgress` is asked for each result.
 */
import { type Clock, CodedError, systemClock } from '@cairn/base';
import { RESULT } from '@cairn/kv';
import type { KvNodeClient } from '@cairn/rpc';
import { notWatchedError, refusedError } from './errors.ts';

type Waiting = { resolve: () => void; reject: (error: unknown) => void; deadline: number };

export type ResultOptions = { pollMs: number; timeoutMs: number; clock?: Clock | undefined };

export class Results {
  readonly #node: KvNodeClient;
  readonly #options: ResultOptions;
  readonly #clock: Clock;
  readonly #waiting = new Map<number, Waiting>();
  #isPolling = false;

  constructor(node: KvNodeClient, options: ResultOptions) {
    this.#node = node;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Resolves when the batch is committed; throws what `refusedError` says, `KV_NOT_WATCHED`, `KV_RESULT_TIMEOUT`. */
  committed(txSeq: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const deadline = this.#clock.monotonic() + this.#options.timeoutMs;
      this.#waiting.set(txSeq, { resolve, reject, deadline });
      if (!this.#isPolling) void this.#poll();
    });
  }

  async #poll(): Promise<void> {
    this.#isPolling = true;
    while (this.#waiting.size > 0) {
      try {
        await this.#look();
      } catch (error) {
        // The node may be starting again: only the deadline of each ends the waiting.
        this.#expire(error);
      }
      this.#expire(undefined);
      if (this.#waiting.size > 0) await this.#clock.sleep(this.#options.pollMs);
    }
    // In the same turn as the last look at the list: who comes now starts a new poll.
    this.#isPolling = false;
  }

  async #look(): Promise<void> {
    const progress = await this.#node.getReplayProgress();
    for (const [txSeq, waiting] of [...this.#waiting]) {
      if (progress && txSeq >= progress.appliedSeq) continue;
      const result = await this.#node.getTransactionResult(txSeq);
      if (result === null && !progress) continue;
      this.#waiting.delete(txSeq);
      if (result === RESULT.commit) waiting.resolve();
      else if (result === null) waiting.reject(notWatchedError(txSeq, this.#node.url));
      else waiting.reject(refusedError(result, txSeq));
    }
  }

  #expire(cause: unknown): void {
    const now = this.#clock.monotonic();
    for (const [txSeq, { deadline, reject }] of [...this.#waiting]) {
      if (now < deadline) continue;
      this.#waiting.delete(txSeq);
      reject(
        new CodedError({
          code: 'KV_RESULT_TIMEOUT',
          kind: 'timeout',
          message: `${this.#node.url} has not decided submission ${txSeq} in ${this.#options.timeoutMs} ms`,
          hint: 'the batch is on chain and will be decided; ask for its result later',
          details: { txSeq },
          cause,
        }),
      );
    }
  }
}
