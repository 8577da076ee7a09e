/*
 * The REST gateway: files over plain HTTP, every byte verified against the root before it leaves.
 *
 * A file streams in windows of 4 MiB: a window is fetched from several nodes, verified, written, and the next one is
 * fetched while the client reads. A client that goes away stops the fetching.
 */
import type { ServerResponse } from 'node:http';
import { CodedError, errorMessage, type Hash32, isCodedError, type Logger } from '@cairn/base';
import { type FileInfo, hash32Schema } from '@cairn/protocol';
import { type HttpRequest, type HttpRoute, sendJson } from '@cairn/rpc/node';
import { BytesSink, type StorageClient } from '@cairn/sdk';
import type { NodeManager } from '../nodes/node-manager.ts';
import { GATEWAY, sendEnvelope } from './envelope.ts';
import { parseRange } from './range.ts';

export type GatewayDeps = { nodes: NodeManager; client: StorageClient; log: Logger };

const WINDOW_BYTES = 4 * 1024 * 1024;
const INFOS_MAX = 100;

export function gatewayRoutes(deps: GatewayDeps): HttpRoute[] {
  return [
    {
      methods: ['GET'],
      pattern: /^\/file\/info\/([^/]+)$/,
      handle: (request, response) => serveInfo(deps, request.params[0]!, response),
    },
    {
      methods: ['GET'],
      pattern: /^\/files\/info$/,
      handle: (request, response) => serveInfos(deps, request, response),
    },
    {
      methods: ['GET'],
      pattern: /^\/node\/status$/,
      handle: (_request, response) => serveStatus(deps, response),
    },
    {
      methods: ['GET', 'HEAD'],
      pattern: /^\/file\/([^/]+)\/?$/,
      handle: (request, response) => serveFile(deps, request.params[0]!, request, response),
    },
    {
      methods: ['GET', 'HEAD'],
      pattern: /^\/file$/,
      async handle(request, response) {
        const cid = request.url.searchParams.get('root') ?? request.url.searchParams.get('txSeq');
        if (cid === null)
          return sendEnvelope(
            response,
            GATEWAY.invalidParameter,
            "Either 'root' or 'txSeq' must be provided",
          );
        return serveFile(deps, cid, request, response);
      },
    },
    {
      methods: ['GET'],
      pattern: /^\/healthz$/,
      handle: async (_request, response) => sendJson(response, 200, { ok: true }),
    },
  ];
}

/** One FileInfo for the whole network: finalized where all say so. Null when nobody knows the file. */
async function mergedInfo(deps: GatewayDeps, cid: string): Promise<FileInfo | null> {
  const infos = [
    ...(
      await (/^\d+$/.test(cid)
        ? deps.nodes.infos(Number(cid))
        : deps.nodes.infosByRoot(parseCid(cid)))
    ).values(),
  ].filter((info) => info !== null);
  const first = infos[0];
  if (!first) return null;
  return {
    tx: first.tx,
    finalized: infos.every((info) => info.finalized),
    isCached: infos.every((info) => info.isCached),
    pruned: infos.some((info) => info.pruned),
    uploadedSegNum: Math.min(...infos.map((info) => info.uploadedSegNum)),
  };
}

function parseCid(cid: string): Hash32 {
  const parsed = hash32Schema.safeParse(cid);
  if (!parsed.success)
    throw new CodedError({
      code: 'GATEWAY_CID',
      kind: 'invalid',
      message: `not a root or a txSeq: ${cid.slice(0, 80)}`,
    });
  return parsed.data;
}

async function answer(
  deps: GatewayDeps,
  response: ServerResponse,
  run: () => Promise<void>,
): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (response.headersSent || (isCodedError(error) && error.kind === 'cancelled')) throw error;
    if (isCodedError(error, 'GATEWAY_CID'))
      return sendEnvelope(response, GATEWAY.invalidParameter, error.message);
    if (isCodedError(error, 'SDK_NOT_FOUND')) return sendEnvelope(response, GATEWAY.notFinalized);
    deps.log.warn({ error: errorMessage(error) }, 'gateway request failed');
    sendEnvelope(response, GATEWAY.internal, errorMessage(error));
  }
}

