/*
 * Uploads by HTTP/1.1 to our own services: the head goes first, and the body only when the other side asks for it (`Expect:
 * 100-continue`), so that a refusal costs no body. Parts are written from where they lie, many to a system call, as fast as they are
 * taken. Against a gRPC stream, whose frames have 16 KiB and whose window 64 KiB, both sides spend a fraction of the time
 * (docs/adr/0012).
 */
import { type Agent, type ClientRequest, type IncomingMessage, request } from 'node:http';
import { CodedError, withTimeout } from '@cairn/base';
import type { z } from 'zod';
import { transportError } from '../transport.ts';
import { decodeWireError } from '../wire-error.ts';

export type UploadSettings = { signal?: AbortSignal | undefined; timeoutMs: number };
export type Upload<Answer> = {
  agent: Agent;
  /** `host:port`. */
  endpoint: string;
  path: string;
  headers: Readonly<Record<string, string>>;
  /** The body in order; not copied where it is long, so it must stay as it is until the upload has ended. */
  parts: readonly Uint8Array[];
  /** What a good answer (200) looks like. */
  answer: z.ZodType<Answer>;
};

/** Handed to the kernel together; the socket is asked whether it wants more after each of them. */
const GROUP_BYTES = 512 * 1024;
/** Shorter parts are copied together: a buffer of its own costs more than copying so many bytes. */
const COPIED_BYTES_MAX = 2048;
const ANSWER_BYTES_MAX = 8192;

/**
 * Resolves with the answer. Rejects with the coded error that the other side answered, `RPC_UNREACHABLE`, `RPC_TIMEOUT`,
 * `RPC_BAD_RESPONSE` or the signal's reason.
 */
export async function upload<Answer>(
  job: Upload<Answer>,
  settings: UploadSettings,
): Promise<Answer> {
  const signal = withTimeout(settings.signal, settings.timeoutMs);
  const url = `http://${job.endpoint}${job.path}`;
  try {
    const { status, text } = await exchange(job, url, signal);
    const answer = status === 200 ? job.answer.safeParse(JSON.parse(text)) : undefined;
    if (answer?.success) return answer.data;
    throw decodeWireError(text, job.endpoint) ?? badAnswer(job.endpoint, status);
  } catch (error) {
    if (error instanceof SyntaxError) throw badAnswer(job.endpoint, 200);
    throw transportError(
      signal.aborted && !settings.signal?.aborted ? signal.reason : error,
      url,
      settings.signal,
    );
  }
}

function exchange(
  { agent, headers, parts }: Upload<unknown>,
  url: string,
  signal: AbortSignal,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const outgoing = request(url, {
      agent,
      method: 'POST',
      headers: {
        ...headers,
        'content-length': parts.reduce((sum, part) => sum + part.length, 0),
        expect: '100-continue',
      },
      signal,
    });
    outgoing.on('error', reject);
    outgoing.once('continue', () => {
      sendBody(outgoing, parts).catch((error: unknown) => outgoing.destroy(error as Error));
    });
    outgoing.once('response', (incoming) => {
      readText(incoming)
        .then((text) => resolve({ status: incoming.statusCode ?? 0, text }), reject)
        .finally(() => {
          // Answered before it had the body: the connection is in the middle of a request for good.
          if (!outgoing.writableFinished) outgoing.destroy();
        });
    });
    outgoing.flushHeaders();
  });
}

async function sendBody(outgoing: ClientRequest, parts: readonly Uint8Array[]): Promise<void> {
  for (const group of groupsOf(parts)) {
    if (outgoing.destroyed) return;
    outgoing.cork();
    for (const part of group) outgoing.write(part);
    outgoing.uncork();
    if (outgoing.writableNeedDrain) await drained(outgoing);
  }
  outgoing.end();
}

/** Parts in groups of about `GROUP_BYTES`; runs of short ones are one new part. */
function* groupsOf(parts: readonly Uint8Array[]): Generator<Uint8Array[]> {
  let group: Uint8Array[] = [];
  let bytes = 0;
  let short: Uint8Array[] = [];
  const join = (): void => {
    if (short.length > 0) group.push(Buffer.concat(short));
    short = [];
  };
  for (const part of parts) {
    if (part.length <= COPIED_BYTES_MAX) short.push(part);
    else {
      join();
      group.push(part);
    }
    bytes += part.length;
    if (bytes < GROUP_BYTES) continue;
    join();
    yield group;
    group = [];
    bytes = 0;
  }
  join();
  if (group.length > 0) yield group;
}

function drained(outgoing: ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      outgoing.off('drain', done).off('close', done);
      resolve();
    };
    outgoing.on('drain', done).on('close', done);
  });
}

async function readText(incoming: IncomingMessage): Promise<string> {
  let text = '';
  for await (const part of incoming.setEncoding('utf8')) {
    text += part as string;
    if (text.length > ANSWER_BYTES_MAX) throw new Error('the answer is too long');
  }
  return text;
}

function badAnswer(endpoint: string, status: number): CodedError {
  return new CodedError({
    code: 'RPC_BAD_RESPONSE',
    kind: 'invalid',
    message: `${endpoint} gave a malformed answer`,
    details: { endpoint, status },
  });
}
