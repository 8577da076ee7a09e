/*
 * Bytes over plain HTTP, every one verified against its root before it leaves.
 *
 * A file streams in windows of 4 MiB: a window is fetched from several nodes, verified, written, and the next one is
 * fetched while the client reads. A client that goes away stops the fetching. The first window comes before the headers, so
 * that a file that cannot be served is an error and not a broken body.
 */
import type { ServerResponse } from 'node:http';
import type { DataRoot } from '@cairn/base';
import type { HttpRequest } from '@cairn/rpc/node';
import { BytesSink, type StorageClient } from '@cairn/sdk';
import { allowsRange, contentDisposition, matchesTag, parseRange } from './range.ts';

export type Content = {
  /** Parts in order. */
  roots: readonly DataRoot[];
  /** Bytes served: of all parts, or of the member of a bundle. */
  size: number;
  /** Where in the parts they begin. */
  start: number;
  /** Quoted entity tag: names these bytes for ever. */
  tag: string;
  name: string;
  /** Whether the address names these bytes for ever too; a place in the log may change hands in a reorg. */
  isImmutable: boolean;
};

const WINDOW_BYTES = 4 * 1024 * 1024;

/** Answers GET and HEAD with the bytes, a range of them, 304 or 416. */
export async function sendContent(
  deps: { client: StorageClient; onBytes?: ((bytes: number) => void) | undefined },
  request: HttpRequest,
  response: ServerResponse,
  content: Content,
): Promise<void> {
  const { size, tag } = content;
  const { headers } = request;
  response.setHeader('etag', tag);
  response.setHeader('accept-ranges', 'bytes');
  response.setHeader(
    'cache-control',
    content.isImmutable ? 'public, max-age=31536000, immutable' : 'public, no-cache',
  );
  if (matchesTag(headers['if-none-match'], tag)) {
    response.writeHead(304).end();
    return;
  }
  const isHead = request.method === 'HEAD';
  const range =
    !isHead && allowsRange(headers['if-range'] as string | undefined, tag)
      ? parseRange(headers.range, size)
      : undefined;
  if (range === 'unsatisfiable') {
    response.writeHead(416, { 'content-range': `bytes */${size}` }).end();
    return;
  }
  const { start, end } = range ?? { start: 0, end: size };
  const fetchWindow = async (at: number): Promise<Uint8Array> => {
    const to = Math.min(end, at + WINDOW_BYTES);
    const sink = new BytesSink(to - at, content.start + at);
    await deps.client.download(content.roots, sink, {
      range: { start: content.start + at, end: content.start + to },
      signal: request.signal,
    });
    return sink.bytes;
  };
  let next = isHead || size === 0 ? undefined : fetchWindow(start);
  await next;
  response.writeHead(range ? 206 : 200, {
    'content-type': 'application/octet-stream',
    'content-length': end - start,
    'content-disposition': contentDisposition(content.name),
    'x-content-type-options': 'nosniff',
    ...(range ? { 'content-range': `bytes ${start}-${end - 1}/${size}` } : {}),
  });
  for (let at = start; next; at += WINDOW_BYTES) {
    const bytes = await next;
    next = at + WINDOW_BYTES < end ? fetchWindow(at + WINDOW_BYTES) : undefined;
    next?.catch(() => {}); // awaited in the next turn
    deps.onBytes?.(bytes.length);
    if (!response.write(bytes)) await drained(response, request.signal);
  }
  response.end();
}

function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onDrain = (): void => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    };
    const onAbort = (): void => {
      response.off('drain', onDrain);
      reject(signal.reason);
    };
    if (signal.aborted) {
      onAbort();
      return;
    }
    response.once('drain', onDrain);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