function serveInfo(deps: GatewayDeps, cid: string, response: ServerResponse): Promise<void> {
  return answer(deps, response, async () => {
    const info = await mergedInfo(deps, cid);
    if (info) sendEnvelope(response, GATEWAY.success, info);
    else sendEnvelope(response, GATEWAY.notFound);
  });
}

function serveInfos(
  deps: GatewayDeps,
  request: HttpRequest,
  response: ServerResponse,
): Promise<void> {
  return answer(deps, response, async () => {
    const cids = request.url.searchParams.getAll('cid');
    if (cids.length > INFOS_MAX)
      return sendEnvelope(response, GATEWAY.invalidParameter, `at most ${INFOS_MAX} files`);
    sendEnvelope(
      response,
      GATEWAY.success,
      await Promise.all(
        cids.map((cid) => mergedInfo(deps, cid).catch((error: unknown) => errorMessage(error))),
      ),
    );
  });
}

function serveStatus(deps: GatewayDeps, response: ServerResponse): Promise<void> {
  return answer(deps, response, async () => {
    const statuses = await deps.nodes.statuses();
    const first = statuses[0];
    if (!first) return sendEnvelope(response, GATEWAY.internal, 'no storage node answers');
    const lowest = statuses.reduce((a, b) => (b.logSyncHeight < a.logSyncHeight ? b : a));
    sendEnvelope(response, GATEWAY.success, {
      ...lowest,
      connectedPeers: Math.max(...statuses.map((status) => status.connectedPeers)),
      nextTxSeq: Math.min(...statuses.map((status) => status.nextTxSeq)),
    });
  });
}

function serveFile(
  deps: GatewayDeps,
  cid: string,
  request: HttpRequest,
  response: ServerResponse,
): Promise<void> {
  return answer(deps, response, async () => {
    const info = await mergedInfo(deps, cid);
    if (!info) return sendEnvelope(response, GATEWAY.notFound);
    if (info.pruned) return sendEnvelope(response, GATEWAY.pruned);
    const { dataMerkleRoot: root, size } = info.tx;
    const etag = `"${root}"`;
    if (request.headers['if-none-match'] === etag) {
      response.writeHead(304, { etag }).end();
      return;
    }
    const conditional = request.headers['if-range'];
    const range =
      conditional === undefined || conditional === etag
        ? parseRange(request.headers.range, size)
        : undefined;
    if (range === 'unsatisfiable') {
      response.writeHead(416, { 'content-range': `bytes */${size}`, etag }).end();
      return;
    }
    const { start, end } = range ?? { start: 0, end: size };
    if ((await deps.nodes.locations(root)) === null)
      return sendEnvelope(response, GATEWAY.notFinalized);
    const fetchWindow = async (at: number): Promise<Uint8Array> => {
      const to = Math.min(end, at + WINDOW_BYTES);
      const sink = new BytesSink(to - at, at);
      await deps.client.download(root, sink, {
        range: { start: at, end: to },
        signal: request.signal,
      });
      return sink.bytes;
    };
    // The first window comes before the headers, so a file that cannot be served is an error and not a broken body.
    let next = request.method === 'HEAD' ? undefined : fetchWindow(start);
    await next;
    const name = (request.url.searchParams.get('name') ?? root).replace(/[^\w.-]/g, '_');
    response.writeHead(range ? 206 : 200, {
      'content-type': 'application/octet-stream',
      'content-length': end - start,
      'accept-ranges': 'bytes',
      etag,
      'cache-control': 'public, max-age=31536000, immutable',
      'content-disposition': `attachment; filename="${name}"`,
      ...(range ? { 'content-range': `bytes ${start}-${end - 1}/${size}` } : {}),
    });
    for (let at = start; next; at += WINDOW_BYTES) {
      const bytes = await next;
      next = at + WINDOW_BYTES < end ? fetchWindow(at + WINDOW_BYTES) : undefined;
      next?.catch(() => {}); // awaited in the next turn
      if (!response.write(bytes)) await drained(response, request.signal);
    }
    response.end();
  });
}

function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    response.once('drain', resolve);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
