// Changes of a stream as they are committed: server-sent events of our KV nodes, gone on with after every break.
import { type Clock, CodedError, type Hash32, systemClock } from '@cairn/base';
import { base64ToBytes } from '../base64.ts';

export type KvEvent =
  | {
      kind: 'batch';
      txSeq: number;
      txHash: string;
      sender: string;
      /** Size 0 is a deletion. */
      changes: { key: Uint8Array; size: number }[];
      /** More events of the same batch follow. */
      more: boolean;
    }
  /** The chain reorganised: batches from `fromSeq` on are undone; what replaces them follows. */
  | { kind: 'revert'; fromSeq: number };

export type WatchOptions = {
  /** First txSeq; default: what is committed from now on. */
  from?: number | undefined;
  signal: AbortSignal;
  clock?: Clock | undefined;
};

const RETRY_MS = 500;
/** One event names at most 1000 keys; a longer line is not from our node. */
const EVENT_CHARS_MAX = 64 * 1024 * 1024;

/** Ends when the signal aborts. Throws `KV_WATCH_REFUSED` when the node does not serve the stream. */
export async function* watchStream(
  url: string,
  streamId: Hash32,
  options: WatchOptions,
): AsyncGenerator<KvEvent> {
  const { signal, clock = systemClock } = options;
  let next = options.from;
  const target = `${url.replace(/\/+$/, '')}/cairn/v1/streams/${streamId}/events`;
  while (!signal.aborted) {
    try {
      const response = await fetch(next === undefined ? target : `${target}?from=${next}`, {
        signal,
      });
      if (!response.ok || !response.body) throw await refusal(response, url);
      for await (const { event, data } of parseEvents(response.body)) {
        const parsed = JSON.parse(data) as Record<string, unknown>;
        if (event === 'revert') {
          next = Number(parsed.fromSeq);
          yield { kind: 'revert', fromSeq: next };
        } else if (event === 'start') next ??= Number(parsed.from);
        else if (event === 'batch') {
          const batch = batchOf(parsed);
          if (!batch.more) next = batch.txSeq + 1;
          yield batch;
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof CodedError && error.kind !== 'exhausted') throw error;
    }
    await clock.sleep(RETRY_MS, signal).catch(() => {});
  }
}

function batchOf(data: Record<string, unknown>): KvEvent & { kind: 'batch' } {
  const changes = (data.changes as { key: string; size: number }[]).map(({ key, size }) => ({
    key: base64ToBytes(key),
    size,
  }));
  return {
    kind: 'batch',
    txSeq: Number(data.txSeq),
    txHash: String(data.txHash),
    sender: String(data.sender),
    changes,
    more: data.more === true,
  };
}

async function refusal(response: Response, url: string): Promise<CodedError> {
  const text = await response.text().catch(() => '');
  return new CodedError({
    code: 'KV_WATCH_REFUSED',
    kind: response.status === 503 ? 'exhausted' : 'not_found',
    message: `${url} does not serve events of the stream: HTTP ${response.status} ${text.slice(0, 200)}`,
  });
}

async function* parseEvents(
  body: ReadableStream<Uint8Array>,
): AsyncGenerator<{ event: string; data: string }> {
  const decoder = new TextDecoder();
  let text = '';
  for await (const part of body) {
    text += decoder.decode(part, { stream: true });
    if (text.length > EVENT_CHARS_MAX) throw new Error('an event without an end');
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n');
      text = text.slice(end + 2);
      const field = (name: string): string =>
        lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? '';
      if (field('data') !== '') yield { event: field('event'), data: field('data') };
    }
  }
}
