import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  bytesToHex,
  CodedError,
  hexToBytes,
  type Logger,
  systemClock,
  systemRandom,
} from '@cairn/base';
import { type FileSource, PEER_SERVICE_DEFAULTS, type PeerNetwork, PeerService } from '@cairn/p2p';
import type { NodeConfig } from '../config.ts';
import type { NetworkName } from '../network.ts';

export type PeersDeps = {
  source: FileSource;
  log: Logger;
  onServed: (bytes: number) => void;
  onCutOff: () => void;
};

/** The node's peers over libp2p. The library is loaded here, so that a node without peers does not pay for it. */
export async function createPeers(
  deps: PeersDeps,
  config: NodeConfig,
  identity: NetworkName,
  version: string,
): Promise<{ service: PeerService; network: PeerNetwork }> {
  const { createLibp2pNetwork, machineLimits } = await import('@cairn/p2p/libp2p');
  const network = await createLibp2pNetwork(
    { log: deps.log },
    {
      seed: await loadPeerSeed(join(config.dataDir, 'peer.key')),
      listen: [
        `/ip${config.p2pHost.includes(':') ? 6 : 4}/${config.p2pHost}/tcp/${config.p2pPort}`,
      ],
      announce: config.announceAddresses,
      allowPrivate: config.allowPrivateAddresses,
      bootNodes: config.bootNodes,
      limits: machineLimits(),
      agent: `cairn/${version}`,
      dhtName: `${identity.chainId}/${identity.flowAddress}`,
    },
  );
  const service = new PeerService(
    { network, clock: systemClock, random: systemRandom, ...deps },
    {
      ...PEER_SERVICE_DEFAULTS,
      identity,
      bootNodes: config.bootNodes,
      targetPeers: config.targetPeers,
      exchange: { serveBytesPerSecond: config.serveBytesPerSecond, idleMs: config.peerIdleMs },
    },
  );
  return { service, network };
}

/** The 32 secret bytes of this node's peer id, made once; readable by the owner only. Throws `NODE_PEER_KEY`. */
export async function loadPeerSeed(path: string): Promise<Uint8Array> {
  let text: string;
  try {
    text = (await readFile(path, 'utf8')).trim();
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    const seed = systemRandom.bytes(32);
    const file = await open(path, 'wx', 0o600);
    await file.writeFile(`${bytesToHex(seed)}\n`);
    await file.sync();
    await file.close();
    return seed;
  }
  if (!/^0x[0-9a-f]{64}$/.test(text))
    throw new CodedError({
      code: 'NODE_PEER_KEY',
      kind: 'corrupt',
      message: `${path} does not hold a peer key`,
      hint: 'restore it, or remove it: the node then takes a new peer id',
    });
  return hexToBytes(text);
}
