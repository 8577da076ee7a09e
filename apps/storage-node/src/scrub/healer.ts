import { errorMessage, type Logger } from '@cairn/base';
import type { Files } from '../ingest/files.ts';
import type { StoredSubmission } from '../store/submission-table.ts';

export type HealerDeps = {
  files: Files;
  log: Logger;
  onDamaged?: (() => void) | undefined;
  /** The file is open again and something must bring the segment. */
  onReopened?: ((file: StoredSubmission) => void) | undefined;
};

/** Segments that wait to be taken out; more are found again by the scrub. */
const QUEUE_MAX = 1024;

type Damage = { file: StoredSubmission; index: number };

/**
 * Takes damaged segments out of service: what is stored of them is forgotten, so that it is never served, and the file is
 * open again until the segment came back. One at a time, each once.
 */
export class Healer {
  readonly #deps: HealerDeps;
  readonly #queue = new Map<string, Damage>();
  #draining: Promise<void> | undefined;

  constructor(deps: HealerDeps) {
    this.#deps = deps;
  }

  /** Notes a damaged segment; returns at once. */
  damaged(file: StoredSubmission, index: number): void {
    const key = `${file.seq}/${index}`;
    if (this.#queue.has(key) || this.#queue.size >= QUEUE_MAX) return;
    this.#queue.set(key, { file, index });
    this.#draining ??= this.#drain().finally(() => {
      this.#draining = undefined;
    });
  }

  /** Resolves when nothing waits. */
  async settled(): Promise<void> {
    await this.#draining;
  }

  async #drain(): Promise<void> {
    const { files, log } = this.#deps;
    for (const [key, { file, index }] of this.#queue) {
      this.#deps.onDamaged?.();
      log.error({ txSeq: file.seq, index }, 'a stored segment is damaged and was taken out');
      try {
        await files.reopen(file, index);
        this.#deps.onReopened?.(file);
      } catch (error) {
        log.warn(
          { txSeq: file.seq, index, error: errorMessage(error) },
          'a damaged segment could not be taken out',
        );
      }
      this.#queue.delete(key);
    }
  }
}
