// Reading values, keys and histories from a KV node, ours or 0G's.
import { CodedError, type Hash32 } from '@cairn/base';
import { checkKey, NEWEST, QUERY_BYTES_MAX } from '@cairn/kv';
import type { KvNodeClient, KvValue } from '@cairn/rpc';
import { base64ToBytes, bytesToBase64 } from '../base64.ts';

/** A value and the txSeq of the batch that wrote it. */
export type KvEntry = { key: Uint8Array; value: Uint8Array; version: number };
export type KvVersion = { version: number; size: number };
export type ReadOptions = {
  /** Highest txSeq to look at, inclusive; default the newest. */
  version?: number | undefined;
  signal?: AbortSignal | undefined;
};
export type ListOptions = ReadOptions & {
  /** Only keys that begin so. */
  prefix?: Uint8Array | undefined;
  /** Only keys behind this one. */
  after?: Uint8Array | undefined;
  /** At most so many, default all. */
  limit?: number | undefined;
};

/** Largest value read into memory. */
const VALUE_BYTES_MAX = 1024 * 1024 * 1024;

/** The value of a key; undefined when it has none, with the version that deleted it or 0 in `version`. */
export async function readValue(
  node: KvNodeClient,
  streamId: Hash32,
  key: Uint8Array,
  options: ReadOptions = {},
): Promise<{ value: Uint8Array | undefined; version: number }> {
  checkKey(key);
  const name = bytesToBase64(key);
  const slice = { start: 0, length: QUERY_BYTES_MAX, version: options.version };
  const first = await node.getValue(streamId, name, slice, options);
  if (first.size === 0) return { value: undefined, version: first.version };
  return {
    value: await restOf(node, streamId, name, first, options),
    version: first.version,
  };
}

/** The whole value, of which `first` holds the beginning; the rest is read at the same version. */
async function restOf(
  node: KvNodeClient,
  streamId: Hash32,
  name: string,
  first: KvValue,
  options: ReadOptions,
): Promise<Uint8Array> {
  const head = base64ToBytes(first.data);
  if (head.length === first.size) return head;
  if (first.size > VALUE_BYTES_MAX)
    throw new CodedError({
      code: 'KV_VALUE_TOO_LARGE',
      kind: 'exhausted',
      message: `the value has ${first.size} bytes, at most ${VALUE_BYTES_MAX} are read at once`,
    });
  const out = new Uint8Array(first.size);
  out.set(head);
  for (let at = head.length; at < out.length; ) {
    const slice = { start: at, length: QUERY_BYTES_MAX, version: first.version };
    const part = await node.getValue(streamId, name, slice, options);
    const bytes = base64ToBytes(part.data);
    // An empty page would loop for ever; another version is another value.
    if (part.version !== first.version || part.size !== first.size || bytes.length === 0)
      throw new CodedError({
        code: 'KV_BAD_ANSWER',
        kind: 'unavailable',
        message: `${node.url} changed a value of version ${first.version} while it was read`,
        hint: 'the chain may have reorganised: read again',
      });
    out.set(bytes.subarray(0, out.length - at), at);
    at += bytes.length;
  }
  return out;
}

/** Keys with their values, in order. */
export async function* listEntries(
  node: KvNodeClient,
  streamId: Hash32,
  options: ListOptions = {},
): AsyncGenerator<KvEntry> {
  const { prefix = new Uint8Array(), after, limit = Number.POSITIVE_INFINITY, version } = options;
  const slice = { start: 0, length: QUERY_BYTES_MAX, version };
  let from = after ?? prefix;
  let isInclusive = after === undefined;
  for (let count = 0; count < limit; count++) {
    const found =
      from.length === 0
        ? await node.first(streamId, slice, options)
        : await node.step(
            streamId,
            { ...slice, key: bytesToBase64(from), direction: 'next', isInclusive },
            options,
          );
    if (!found) return;
    const key = base64ToBytes(found.key);
    if (!prefix.every((byte, i) => byte === key[i])) return;
    const value = await restOf(node, streamId, found.key, found, options);
    yield { key, value, version: found.version };
    from = key;
    isInclusive = false;
  }
}

/** Versions of a key, newest first; deletions have size 0. Works on every KV node: it reads before each version. */
export async function* keyHistory(
  node: KvNodeClient,
  streamId: Hash32,
  key: Uint8Array,
  options: ReadOptions & { limit?: number | undefined } = {},
): AsyncGenerator<KvVersion> {
  checkKey(key);
  const name = bytesToBase64(key);
  let version = options.version ?? NEWEST;
  for (let count = 0; count < (options.limit ?? Number.POSITIVE_INFINITY); count++) {
    const found = await node.getValue(streamId, name, { start: 0, length: 0, version }, options);
    // The reference answers version 0 for a key it does not know; a batch at txSeq 0 answers it with a size.
    if (found.version === 0 && found.size === 0) return;
    yield { version: found.version, size: found.size };
    if (found.version === 0) return;
    version = found.version - 1;
  }
}
