// Malformed frames over real libp2p connections: on our protocols, on those of the libraries beneath, and on none; and bytes that
// are no libp2p at all. A node bans who talks nonsense, so strangers come and go, each under a name and from an address of its own.
import { connect } from 'node:net';
import type { RandomSource } from '@cairn/base';
import {
  encodeHaveRequest,
  encodePiecesRequest,
  encodeSegmentsRequest,
  encodeStatus,
  type NetworkIdentity,
  P2P_VERSION,
  PROTOCOLS,
  parseAddress,
  topicNames,
} from '@cairn/p2p';
import { dialAsStranger, type Stranger } from '@cairn/p2p/testing';
import { below, mutate, oneOf } from './mutate.ts';

const FRAMES_PER_STRANGER = 100;
const NONSENSE_SHARE = 0.05;
const FRAME_BYTES_MAX = 70_000;
const ADDRESSES = 200;
const RAW_WAIT_MS = 100;

export type FrameSource = { random: RandomSource; identity: NetworkIdentity };
type Frame = { protocol: string; bytes: Uint8Array; isCut: boolean };

const ROOT = `0x${'ab'.repeat(32)}` as never;

/** A request as it lies on a stream: length, then body. `length` may lie. */
function framed(body: Uint8Array, length = body.length): Uint8Array {
  const out = new Uint8Array(4 + body.length);
  new DataView(out.buffer).setUint32(0, length, true);
  out.set(body, 4);
  return out;
}

/** The next frame for a peer that may have greeted. */
export function nextFrame({ random, identity }: FrameSource): Frame {
  const bodies: readonly [string, Uint8Array][] = [
    [PROTOCOLS.status.name, statusOf(identity)],
    [PROTOCOLS.have.name, encodeHaveRequest({ fromSeq: below(random, 2 ** 31), count: 100 })],
    [
      PROTOCOLS.segments.name,
      encodeSegmentsRequest({ txSeq: below(random, 3), root: ROOT, indexes: [below(random, 9)] }),
    ],
    [
      PROTOCOLS.pieces.name,
      encodePiecesRequest({
        txSeq: below(random, 3),
        root: ROOT,
        pieces: [{ index: below(random, 9), height: 2, position: below(random, 256) }],
      }),
    ],
  ];
  const isCut = random.next() < 0.2;
  if (random.next() < 0.7) {
    const [protocol, body] = oneOf(random, bodies);
    // Good bodies in bad frames are no reason to be banned, so that a stranger gets to say more.
    const isBodyGood = random.next() < 0.5;
    const said = isBodyGood ? body : mutate(random, body, FRAME_BYTES_MAX);
    const frame = random.next() < 0.7 ? framed(said) : framed(said, below(random, 2 ** 32));
    const bytes = random.next() < 0.5 ? frame : mutate(random, frame, FRAME_BYTES_MAX);
    return { protocol, bytes, isCut };
  }
  const protocol = oneOf(random, [
    '/meshsub/1.1.0',
    '/meshsub/1.2.0',
    '/ipfs/id/1.0.0',
    '/ipfs/id/push/1.0.0',
    '/ipfs/ping/1.0.0',
    `/cairn/${identity.chainId}/${identity.flowAddress}/kad/1`,
    topicNames(identity).newFile,
    `/${'x'.repeat(below(random, 900))}`,
    '/cairn/status/1',
  ]);
  return { protocol, bytes: random.bytes(below(random, 3000)), isCut };
}

const statusOf = (network: NetworkIdentity): Uint8Array =>
  encodeStatus({
    version: P2P_VERSION,
    network,
    shard: { shardId: 0, numShard: 1 },
    nextTxSeq: 0,
    httpPort: 0,
  });

/** One stranger's visit: at most `framesMax` frames, fewer when it is thrown out. Gives how many were said. */
export async function visit(
  address: string,
  source: FrameSource,
  framesMax: number,
): Promise<number> {
  const { random, identity } = source;
  const localAddress = `127.0.0.${2 + below(random, ADDRESSES)}`;
  if (random.next() < NONSENSE_SHARE) return sendNonsense(address, localAddress, random);
  let stranger: Stranger;
  try {
    stranger = await dialAsStranger(address, { localAddress, seed: random.bytes(32) });
  } catch {
    return 0; // too many at once: the node has a right to refuse
  }
  await using peer = stranger;
  if (random.next() < 0.7) await peer.say(PROTOCOLS.status.name, framed(statusOf(identity)));
  let said = 0;
  while (said < Math.min(framesMax, FRAMES_PER_STRANGER) && peer.isConnected()) {
    const { protocol, bytes, isCut } = nextFrame(source);
    if (await peer.say(protocol, bytes, { isCut })) said++;
    else if (!peer.isConnected()) break;
    else said++; // the protocol was refused, which is an answer too
  }
  return said;
}

/** Bytes that are no handshake. */
function sendNonsense(
  address: string,
  localAddress: string,
  random: RandomSource,
): Promise<number> {
  const { host, port } = parseAddress(address);
  const multistream = new TextEncoder().encode('\u0013/multistream/1.0.0\n\u0007/noise\n');
  return new Promise((resolve) => {
    let said = 0;
    const socket = connect({ host, port, localAddress });
    socket.on('error', () => {});
    socket.once('connect', () => {
      said = 1;
      socket.resume();
      socket.write(mutate(random, multistream, FRAME_BYTES_MAX));
      socket.setTimeout(RAW_WAIT_MS, () => socket.resetAndDestroy());
    });
    socket.once('close', () => resolve(said));
  });
}
