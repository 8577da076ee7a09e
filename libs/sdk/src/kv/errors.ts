import { CodedError } from '@cairn/base';
import { RESULT } from '@cairn/kv';

/**
 * Our error for a batch that was not committed: `KV_CONFLICT`, `KV_DENIED`, `KV_NO_PERMISSION`, `KV_REFUSED`. The node's own
 * words are in `details.result`.
 */
export function refusedError(result: string, txSeq: number): CodedError {
  const details = { result, txSeq };
  if (result === RESULT.versionConflict)
    return new CodedError({
      code: 'KV_CONFLICT',
      kind: 'conflict',
      message: 'a key was written by somebody else since it was read',
      hint: 'read again and decide again',
      details,
    });
  if (result === RESULT.senderNoPermission)
    return new CodedError({
      code: 'KV_NO_PERMISSION',
      kind: 'invalid',
      message: 'the account may not write to the stream',
      hint: 'an admin of the stream can grant it the writer role',
      details,
    });
  if (/^(Write|AccessControl)PermissionDenied/.test(result))
    return new CodedError({
      code: 'KV_DENIED',
      kind: 'invalid',
      message: `the account lacks a role: ${result}`,
      details,
    });
  return new CodedError({
    code: 'KV_REFUSED',
    kind: 'invalid',
    message: `the batch was refused: ${result}`,
    details,
  });
}

/** The node went past a batch without a result: it is not a batch of streams that it watches. */
export function notWatchedError(txSeq: number, url: string): CodedError {
  return new CodedError({
    code: 'KV_NOT_WATCHED',
    kind: 'not_found',
    message: `${url} does not watch the stream of submission ${txSeq}`,
    hint: 'add the stream to the node with admin_addStream, or ask another node',
    details: { txSeq, url },
  });
}
