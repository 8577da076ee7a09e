/*
 * The twin: one iteration and one answer check written down as the specification says them (storage-protocol.md 4.2-4.6), on
 * bigints and @noble/hashes. Shares no code with src or the kernels.
 */
import { blake2b } from '@noble/hashes/blake2.js';
import { keccak_256 } from '@noble/hashes/sha3.js';

const K = (...parts: Uint8Array[]): Uint8Array => keccak_256(Buffer.concat(parts));
const B = (...parts: Uint8Array[]): Uint8Array => blake2b(Buffer.concat(parts), { dkLen: 64 });
export const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex.slice(2), 'hex'));
export const hex = (data: Uint8Array): string => `0x${Buffer.from(data).toString('hex')}`;
const word = (n: bigint): Uint8Array => bytes(`0x${n.toString(16).padStart(64, '0')}`);
const number = (data: Uint8Array): bigint => BigInt(hex(data));
const xor = (a: Uint8Array, b: Uint8Array): Uint8Array => a.map((byte, i) => byte ^ b[i]!);

export function seal(data: Uint8Array, minerId: string, digest: string, start: bigint): Uint8Array {
  const out = new Uint8Array(4096);
  let mask = K(bytes(minerId), bytes(digest), word(start));
  for (let i = 0; i < 128; i++) {
    const sealed = xor(data.subarray(32 * i, 32 * i + 32), mask);
    out.set(sealed, 32 * i);
    mask = K(sealed);
  }
  return out;
}

export function unseal(
  data: Uint8Array,
  minerId: string,
  digest: string,
  start: bigint,
): Uint8Array {
  const out = new Uint8Array(4096);
  for (let i = 0; i < 128; i++) {
    const mask =
      i === 0
        ? K(bytes(minerId), bytes(digest), word(start))
        : K(data.subarray(32 * i - 32, 32 * i));
    out.set(xor(data.subarray(32 * i, 32 * i + 32), mask), 32 * i);
  }
  return out;
}

export type ReferenceRange = { start: bigint; length: bigint; id: bigint; mask: bigint };

export function rangeDigest(range: ReferenceRange): Uint8Array {
  return K(word(range.start), word(range.length), word(range.id), word(range.mask));
}

export function pad(padSeed: Uint8Array): { pad: Uint8Array; recallSeed: Uint8Array } {
  const cells: Uint8Array[] = [];
  let d = padSeed;
  for (let i = 0; i < 256; i++) {
    const first = K(d);
    d = Buffer.concat([first, K(Buffer.concat([first, d.subarray(32)]))]);
    cells.push(d);
  }
  return { pad: new Uint8Array(Buffer.concat(cells)), recallSeed: K(d) };
}

/** Everything a nonce determines: the load it recalls and the quality of each of its seals. */
export function iterate(input: {
  minerId: string;
  nonce: string;
  subtaskDigest: string;
  range: ReferenceRange;
}): {
  padSeed: Uint8Array;
  recallSeed: Uint8Array;
  position: bigint | undefined;
  quality(sealOffset: number, sealed: Uint8Array): bigint;
} {
  const { range } = input;
  const padSeed = B(
    bytes(input.minerId),
    bytes(input.nonce),
    bytes(input.subtaskDigest),
    rangeDigest(range),
  );
  const scratch = pad(padSeed);
  const drawn = number(scratch.recallSeed) % (range.length / 1024n);
  const load = (drawn & range.mask) | range.id;
  return {
    padSeed,
    recallSeed: scratch.recallSeed,
    position: load * 1024n < range.length ? range.start + load * 1024n : undefined,
    quality(sealOffset, sealed) {
      const quarter = scratch.pad.subarray((sealOffset % 4) * 4096, (sealOffset % 4) * 4096 + 4096);
      const digest = B(word(BigInt(sealOffset)), padSeed, new Uint8Array(32), xor(sealed, quarter));
      return number(digest.subarray(0, 32));
    },
  };
}

export function threshold(target: bigint, mask: bigint, flowLength: bigint): bigint {
  let shards = 1n;
  for (let bit = 0n; bit < 64n; bit++) if ((mask & (1n << bit)) === 0n) shards *= 2n;
  const cap = (x: bigint): bigint => (x < 2n ** 35n ? x : 2n ** 35n);
  const scale = (cap(flowLength) << 64n) / cap(flowLength / shards);
  return (target / scale) << 64n;
}

/** Root over 16 sectors and siblings. */
export function sealRoot(data: Uint8Array, position: bigint, proof: readonly string[]): string {
  let level = Array.from({ length: 16 }, (_, i) => K(data.subarray(256 * i, 256 * i + 256)));
  while (level.length > 1)
    level = level.flatMap((node, i) => (i % 2 === 0 ? [K(node, level[i + 1]!)] : []));
  let node = level[0]!;
  for (const [i, sibling] of proof.entries()) {
    const left = ((position / 16n) >> BigInt(i)) % 2n === 0n;
    node = left ? K(node, bytes(sibling)) : K(bytes(sibling), node);
  }
  return hex(node);
}
