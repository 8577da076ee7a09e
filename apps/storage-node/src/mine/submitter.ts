/*
 * Sends answers, one at a time per account, so that nonces are never guessed: the next one is sent when the chain has decided the
 * last. An answer that waits too long is sent again under the same nonce for more; one whose epoch is over is replaced by
 * nothing, under the same nonce, so that it cannot be mined and pay for a refusal.
 */
import {
  type Clock,
  errorMessage,
  type Hash32,
  isCodedError,
  type Logger,
  Loop,
} from '@cairn/base';
import type { MineChain, SentTransaction, TransactionOutcome } from '@cairn/chain';
import type { PoraAnswer } from '@cairn/pora';

export type Candidate = {
  answer: PoraAnswer;
  /** Last block in which the answer is accepted. */
  lastBlock: number;
  /** Asked before every step: false when the chain works on something else. */
  isCurrent: () => boolean;
};

/** What became of a candidate. `lost`: another answer or the epoch came first. */
export type SubmitResult = 'accepted' | 'stale' | 'lost' | 'refused' | 'failed';

export type SubmitterDeps = {
  chain: MineChain;
  clock: Clock;
  log: Logger;
  onResult: (result: SubmitResult, candidate: Candidate, reason?: string) => void;
};
export type SubmitterOptions = {
  /** Answers that may wait; beyond it the oldest is dropped, as the newest has the longest to live. */
  queueMax: number;
  pollMs: number;
  /** Time until a transaction is sent again for more. */
  replaceAfterMs: number;
  /** Times it is sent again. */
  replacementsMax: number;
};

/** Refusals that mean only that somebody or something was faster. */
const RACES = new Set([
  'ContextMismatch',
  'EpochFull',
  'MinerIdCapReached',
  'SubtaskEnded',
  'AnswerReplayed',
  'EmptyContext',
  'QualityNotReached',
]);

/** Looks in a row that find a transaction nowhere until it is given up. */
const UNKNOWN_LOOKS_MAX = 2;

export class Submitter {
  readonly #deps: SubmitterDeps;
  readonly #options: SubmitterOptions;
  readonly #queue: Candidate[] = [];
  readonly #loop: Loop;
  /** Said once per change, not per try. */
  #problem: string | undefined;

  constructor(deps: SubmitterDeps, options: SubmitterOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#loop = new Loop((signal) => this.#drain(signal), {
      name: 'submitter',
      intervalMs: 1000,
      onError: (error) => this.#say(errorMessage(error)),
    });
  }

  /** Why nothing can be sent now, for people; undefined when all is well. */
  get problem(): string | undefined {
    return this.#problem;
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  offer(candidate: Candidate): void {
    if (this.#queue.length >= this.#options.queueMax) {
      const dropped = this.#queue.shift()!;
      this.#deps.onResult('stale', dropped, 'too many answers waiting');
    }
    this.#queue.push(candidate);
    void this.#loop.trigger();
  }

  async #drain(signal: AbortSignal): Promise<void> {
    for (;;) {
      const candidate = this.#queue[0];
      if (!candidate) return;
      signal.throwIfAborted();
      if (!candidate.isCurrent()) {
        this.#queue.shift();
        this.#deps.onResult('stale', candidate);
        continue;
      }
      try {
        const result = await this.#submit(candidate, signal);
        this.#say(undefined);
        this.#remove(candidate);
        this.#deps.onResult(result, candidate);
      } catch (error) {
        const name = isCodedError(error, 'CHAIN_REVERTED')
          ? String(error.details.errorName ?? '')
          : undefined;
        if (name === undefined || name === 'EnforcedPause') {
          // The chain is away, the contract paused or the wallet empty: the answer waits as long as it is current.
          throw error;
        }
        this.#remove(candidate);
        this.#deps.onResult(RACES.has(name) ? 'lost' : 'refused', candidate, name);
      }
    }
  }

  #remove(candidate: Candidate): void {
    const at = this.#queue.indexOf(candidate);
    if (at >= 0) this.#queue.splice(at, 1);
  }

  async #submit(candidate: Candidate, signal: AbortSignal): Promise<SubmitResult> {
    const { chain, clock } = this.#deps;
    // The next block has the transaction at best; one more in case it does not.
    if ((await chain.blockNumber()) + 2 > candidate.lastBlock) return 'stale';
    await chain.checkAnswer(candidate.answer);
    if (!candidate.isCurrent()) return 'stale';
    let sent = await chain.sendAnswer(candidate.answer);
    const hashes: Hash32[] = [sent.hash];
    let sentAt = clock.monotonic();
    let isCancelled = false;
    let replacements = 0;
    let unknownLooks = 0;
    for (;;) {
      await clock.sleep(this.#options.pollMs, signal);
      const outcome = await this.#outcomeOf(hashes);
      if (outcome.state === 'mined') {
        if (outcome.isSuccess) return 'accepted';
        // Why: another answer may have come first, or this very one, from the mempool by another's transaction. Either way the
        // chain says so now; an answer that it would still take failed for no reason we know.
        if (candidate.isCurrent()) await chain.checkAnswer(candidate.answer);
        return candidate.isCurrent() ? 'failed' : 'lost';
      }
      // Nobody knows it: a reorg took it back. Twice, as a look may fall between the pool and the block.
      unknownLooks = outcome.state === 'unknown' ? unknownLooks + 1 : 0;
      if (unknownLooks >= UNKNOWN_LOOKS_MAX) return 'lost';
      if (isCancelled && (await chain.nextNonce()) > sent.nonce) return 'stale';
      // A stale answer is taken back at once: mined later it would only pay for a refusal.
      const isStale = !candidate.isCurrent() && !isCancelled;
      const isLate = clock.monotonic() - sentAt > this.#options.replaceAfterMs;
      if (!isLate && !isStale) continue;
      // A reorg dropped a transaction before it: nothing under this nonce can be mined, not even its replacement.
      if ((await chain.nextNonce()) < sent.nonce) return isStale ? 'stale' : 'lost';
      if (replacements >= this.#options.replacementsMax) return 'lost'; // the next nonce asks the chain
      replacements++;
      sentAt = clock.monotonic();
      const replaced: SentTransaction | undefined = await (candidate.isCurrent()
        ? chain.sendAnswer(candidate.answer, sent)
        : chain.cancel(sent)
      ).catch((error: unknown) => {
        // It may have been mined meanwhile: the next look tells.
        this.#deps.log.debug({ error: errorMessage(error) }, 'could not replace a transaction');
        return undefined;
      });
      if (!replaced) continue;
      isCancelled = !candidate.isCurrent();
      sent = replaced;
      if (!isCancelled) hashes.push(replaced.hash);
    }
  }

  /** The best of them: at most one is mined, as they share a nonce. */
  async #outcomeOf(hashes: readonly Hash32[]): Promise<TransactionOutcome> {
    let best: TransactionOutcome = { state: 'unknown' };
    for (const hash of hashes) {
      const outcome = await this.#deps.chain.outcome(hash);
      if (outcome.state === 'mined') return outcome;
      if (outcome.state === 'pending') best = outcome;
    }
    return best;
  }

  #say(problem: string | undefined): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    if (problem === undefined) this.#deps.log.info({}, 'answers can be sent again');
    else this.#deps.log.warn({ problem }, 'answers cannot be sent');
  }
}
