import { CodedError } from '@cairn/base';

/** Blobs that may be watched at once. */
const WATCHERS_MAX = 1024;

/** Who waits for news of which blob. */
export class Watchers {
  readonly #waiting = new Map<string, Set<() => void>>();

  /** Resolves at the next change of a blob, or when the signal aborts. Throws `DISPERSER_BUSY` beyond `WATCHERS_MAX`. */
  changed(id: string, signal: AbortSignal): Promise<void> {
    if (this.#waiting.size >= WATCHERS_MAX && !this.#waiting.has(id))
      throw new CodedError({
        code: 'DISPERSER_BUSY',
        kind: 'exhausted',
        message: `${WATCHERS_MAX} blobs are being watched already`,
        hint: 'ask for the status instead',
      });
    const waiting = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, waiting);
    return new Promise((resolve) => {
      const done = (): void => {
        waiting.delete(done);
        if (waiting.size === 0) this.#waiting.delete(id);
        signal.removeEventListener('abort', done);
        resolve();
      };
      waiting.add(done);
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted) done();
    });
  }

  notify(id: string): void {
    for (const done of [...(this.#waiting.get(id) ?? [])]) done();
  }
}
