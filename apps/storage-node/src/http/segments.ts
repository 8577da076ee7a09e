// Our binary route for segments (libs/protocol/src/segment-frame.ts has the format).
import { type DataRoot, parseHash32 } from '@cairn/base';
import {
  decodeFrames,
  encodeFrameHead,
  FRAMES_BODY_BYTES_MAX,
  frameBytes,
  SEGMENTS_PER_CALL_MAX,
  type SegmentFrame,
} from '@cairn/protocol';
import { invalidParams } from '@cairn/rpc';
import { type HttpRoute, sendJson } from '@cairn/rpc/node';
import type { Ingest } from '../ingest/ingest.ts';
import { parseRoot } from '../rpc/params.ts';
import type { Reader } from '../serve/reader.ts';
import { BodyBuffers } from './body-buffers.ts';

export type SegmentRoutesDeps = { ingest: Ingest; reader: Reader; version: string };

function queryUint(url: URL, name: string, fallback?: number): number {
  const text = url.searchParams.get(name);
  if (text === null && fallback !== undefined) return fallback;
  const value = text === null || !/^\d{1,16}$/.test(text) ? Number.NaN : Number(text);
  if (!Number.isSafeInteger(value)) throw invalidParams(name, 'expected a non-negative integer');
  return value;
}

/** Shared memory kept for bodies to come: what sixteen writers hold. */
const KEPT_BYTES_MAX = 16 * 8 * 1024 * 1024;

export function segmentRoutes(deps: SegmentRoutesDeps): HttpRoute[] {
  const buffers = new BodyBuffers(KEPT_BYTES_MAX);
  return [
    {
      methods: ['GET'],
      pattern: /^\/cairn\/v1\/info$/,
      async handle(_request, response) {
        sendJson(response, 200, {
          name: 'cairn storage node',
          version: deps.version,
          binary: true,
          framesMax: SEGMENTS_PER_CALL_MAX,
        });
      },
    },
    {
      methods: ['POST'],
      pattern: /^\/cairn\/v1\/files\/(0x[0-9a-fA-F]{64})\/segments$/,
      async handle(request, response) {
        const root = parseHash32(request.params[0]) as DataRoot;
        const fileSize = queryUint(request.url, 'fileSize');
        const txSeq = request.url.searchParams.has('txSeq')
          ? queryUint(request.url, 'txSeq')
          : undefined;
        let buffer: Uint8Array | undefined;
        const allocate = (bytes: number): Uint8Array => {
          buffer = buffers.take(bytes);
          return buffer;
        };
        try {
          const body = await request.body({ allocate, maxBytes: FRAMES_BODY_BYTES_MAX });
          const segments = decodeFrames(body).map((frame) => ({
            root,
            fileSize,
            index: frame.index,
            data: frame.data,
            proof: { kind: 'siblings', siblings: frame.siblings } as const,
          }));
          const accepted = await deps.ingest.accept(segments, {
            txSeq,
            skipDuplicates: true,
            signal: request.signal,
          });
          sendJson(response, 200, { accepted });
        } finally {
          // Nobody holds a view any more: what is kept longer than the request is copied (MemoryPool).
          if (buffer) buffers.give(buffer);
        }
      },
    },
    {
      methods: ['GET'],
      pattern: /^\/cairn\/v1\/files\/(\d{1,16})\/segments\/(\d{1,10})$/,
      async handle(request, response) {
        const count = queryUint(request.url, 'count', 1);
        const stride = queryUint(request.url, 'stride', 1);
        if (count < 1 || count > SEGMENTS_PER_CALL_MAX)
          throw invalidParams('count', `expected 1 to ${SEGMENTS_PER_CALL_MAX}`);
        if (stride < 1) throw invalidParams('stride', 'expected at least 1');
        const root = request.url.searchParams.get('root');
        const found = deps.reader.file(Number(request.params[0]), true);
        // Who follows another fork may mean another file.
        const file = root === null || parseRoot(root) === found?.root ? found : undefined;
        const first = Number(request.params[1]);
        const frames =
          file &&
          (await Promise.all(
            Array.from({ length: count }, (_, i) => deps.reader.segment(file, first + i * stride)),
          ));
        if (!frames?.every((frame): frame is SegmentFrame => frame !== undefined)) {
          sendJson(response, 404, { code: -32000, message: 'segment not found' });
          return;
        }
        response.writeHead(200, {
          'content-type': 'application/octet-stream',
          'content-length': frames.reduce((sum, frame) => sum + frameBytes(frame), 0),
        });
        response.cork();
        for (const frame of frames) {
          response.write(encodeFrameHead(frame));
          response.write(frame.data);
        }
        response.uncork();
        response.end();
      },
    },
  ];
}
