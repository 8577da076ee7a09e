import { concatBytes, type Hash32, type Hex, hexToBytes } from '@cairn/base';
import { STREAM_DOMAIN } from './constants.ts';

/** Tags of a submission that is a batch of these streams: the domain, then each id; 32 bytes each. */
export function encodeTags(streamIds: readonly Hash32[]): Uint8Array {
  return concatBytes(hexToBytes(STREAM_DOMAIN), ...streamIds.map((id) => hexToBytes(id)));
}

/** Streams that the tags name, each once, in order; empty when the submission is no batch (spec/kv.md section 2). */
export function parseTags(tags: Hex): Hash32[] {
  const digits = tags.length - 2;
  if (digits <= 64 || digits % 64 !== 0) return [];
  const text = tags.toLowerCase();
  if (!text.startsWith(STREAM_DOMAIN)) return [];
  const ids = new Set<Hash32>();
  for (let at = 66; at < text.length; at += 64) ids.add(`0x${text.slice(at, at + 64)}` as Hash32);
  return [...ids];
}
