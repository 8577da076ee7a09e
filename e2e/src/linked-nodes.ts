// Two nodes that reach each other over an impaired link and no other way.
import { freePort, ImpairedLink, peerFlags } from '@cairn/testkit';
import type { Site, SiteNode } from './site.ts';

/**
 * A node whose peers reach it over a link only: it listens on another address of the loopback, announces the link's, and its
 * binary HTTP route is on an interface that peers do not use.
 */
export async function startLinkedHolder(
  site: Site,
  seed: number,
): Promise<{ holder: SiteNode; link: ImpairedLink; port: number }> {
  const behind = await freePort();
  const link = await ImpairedLink.start({ host: '127.0.0.2', port: behind }, { seed });
  const holder = await site.start(`holder-${seed}`, [
    ...peerFlags([]),
    ...['--p2p-host', '127.0.0.2', '--p2p-port', String(behind)],
    ...['--announce-addresses', `/ip4/127.0.0.1/tcp/${link.port}`],
  ]);
  return { holder, link, port: link.port };
}

/** Flags of a node that knows one peer, by a link, and that no peer reaches by itself: the address it tells leads nowhere. */
export const peerOverLink = (port: number): string[] => [
  ...peerFlags([`/ip4/127.0.0.1/tcp/${port}`]),
  ...['--p2p-host', '127.0.0.3', '--announce-addresses', '/ip4/127.0.0.1/tcp/9'],
];
