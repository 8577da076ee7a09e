/* How challenges of either service end: by an answer, or by a failure that anybody may report after the deadline. */
import { type Clock, isCodedError } from '@cairn/base';

export type ChallengeWatch<T> = {
  /** Last block that may hold the answer. */
  deadline: number;
  head(): Promise<{ number: number }>;
  /** How it ended; undefined while it is open. */
  outcome(): Promise<T | undefined>;
  /** Reports that nobody answered. */
  fail(): Promise<unknown>;
};

const POLL_MS = 500;

/** Waits for the end of a challenge, which it brings about itself when nobody answers in time. */
export async function challengeEnd<T>(
  watch: ChallengeWatch<T>,
  { clock, signal }: { clock: Clock; signal?: AbortSignal | undefined },
): Promise<T> {
  for (;;) {
    const outcome = await watch.outcome();
    if (outcome) return outcome;
    const { number } = await watch.head();
    if (number > watch.deadline)
      await watch.fail().catch((error: unknown) => {
        signal?.throwIfAborted();
        // Somebody else may have reported it in the meantime: the next look tells.
        if (!(isCodedError(error) && error.details.errorName === 'UnknownChallenge')) throw error;
      });
    else await clock.sleep(POLL_MS, signal);
  }
}
