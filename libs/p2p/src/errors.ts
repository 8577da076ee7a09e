import { CodedError, type ErrorKind } from '@cairn/base';

/** Why an exchange with a peer failed. */
export type P2pErrorCode =
  | 'P2P_NO_CONNECTION'
  | 'P2P_LISTEN'
  | 'P2P_DIAL'
  | 'P2P_PRIVATE_ADDRESS'
  | 'P2P_ADDRESS'
  | 'P2P_TIMEOUT'
  | 'P2P_CLOSED'
  | 'P2P_TOO_LONG'
  | 'P2P_MALFORMED'
  | 'P2P_REFUSED'
  | 'P2P_UNSUPPORTED'
  | 'P2P_OTHER_NETWORK'
  | 'P2P_UNASKED';

const KINDS: Record<P2pErrorCode, ErrorKind> = {
  P2P_NO_CONNECTION: 'unavailable',
  P2P_LISTEN: 'unavailable',
  P2P_DIAL: 'unavailable',
  P2P_PRIVATE_ADDRESS: 'invalid',
  P2P_ADDRESS: 'invalid',
  P2P_TIMEOUT: 'timeout',
  P2P_CLOSED: 'unavailable',
  P2P_TOO_LONG: 'invalid',
  P2P_MALFORMED: 'invalid',
  P2P_REFUSED: 'unavailable',
  P2P_UNSUPPORTED: 'unavailable',
  P2P_OTHER_NETWORK: 'invalid',
  P2P_UNASKED: 'invalid',
};

export function p2pError(
  code: P2pErrorCode,
  message: string,
  more: { details?: Record<string, unknown>; cause?: unknown; kind?: ErrorKind } = {},
): CodedError {
  return new CodedError({
    code,
    kind: more.kind ?? KINDS[code],
    message,
    ...(more.details ? { details: more.details } : {}),
    ...(more.cause === undefined ? {} : { cause: more.cause }),
  });
}

/** A message of a peer that breaks the rules of its format. */
export const malformed = (what: string): CodedError =>
  p2pError('P2P_MALFORMED', `malformed message: ${what}`);
