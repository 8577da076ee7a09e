// What the gateway says in JSON, and how failures become it (spec/storage-rpc.md 8.1).
import type { ServerResponse } from 'node:http';
import { CodedError, errorMessage, isCodedError, type Logger } from '@cairn/base';
import { sendJson } from '@cairn/rpc/node';

/** Business codes; all but `internal` travel with HTTP 200. */
export const GATEWAY = {
  success: [0, 'Success'],
  invalidParameter: [1, 'Invalid parameter'],
  internal: [2, 'Internal server error'],
  notFound: [101, 'File not found'],
  pruned: [102, 'File already pruned'],
  notFinalized: [103, 'File not finalized yet'],
  pathNotFound: [104, 'File path not found'],
  tooLarge: [105, 'File size too large'],
  unsupported: [106, 'File type unsupported'],
} as const;
export type GatewayCode = (typeof GATEWAY)[keyof typeof GATEWAY];

const INTERNAL_STATUS = 600;

/** `{code, message, data}` with HTTP 200, or the 600 that clients of the gateway expect for internal errors. */
export function sendEnvelope(
  response: ServerResponse,
  [code, message]: GatewayCode,
  data?: unknown,
): void {
  sendJson(response, code === GATEWAY.internal[0] ? INTERNAL_STATUS : 200, {
    code,
    message,
    ...(data === undefined ? {} : { data }),
  });
}

/** Thrown to end a request with a business code. */
export class Refusal extends Error {
  readonly answer: GatewayCode;
  readonly data: unknown;

  constructor(answer: GatewayCode, data?: unknown) {
    super(answer[1]);
    this.name = 'Refusal';
    this.answer = answer;
    this.data = data;
  }
}

/** Runs a handler; whatever it throws before the first byte is answered in the envelope. */
export async function answering(
  deps: { log: Logger },
  response: ServerResponse,
  run: () => Promise<void>,
): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (response.headersSent || (isCodedError(error) && error.kind === 'cancelled')) throw error;
    const { answer, data } = refusalOf(error);
    if (answer === GATEWAY.internal)
      deps.log.warn({ error: errorMessage(error) }, 'gateway request failed');
    sendEnvelope(response, answer, data);
  }
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  if (isCodedError(error, 'SDK_NOT_FOUND')) return new Refusal(GATEWAY.notFinalized);
  if (error instanceof CodedError) {
    if (error.code === 'PROTOCOL_DIRECTORY' || error.code === 'PROTOCOL_BUNDLE')
      return new Refusal(GATEWAY.unsupported, error.message);
    if (error.code.startsWith('HTTP_') && error.kind === 'invalid')
      return new Refusal(GATEWAY.invalidParameter, error.message);
    return new Refusal(GATEWAY.internal, error.message);
  }
  return new Refusal(GATEWAY.internal, error instanceof Error ? error.message : undefined);
}
