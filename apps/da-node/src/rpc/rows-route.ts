/*
 * `POST /cairn/v1/rows` (libs/protocol/src/row-upload.ts): the same offer as `StoreRows`, whose body is read in one piece straight
 * into the memory that the check works on.
 */
import { isCodedError, type Logger } from '@cairn/base';
import { checkRowsBody, decodeRowsHead, ROWS_PATH, splitRowsBody } from '@cairn/protocol';
import { decodeHeader } from '@cairn/quorum';
import {
  encodeWireError,
  type HttpRequest,
  type HttpRoute,
  httpStatusOf,
  sendText,
} from '@cairn/rpc/node';
import type { Offer, Receiver } from '../blobs/receive.ts';

export type RowsRouteDeps = {
  receiver: Pick<Receiver, 'receive'>;
  log: Logger;
  /** Called after each upload. */
  onCall?: ((outcome: 'ok' | 'error', seconds: number) => void) | undefined;
};

export function rowsRoute({ receiver, log, onCall }: RowsRouteDeps): HttpRoute {
  return {
    methods: ['POST'],
    pattern: new RegExp(`^${ROWS_PATH}$`),
    async handle(request, response) {
      const started = performance.now();
      const done = (outcome: 'ok' | 'error'): void =>
        onCall?.(outcome, (performance.now() - started) / 1000);
      try {
        const known = await receiver.receive(toOffer(request), request.signal);
        done('ok');
        // The body was not asked for: the connection is in the middle of a request.
        if (known) response.setHeader('connection', 'close');
        sendText(response, 200, JSON.stringify({ known }));
      } catch (error) {
        done('error');
        if (!isCodedError(error) || error.kind === 'cancelled') throw error;
        log.debug({ code: error.code, error: error.message }, 'an upload of rows was refused');
        // What was not read of the body is not worth reading.
        response.setHeader('connection', 'close');
        sendText(response, httpStatusOf(error), encodeWireError(error));
      }
    },
  };
}

function toOffer(request: HttpRequest): Offer {
  const { header, authorization, member } = decodeRowsHead(request.headers);
  return {
    ...{ header: decodeHeader(header), authorization, member },
    async take(lengths, signal) {
      const bodyBytes = Number(request.headers['content-length'] ?? 0);
      checkRowsBody(bodyBytes, lengths);
      const body = await request.body({ maxBytes: bodyBytes, signal });
      checkRowsBody(body.length, lengths);
      const { rowRoot, rlc, siblings, rows } = splitRowsBody(body, lengths);
      // The rows go to a thread and take their memory along.
      return { rows, rowRoot: rowRoot.slice(), rlc: rlc.slice(), siblings: siblings.slice() };
    },
  };
}
