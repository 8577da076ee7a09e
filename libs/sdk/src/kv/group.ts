/*
 * Group commit of unconditional writes: while earlier groups are under way, writes collect per stream; when the submitter is
 * ready they become one batch. A batch is refused as a whole, so when one is, its writes are tried again each on its own
 * and only those at fault fail.
 */
import { CodedError, type Hash32 } from '@cairn/base';
import { BatchBuilder, bytesToText, LIST_ENTRIES_MAX } from '@cairn/kv';
import type { Results } from './results.ts';
import type { Submitter } from './submitter.ts';

type Write = {
  key: Uint8Array;
  value: Uint8Array;
  waiters: { resolve: (txSeq: number) => void; reject: (error: unknown) => void }[];
};
type Open = { streamId: Hash32; writes: Map<string, Write>; bytes: number };

/** Where one batch is closed and the next one begins. */
const BATCH_BYTES_MAX = 16 * 1024 * 1024;
/** Writes that wait, before `set` throws `KV_QUEUE_FULL`. */
const WRITES_MAX = 1_000_000;
const NOTHING_MS = 2;

export class GroupCommit {
  readonly #submitter: Submitter;
  readonly #results: Results;
  readonly #open = new Map<Hash32, Open>();
  #waiting = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(submitter: Submitter, results: Results) {
    this.#submitter = submitter;
    this.#results = results;
    submitter.onReady = () => this.#flush();
  }

  /** Resolves with the txSeq when the write is committed. A later write of the same key in the group wins. */
  set(streamId: Hash32, key: Uint8Array, value: Uint8Array): Promise<number> {
    if (this.#waiting >= WRITES_MAX)
      return Promise.reject(
        new CodedError({
          code: 'KV_QUEUE_FULL',
          kind: 'exhausted',
          message: `${WRITES_MAX} writes wait already`,
          hint: 'wait for some of them before writing more',
        }),
      );
    this.#waiting++;
    return new Promise<number>((resolve, reject) => {
      let open = this.#open.get(streamId);
      if (
        open &&
        (open.writes.size >= LIST_ENTRIES_MAX || open.bytes + value.length > BATCH_BYTES_MAX)
      ) {
        this.#close(open);
        open = undefined;
      }
      if (!open) {
        open = { streamId, writes: new Map(), bytes: 0 };
        this.#open.set(streamId, open);
      }
      const name = bytesToText(key);
      const before = open.writes.get(name);
      open.bytes += key.length + value.length;
      open.writes.set(name, {
        key,
        value,
        waiters: [...(before?.waiters ?? []), { resolve, reject }],
      });
      // Those that come in the same few milliseconds go together even when nothing is under way.
      this.#timer ??= setTimeout(() => {
        this.#timer = undefined;
        this.#flush();
      }, NOTHING_MS);
    }).finally(() => {
      this.#waiting--;
    });
  }

  #flush(): void {
    if (!this.#submitter.isReady || this.#timer !== undefined) return;
    for (const open of [...this.#open.values()]) this.#close(open);
  }

  #close(open: Open): void {
    this.#open.delete(open.streamId);
    void this.#commit(open.streamId, [...open.writes.values()]);
  }

  async #commit(streamId: Hash32, writes: readonly Write[]): Promise<void> {
    try {
      const builder = new BatchBuilder();
      for (const { key, value } of writes) builder.set(streamId, key, value);
      const txSeq = await this.#submitter.submit(builder.build());
      await this.#results.committed(txSeq);
      for (const { waiters } of writes) for (const { resolve } of waiters) resolve(txSeq);
    } catch (error) {
      const isRefused =
        error instanceof CodedError && ['KV_DENIED', 'KV_REFUSED'].includes(error.code);
      if (isRefused && writes.length > 1) {
        await Promise.all(writes.map((write) => this.#commit(streamId, [write])));
        return;
      }
      for (const { waiters } of writes) for (const { reject } of waiters) reject(error);
    }
  }
}
