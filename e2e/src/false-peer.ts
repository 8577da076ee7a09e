// A peer that speaks the protocol and misbehaves: it has every file, and lies about the bytes or never gives them.
import { silentLogger, systemClock, systemRandom } from '@cairn/base';
import { type FileSource, PEER_SERVICE_DEFAULTS, PeerService } from '@cairn/p2p';
import { createLibp2pNetwork } from '@cairn/p2p/libp2p';
import type { NodeClient } from '@cairn/rpc';

export type FalsePeer = AsyncDisposable & {
  peerId: string;
  address: string;
  /** How often it was asked for segments. */
  asked: () => number;
  /** Peers it is connected to. */
  connections: () => number;
};

/** `lies`: flips a bit of honest segments, which it gets from `honest`. `is silent`: takes the request and says nothing. */
export async function startFalsePeer(
  fault: 'lies' | 'is silent',
  honest: NodeClient,
): Promise<FalsePeer> {
  const { networkIdentity } = await honest.getStatus();
  let asked = 0;
  const source: FileSource = {
    shard: () => ({ shardId: 0, numShard: 1 }),
    nextTxSeq: () => 1000,
    finalized: ({ count }) => new Uint8Array(Math.ceil(count / 8)).fill(255),
    isFinalized: () => true,
    segments: async ({ txSeq, indexes }, signal) => {
      asked++;
      if (fault === 'is silent')
        return new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason));
        });
      return Promise.all(
        indexes.map(async (index) => {
          const [frame] = await honest.downloadFrames(txSeq, { index, count: 1 });
          const data = frame!.data.slice();
          data[data.length >> 1]! ^= 1;
          return { ...frame!, data };
        }),
      );
    },
    pieces: async ({ pieces }) => pieces.map(() => undefined),
  };
  const network = await createLibp2pNetwork(
    { log: silentLogger },
    {
      seed: systemRandom.bytes(32),
      listen: ['/ip4/127.0.0.1/tcp/0'],
      announce: [],
      allowPrivate: true,
      bootNodes: [],
      limits: { connectionsMax: 32, inboundPerHostPerSecond: 100, dialsMax: 8 },
      agent: 'false/1',
      dhtName: `${networkIdentity.chainId}/${networkIdentity.flowAddress}`,
    },
  );
  const service = new PeerService(
    { network, source, clock: systemClock, random: systemRandom, log: silentLogger },
    {
      ...PEER_SERVICE_DEFAULTS,
      identity: networkIdentity,
      bootNodes: [],
    },
  );
  await service.start();
  return {
    peerId: service.peerId,
    address: service.addresses()[0]!,
    asked: () => asked,
    connections: () => network.connections().length,
    [Symbol.asyncDispose]: () => service.stop(),
  };
}
