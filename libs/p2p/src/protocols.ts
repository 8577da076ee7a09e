import { HAVE_ANSWER_BYTES_MAX, HAVE_REQUEST_BYTES } from './messages/have.ts';
import { PIECES_ANSWER_BYTES_MAX, PIECES_REQUEST_BYTES_MAX } from './messages/pieces.ts';
import { SEGMENTS_ANSWER_BYTES_MAX, SEGMENTS_REQUEST_BYTES_MAX } from './messages/segments.ts';
import { type NetworkIdentity, STATUS_BYTES } from './messages/status.ts';
import type { ProtocolSpec } from './network.ts';

/** Every request protocol with its bounds. */
export const PROTOCOLS = {
  status: {
    name: '/cairn/status/2',
    requestBytesMax: STATUS_BYTES,
    answerBytesMax: STATUS_BYTES,
    inFlightPerPeerMax: 2,
  },
  have: {
    name: '/cairn/have/1',
    requestBytesMax: HAVE_REQUEST_BYTES,
    answerBytesMax: HAVE_ANSWER_BYTES_MAX,
    inFlightPerPeerMax: 4,
  },
  segments: {
    name: '/cairn/segments/1',
    requestBytesMax: SEGMENTS_REQUEST_BYTES_MAX,
    answerBytesMax: SEGMENTS_ANSWER_BYTES_MAX,
    inFlightPerPeerMax: 8,
  },
  pieces: {
    name: '/cairn/pieces/1',
    requestBytesMax: PIECES_REQUEST_BYTES_MAX,
    answerBytesMax: PIECES_ANSWER_BYTES_MAX,
    inFlightPerPeerMax: 8,
  },
} as const satisfies Record<string, ProtocolSpec>;

/** Topics carry the network in their name, so that two networks never mix. */
export function topicNames(network: NetworkIdentity): {
  newFile: string;
  findFile: string;
  announceFile: string;
} {
  const prefix = `/cairn/${network.chainId}/${network.flowAddress}`;
  return {
    newFile: `${prefix}/new-file/1`,
    findFile: `${prefix}/find-file/1`,
    announceFile: `${prefix}/announce-file/1`,
  };
}
