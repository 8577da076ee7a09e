// What `admin_getNetworkInfo`, `admin_getPeers` and `admin_getFileLocation` answer (spec/storage-rpc.md section 6).
import type { Clock } from '@cairn/base';
import { type KnownPeer, type PeerNetwork, type PeerService, parseAddress } from '@cairn/p2p';
import type { ShardConfig } from '@cairn/protocol';
import type { StoredSubmission } from '../store/submission-table.ts';

export type PeerReports = {
  connected(): number;
  networkInfo(): Record<string, unknown>;
  peers(): Promise<Record<string, unknown>>;
  /** Who has the file, by IP; null when `allShards` is asked for and they do not cover it. */
  location(
    file: StoredSubmission,
    allShards: boolean,
  ): { ip: string; shardConfig: ShardConfig }[] | null;
};

const host = (address: string | undefined): string | undefined => {
  try {
    return address && parseAddress(address).host;
  } catch {
    return undefined;
  }
};

/** True when the shards together hold every segment: each class of the finest division is in one of them. */
export function coversAll(shards: readonly ShardConfig[]): boolean {
  const finest = Math.max(0, ...shards.map(({ numShard }) => numShard));
  for (let id = 0; id < finest; id++)
    if (!shards.some(({ shardId, numShard }) => id % numShard === shardId)) return false;
  return finest > 0;
}

/** Reports of a node with peers. */
export function peerReports(deps: {
  service: PeerService;
  network: PeerNetwork;
  clock: Clock;
  /** Peers that said to have the file finalized. */
  holders: (file: StoredSubmission) => readonly KnownPeer[];
}): PeerReports {
  const { service, network, clock } = deps;
  const statusOf = (peer: KnownPeer): string =>
    service.book.isBanned(peer.peer) ? 'banned' : peer.connection ? 'connected' : 'disconnected';
  return {
    connected: () => service.book.ready().length,
    networkInfo: () => {
      const connections = network.connections();
      const all = service.book.all();
      const count = (status: string): number =>
        all.filter((peer) => statusOf(peer) === status).length;
      const outgoing = connections.filter(({ direction }) => direction === 'outbound').length;
      return {
        peerId: service.peerId,
        listenAddresses: service.addresses(),
        totalPeers: all.length,
        bannedPeers: count('banned'),
        disconnectedPeers: count('disconnected'),
        connectedPeers: connections.length,
        connectedOutgoingPeers: outgoing,
        connectedIncomingPeers: connections.length - outgoing,
      };
    },
    peers: async () => {
      const entries = await Promise.all(
        service.book.all().map(async (peer) => {
          const { agent, addresses } = await network.describe(peer.peer);
          const ip = host(peer.address);
          const direction = peer.connection?.direction;
          return [
            peer.peer,
            {
              client: {
                version: agent?.split('/')[1] ?? '',
                os: '',
                protocol: '',
                agent: agent ?? '',
              },
              connectionStatus: {
                status: statusOf(peer),
                connectionsIn: direction === 'inbound' ? 1 : 0,
                connectionsOut: direction === 'outbound' ? 1 : 0,
                lastSeenSecs: Math.max(0, Math.floor((clock.now() - peer.lastSeenAt) / 1000)),
              },
              listeningAddresses: addresses,
              seenIps: ip ? [ip] : [],
              isTrusted: false,
              connectionDirection:
                direction === undefined ? null : direction === 'inbound' ? 'Incoming' : 'Outgoing',
              enr: null,
            },
          ] as const;
        }),
      );
      return Object.fromEntries(entries);
    },
    location: (file, allShards) => {
      const found: { ip: string; shardConfig: ShardConfig }[] = [];
      const add = (ip: string | undefined, shardConfig: ShardConfig): void => {
        if (
          ip &&
          !found.some((entry) => entry.ip === ip && isSameShard(entry.shardConfig, shardConfig))
        )
          found.push({ ip, shardConfig });
      };
      for (const peer of deps.holders(file)) {
        if (peer.status) add(host(peer.address), peer.status.shard);
      }
      for (const { peer, shard, addresses } of service.locations.get({
        txSeq: file.seq,
        root: file.root,
      }))
        add(host(addresses[0] ?? service.book.get(peer)?.address), shard);
      return allShards && !coversAll(found.map(({ shardConfig }) => shardConfig)) ? null : found;
    },
  };
}

const isSameShard = (a: ShardConfig, b: ShardConfig): boolean =>
  a.shardId === b.shardId && a.numShard === b.numShard;

/** Reports of a node that runs without peers. */
export function loneReports(peerId: string): PeerReports {
  return {
    connected: () => 0,
    networkInfo: () => ({
      peerId,
      listenAddresses: [],
      totalPeers: 0,
      bannedPeers: 0,
      disconnectedPeers: 0,
      connectedPeers: 0,
      connectedOutgoingPeers: 0,
      connectedIncomingPeers: 0,
    }),
    peers: async () => ({}),
    location: (_file, allShards) => (allShards ? null : []),
  };
}
