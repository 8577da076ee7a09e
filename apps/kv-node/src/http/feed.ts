/*
 * Changes of a stream as server-sent events:
 *
 *   GET /cairn/v1/streams/{id}/events[?from=txSeq]      Last-Event-ID goes on behind that txSeq
 *
 *   event: start                data: {"from"}          the first txSeq that is looked at
 *   event: batch    id: txSeq   data: {"txSeq","txHash","sender","changes":[{"key":base64,"size"}],"more":false}
 *   event: revert               data: {"fromSeq"}       batches from there on are undone; what replaces them follows
 *
 * A watcher is a cursor, not a queue: it reads what it has not sent yet from the database, at the speed of its reader. One
 * that stops reading is cut off and costs nothing; it comes back with Last-Event-ID.
 */
import type { ServerResponse } from 'node:http';
import { CodedError, parseHash32 } from '@cairn/base';
import type { HttpRoute } from '@cairn/rpc/node';
import type { DecidedBatch } from '../store/batch-table.ts';
import type { KvState } from '../store/kv-state.ts';

export type FeedOptions = { maxWatchers: number; heartbeatMs?: number; stallMs?: number };

type Watcher = { cursor: number; revertedTo: number | undefined; wake: () => void };

const PAGE_BATCHES = 32;
const CHANGES_PER_EVENT = 1000;

export class Feed {
  readonly #state: KvState;
  readonly #options: Required<FeedOptions>;
  readonly #watchers = new Set<Watcher>();
  #isClosed = false;

  constructor(state: KvState, options: FeedOptions) {
    this.#state = state;
    this.#options = { heartbeatMs: 15_000, stallMs: 30_000, ...options };
  }

  get size(): number {
    return this.#watchers.size;
  }

  /** More batches are decided. */
  wake(): void {
    for (const watcher of this.#watchers) watcher.wake();
  }

  /** Ends every watcher; they come back to the next node under this address. */
  close(): void {
    this.#isClosed = true;
    this.wake();
  }

  reverted(seq: number): void {
    for (const watcher of this.#watchers) {
      if (watcher.cursor > seq) {
        watcher.cursor = seq;
        watcher.revertedTo = seq;
      }
      watcher.wake();
    }
  }

  route(): HttpRoute {
    return {
      methods: ['GET'],
      pattern: /^\/cairn\/v1\/streams\/(0x[0-9a-fA-F]{64})\/events$/,
      handle: async ({ params, url, headers, signal }, response) => {
        const streamId = parseHash32(params[0]);
        const stream = this.#state.streamName(streamId);
        if (this.#watchers.size >= this.#options.maxWatchers)
          throw new CodedError({
            code: 'KV_TOO_MANY_WATCHERS',
            kind: 'exhausted',
            message: `${this.#options.maxWatchers} watchers are connected, which is all this node serves`,
            hint: 'try again later, or another node',
          });
        const last = headers['last-event-id'];
        const start =
          typeof last === 'string' && last !== ''
            ? seqOf(last) + 1
            : seqOf(url.searchParams.get('from') ?? String(this.#state.log.applied()));
        response.writeHead(200, {
          'content-type': 'text/event-stream',
          'cache-control': 'no-store',
        });
        response.write(`event: start\ndata: ${JSON.stringify({ from: start })}\n\n`);
        await this.#serve(stream, start, response, signal);
      },
    };
  }

  async #serve(
    stream: number,
    start: number,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<void> {
    const watcher: Watcher = { cursor: start, revertedTo: undefined, wake: () => {} };
    this.#watchers.add(watcher);
    try {
      while (!signal.aborted && !this.#isClosed) {
        const woken = new Promise<'woken'>((resolve) => {
          watcher.wake = () => resolve('woken');
        });
        const isIdle = await this.#sendPage(stream, watcher, response, signal);
        if (!isIdle) continue;
        const cause = await Promise.race([woken, timer(this.#options.heartbeatMs, signal)]);
        if (cause === 'time') await this.#write(response, ': still here\n\n', signal);
      }
    } finally {
      this.#watchers.delete(watcher);
      response.end();
    }
  }

  /** Sends what is there, up to a page; true when there is no more. */
  async #sendPage(
    stream: number,
    watcher: Watcher,
    response: ServerResponse,
    signal: AbortSignal,
  ): Promise<boolean> {
    if (watcher.revertedTo !== undefined) {
      const fromSeq = watcher.revertedTo;
      watcher.revertedTo = undefined;
      await this.#write(
        response,
        `event: revert\ndata: ${JSON.stringify({ fromSeq })}\n\n`,
        signal,
      );
    }
    const page = this.#state.batches.changing(stream, watcher.cursor, PAGE_BATCHES);
    for (const batch of page) {
      watcher.cursor = batch.seq + 1;
      for (const text of this.#events(stream, batch)) await this.#write(response, text, signal);
      // A reorg while we waited for the reader: what follows on this page is void.
      if (watcher.revertedTo !== undefined) return false;
    }
    return page.length < PAGE_BATCHES;
  }

  *#events(stream: number, batch: DecidedBatch): Generator<string> {
    const { seq, txHash, sender } = batch;
    const keys = batch.changes.filter((change) => change.stream === stream);
    for (let at = 0; at === 0 || at < keys.length; at += CHANGES_PER_EVENT) {
      const changes = keys.slice(at, at + CHANGES_PER_EVENT).map(({ key }) => ({
        key: Buffer.from(key).toString('base64'),
        size: this.#state.values.at(stream, key, seq)?.size ?? 0,
      }));
      const more = at + CHANGES_PER_EVENT < keys.length;
      const data = JSON.stringify({ txSeq: seq, txHash, sender, changes, more });
      // Only the last part carries the id: who is cut off in between gets the whole batch again.
      yield `event: batch\n${more ? '' : `id: ${seq}\n`}data: ${data}\n\n`;
    }
  }

  async #write(response: ServerResponse, text: string, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (response.write(text)) return;
    const drained = new Promise<'drained'>((resolve) =>
      response.once('drain', () => resolve('drained')),
    );
    const cause = await Promise.race([drained, timer(this.#options.stallMs, signal)]);
    if (cause === 'time')
      throw new CodedError({
        code: 'KV_WATCHER_STALLED',
        kind: 'cancelled',
        message: 'a watcher does not read',
      });
  }
}

function seqOf(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new CodedError({
    code: 'KV_EVENT_POSITION',
    kind: 'invalid',
    message: `expected a txSeq, got ${text.slice(0, 40)}`,
  });
}

/** Resolves after a time or when the signal aborts, and leaves no timer behind. */
function timer(ms: number, signal: AbortSignal): Promise<'time' | 'aborted'> {
  return new Promise((resolve) => {
    const onAbort = (): void => {
      clearTimeout(handle);
      resolve('aborted');
    };
    const handle = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve('time');
    }, ms);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}
