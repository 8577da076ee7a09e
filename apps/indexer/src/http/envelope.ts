import type { ServerResponse } from 'node:http';
import { sendJson } from '@cairn/rpc/node';

/** Business codes of the gateway (spec/storage-rpc.md 8.1). */
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

/** `{code, message, data}` with HTTP 200, or the 600 that clients of the gateway expect for internal errors. */
export function sendEnvelope(
  response: ServerResponse,
  [code, message]: readonly [number, string],
  data?: unknown,
): void {
  sendJson(response, code === GATEWAY.internal[0] ? 600 : 200, {
    code,
    message,
    ...(data === undefined ? {} : { data }),
  });
}
