// Addresses that peers name. Only `/ip4|ip6/…/tcp/…[/p2p/…]` is spoken: a name would let a peer choose what we resolve.
import { isIP } from 'node:net';
import { p2pError } from '../errors.ts';
import type { PeerId } from '../network.ts';

export type PeerAddress = { host: string; port: number; peer: PeerId | undefined };

const FORM =
  /^\/ip([46])\/([0-9a-fA-F.:]+)\/tcp\/(\d{1,5})(?:\/p2p\/([1-9A-HJ-NP-Za-km-z]{20,100}))?$/;

/** Throws `P2P_ADDRESS`. */
export function parseAddress(address: string): PeerAddress {
  const [, version, host, port, peer] = FORM.exec(address.slice(0, 256)) ?? [];
  if (!host || isIP(host) !== Number(version) || Number(port) > 65_535 || Number(port) === 0) {
    throw p2pError('P2P_ADDRESS', 'not an address of the form /ip4/1.2.3.4/tcp/1234', {
      details: { address: address.slice(0, 256) },
    });
  }
  return { host, port: Number(port), peer: peer as PeerId | undefined };
}

/**
 * True for hosts that are not on the public internet: loopback, private, link-local, shared, documentation, multicast and
 * unspecified ranges (RFC 6890), and IPv6 addresses that carry such an IPv4 address. A stranger that names one of these
 * wants us to knock inside our own network.
 */
export function isPrivateHost(host: string): boolean {
  return isIP(host) === 6 ? isPrivateIpv6(host.toLowerCase()) : isPrivateIpv4(host);
}

function isPrivateIpv4(host: string): boolean {
  const [a = 0, b = 0, c = 0] = host.split('.').map(Number);
  return (
    a === 0 ||
    a === 10 ||
    a === 127 ||
    a >= 224 ||
    (a === 100 && b >= 64 && b < 128) ||
    (a === 169 && b === 254) ||
    (a === 172 && b >= 16 && b < 32) ||
    (a === 192 && (b === 168 || (b === 0 && (c === 0 || c === 2)))) ||
    (a === 198 && (b === 18 || b === 19 || (b === 51 && c === 100))) ||
    (a === 203 && b === 0 && c === 113)
  );
}

function isPrivateIpv6(host: string): boolean {
  const words = expandIpv6(host);
  if (!words) return true;
  const [first = 0, second = 0] = words;
  const isEmbedded =
    words.slice(0, 5).every((word) => word === 0) && (words[5] === 0 || words[5] === 0xffff);
  if (isEmbedded || (first === 0x64 && second === 0xff9b)) {
    const [high = 0, low = 0] = words.slice(6);
    return isPrivateIpv4([high >> 8, high & 255, low >> 8, low & 255].join('.'));
  }
  // Only 2000::/3 is in global use; documentation, Teredo and 6to4 inside it reach elsewhere than they say.
  if (first < 0x2000 || first > 0x3fff) return true;
  return first === 0x2002 || (first === 0x2001 && (second === 0 || second === 0xdb8));
}

/** Eight words; undefined for what is not IPv6. */
function expandIpv6(host: string): number[] | undefined {
  if (isIP(host) !== 6) return undefined;
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(host);
  const plain = dotted
    ? `${dotted[1]}${toWord(dotted[2], dotted[3])}:${toWord(dotted[4], dotted[5])}`
    : host;
  const [left = '', right] = plain.split('::');
  const words = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((word) => Number.parseInt(word, 16));
  const [head, tail] = [words(left), words(right ?? '')];
  if (right === undefined) return head;
  return [...head, ...Array<number>(Math.max(0, 8 - head.length - tail.length)).fill(0), ...tail];
}

const toWord = (high: string | undefined, low: string | undefined): string =>
  ((Number(high) << 8) | Number(low)).toString(16);
