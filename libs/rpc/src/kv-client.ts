import { type Address, type Hash32, isCodedError } from '@cairn/base';
import { hash32Schema } from '@cairn/protocol';
import { z } from 'zod';
import { rpcCall } from './call.ts';
import type { CallOptions, NodeClientOptions } from './node-client.ts';

/** A slice of a value; `data` is base64, `size` the whole value's. */
export type KvValue = { version: number; data: string; size: number };
export type KvKeyValue = KvValue & { key: string };
export type KvProgress = { appliedSeq: number; firstTxSeq: number | null };
export type KvSlice = { start: number; length: number; version?: number | undefined };

const uint = z.number().min(0);
const valueSchema = z.object({ version: uint, data: z.string(), size: uint });
const keyValueSchema = valueSchema.extend({ key: z.string() });
const progressSchema = z.object({ appliedSeq: uint, firstTxSeq: uint.nullable() });

/** One KV node, ours or 0G's. Keys and data are base64. Answers are checked for shape; what they claim is not. */
export interface KvNodeClient {
  readonly url: string;
  getValue(streamId: Hash32, key: string, slice: KvSlice, options?: CallOptions): Promise<KvValue>;
  /** The nearest key with a value behind (`next`) or before (`prev`) a key. */
  step(
    streamId: Hash32,
    from: KvSlice & { key: string; direction: 'next' | 'prev'; isInclusive: boolean },
    options?: CallOptions,
  ): Promise<KvKeyValue | null>;
  first(streamId: Hash32, slice: KvSlice, options?: CallOptions): Promise<KvKeyValue | null>;
  getTransactionResult(txSeq: number, options?: CallOptions): Promise<string | null>;
  getHoldingStreamIds(options?: CallOptions): Promise<Hash32[]>;
  /** Undefined on nodes that do not say it. */
  getReplayProgress(options?: CallOptions): Promise<KvProgress | undefined>;
  hasWritePermission(
    account: Address,
    streamId: Hash32,
    key: string,
    options?: CallOptions,
  ): Promise<boolean>;
  isAdmin(account: Address, streamId: Hash32, options?: CallOptions): Promise<boolean>;
  isSpecialKey(streamId: Hash32, key: string, options?: CallOptions): Promise<boolean>;
  isWriterOfKey(
    account: Address,
    streamId: Hash32,
    key: string,
    options?: CallOptions,
  ): Promise<boolean>;
  isWriterOfStream(account: Address, streamId: Hash32, options?: CallOptions): Promise<boolean>;
  /** Ours only: root of a stream (or of all), to compare nodes with. */
  getStateRoot(
    streamId: Hash32 | null,
    txSeq: number | null,
    options?: CallOptions,
  ): Promise<{ txSeq: number; root: string }>;
  addStream(
    streamId: Hash32,
    wallet: Address,
    signature: string,
    options?: CallOptions,
  ): Promise<boolean>;
}

export function createKvNodeClient(url: string, client: NodeClientOptions = {}): KvNodeClient {
  const base = url.replace(/\/+$/, '');
  const call = <T>(
    method: string,
    params: readonly unknown[],
    schema: z.ZodType<T>,
    options: CallOptions = {},
  ): Promise<T> =>
    rpcCall(base, method, params, {
      signal: options.signal,
      timeoutMs: options.timeoutMs ?? client.timeoutMs,
      schema,
      transport: client.transport,
      // A slice of 256 KiB and a key of 16 MiB, in base64.
      maxBytes: 32 * 1024 * 1024,
    });
  const at = (version: number | undefined): number[] => (version === undefined ? [] : [version]);
  const bool = z.boolean();
  return {
    url: base,
    getValue: (streamId, key, { start, length, version }, options) =>
      call('kv_getValue', [streamId, key, start, length, ...at(version)], valueSchema, options),
    step: (streamId, { key, direction, isInclusive, start, length, version }, options) =>
      call(
        direction === 'next' ? 'kv_getNext' : 'kv_getPrev',
        [streamId, key, start, length, isInclusive, ...at(version)],
        keyValueSchema.nullable(),
        options,
      ),
    first: (streamId, { start, length, version }, options) =>
      call(
        'kv_getFirst',
        [streamId, start, length, ...at(version)],
        keyValueSchema.nullable(),
        options,
      ),
    getTransactionResult: (txSeq, options) =>
      call('kv_getTransactionResult', [txSeq], z.string().nullable(), options),
    getHoldingStreamIds: (options) =>
      call('kv_getHoldingStreamIds', [], z.array(hash32Schema), options),
    getReplayProgress: (options) =>
      call('kv_getReplayProgress', [], progressSchema, options).catch((error: unknown) => {
        if (isCodedError(error, 'RPC_REMOTE') && error.details.code === -32601) return undefined;
        throw error;
      }),
    hasWritePermission: (account, streamId, key, options) =>
      call('kv_hasWritePermission', [account, streamId, key], bool, options),
    isAdmin: (account, streamId, options) => call('kv_isAdmin', [account, streamId], bool, options),
    isSpecialKey: (streamId, key, options) =>
      call('kv_isSpecialKey', [streamId, key], bool, options),
    isWriterOfKey: (account, streamId, key, options) =>
      call('kv_isWriterOfKey', [account, streamId, key], bool, options),
    isWriterOfStream: (account, streamId, options) =>
      call('kv_isWriterOfStream', [account, streamId], bool, options),
    getStateRoot: (streamId, txSeq, options) =>
      call(
        'kv_getStateRoot',
        [streamId, txSeq],
        z.object({ txSeq: uint, root: z.string() }),
        options,
      ),
    addStream: (streamId, wallet, signature, options) =>
      call('admin_addStream', [streamId, wallet, signature], bool, options),
  };
}
