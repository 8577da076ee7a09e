/*
 * Optimistic transactions: `fn` reads at one snapshot, what it read is declared in the batch, and replay refuses the batch
 * when any of it was written since. On a conflict everything is done again on a newer snapshot.
 */
import { CodedError, type Hash32, isCodedError, retry } from '@cairn/base';
import { BatchBuilder, bytesToText, checkKey } from '@cairn/kv';
import type { KvNodeClient } from '@cairn/rpc';
import { readValue } from './reads.ts';
import type { Results } from './results.ts';
import type { Submitter } from './submitter.ts';

/** What `fn` works with. Reads see its own writes. */
export interface KvTransaction {
  /** Every submission up to this one is seen. */
  readonly snapshot: number;
  get(key: Uint8Array, streamId?: Hash32): Promise<Uint8Array | undefined>;
  set(key: Uint8Array, value: Uint8Array, streamId?: Hash32): void;
  delete(key: Uint8Array, streamId?: Hash32): void;
}
export type TransactionOptions = {
  /** Tries in all, default 10. */
  attempts?: number | undefined;
  /** Pause after the first conflict, doubling, jittered; default 50 ms. */
  backoffMs?: number | undefined;
  signal?: AbortSignal | undefined;
};
export type TransactionResult<T> = {
  value: T;
  /** Undefined when `fn` wrote nothing, so that nothing was submitted. */
  txSeq: number | undefined;
  attempts: number;
};

export type TransactionDeps = { node: KvNodeClient; submitter: Submitter; results: Results };

/** Throws what `fn` throws, `KV_TOO_MANY_CONFLICTS`, and what a refused batch throws. */
export async function runTransaction<T>(
  deps: TransactionDeps,
  streamId: Hash32,
  fn: (transaction: KvTransaction) => Promise<T> | T,
  options: TransactionOptions = {},
): Promise<TransactionResult<T>> {
  const { attempts = 10, backoffMs = 50, signal } = options;
  try {
    return await retry((attempt) => once(deps, streamId, fn, attempt, signal), {
      attempts,
      baseDelayMs: backoffMs,
      maxDelayMs: 5000,
      isRetryable: (error) => isCodedError(error, 'KV_CONFLICT'),
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    if (!isCodedError(error, 'KV_CONFLICT')) throw error;
    throw new CodedError({
      code: 'KV_TOO_MANY_CONFLICTS',
      kind: 'conflict',
      message: `others wrote the same keys at every one of ${attempts} tries`,
      hint: 'try again later, or touch fewer keys in one transaction',
      cause: error,
    });
  }
}

async function once<T>(
  { node, submitter, results }: TransactionDeps,
  streamId: Hash32,
  fn: (transaction: KvTransaction) => Promise<T> | T,
  attempt: number,
  signal: AbortSignal | undefined,
): Promise<TransactionResult<T>> {
  const progress = await node.getReplayProgress({ signal });
  if (!progress)
    throw new CodedError({
      code: 'KV_NO_SNAPSHOT',
      kind: 'invalid',
      message: `${node.url} does not say how far it is, so there is no snapshot to work on`,
      hint: 'use a node that has kv_getReplayProgress',
    });
  // Before the first submission there is nothing to conflict with but txSeq 0 itself, which the protocol cannot tell apart.
  const snapshot = Math.max(0, progress.appliedSeq - 1);
  const builder = new BatchBuilder(snapshot);
  const written = new Map<string, Uint8Array | undefined>();
  let isOver = false;
  const nameOf = (key: Uint8Array, stream: Hash32): string => stream + bytesToText(key);
  const write = (key: Uint8Array, value: Uint8Array, stream: Hash32): void => {
    if (isOver) throw late();
    builder.set(stream, key, value);
    written.set(nameOf(key, stream), value.length === 0 ? undefined : value);
  };
  const transaction: KvTransaction = {
    snapshot,
    async get(key, stream = streamId) {
      if (isOver) throw late();
      checkKey(key);
      const name = nameOf(key, stream);
      if (written.has(name)) return written.get(name);
      builder.read(stream, key);
      return (await readValue(node, stream, key, { version: snapshot, signal })).value;
    },
    set: (key, value, stream = streamId) => write(key, value, stream),
    delete: (key, stream = streamId) => write(key, new Uint8Array(), stream),
  };
  const value = await fn(transaction);
  isOver = true;
  if (builder.writeCount === 0) return { value, txSeq: undefined, attempts: attempt };
  const txSeq = await submitter.submit(builder.build());
  await results.committed(txSeq);
  return { value, txSeq, attempts: attempt };
}

function late(): CodedError {
  return new CodedError({
    code: 'KV_TRANSACTION_OVER',
    kind: 'invalid',
    message: 'the transaction is over: await everything inside of it',
  });
}
