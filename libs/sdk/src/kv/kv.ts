/*
 * Key-value streams for apps: read from a KV node, write through the storage network. Unconditional writes are committed in
 * groups; transactions see one snapshot and are tried again on conflict. Everything resolves when the node has decided.
 */
import { type Address, CodedError, type Hash32, type Hex } from '@cairn/base';
import { BatchBuilder, type BatchControl, CONTROL, checkKey } from '@cairn/kv';
import { createKvNodeClient, type HttpTransport, type KvNodeClient } from '@cairn/rpc';
import type { StorageClient } from '../client.ts';
import { GroupCommit } from './group.ts';
import {
  type KvEntry,
  type KvVersion,
  keyHistory,
  type ListOptions,
  listEntries,
  type ReadOptions,
  readValue,
} from './reads.ts';
import { Results } from './results.ts';
import { Submitter } from './submitter.ts';
import {
  type KvTransaction,
  runTransaction,
  type TransactionOptions,
  type TransactionResult,
} from './transaction.ts';
import { type KvEvent, type WatchOptions, watchStream } from './watch.ts';

export type KvOptions = {
  kvUrl: string;
  streamId: Hash32;
  /** Writes; reads do without. */
  storage?: StorageClient | undefined;
  transport?: HttpTransport | undefined;
  /** Pause between looks for results, default 50 ms. */
  pollMs?: number | undefined;
  /** How long a write waits for its result, default 120 s. */
  resultTimeoutMs?: number | undefined;
  /** Holders that every batch must have, as in an upload. */
  replicas?: number | undefined;
  /** False submits every write on its own. */
  isGrouped?: boolean | undefined;
};

/** A role to grant or to take: of the stream, or of one special key. */
export type KvRole =
  | { role: 'admin'; account: Address }
  | { role: 'writer'; account: Address }
  | { role: 'special-writer'; account: Address; key: Uint8Array };

export interface Kv {
  readonly streamId: Hash32;
  readonly node: KvNodeClient;
  /** The value, or undefined for a key that has none. */
  get(key: Uint8Array, options?: ReadOptions): Promise<Uint8Array | undefined>;
  /** The same with the txSeq that wrote or deleted it. */
  entry(
    key: Uint8Array,
    options?: ReadOptions,
  ): Promise<{ value: Uint8Array | undefined; version: number }>;
  list(options?: ListOptions): AsyncGenerator<KvEntry>;
  history(
    key: Uint8Array,
    options?: ReadOptions & { limit?: number | undefined },
  ): AsyncGenerator<KvVersion>;
  watch(options: WatchOptions): AsyncGenerator<KvEvent>;
  /** Each of these resolves with the txSeq of the committed batch. Throws `KV_DENIED`, `KV_NO_PERMISSION`, … */
  set(key: Uint8Array, value: Uint8Array): Promise<number>;
  delete(key: Uint8Array): Promise<number>;
  grant(role: KvRole): Promise<number>;
  /** Takes a role. An admin can only renounce: the protocol has no other way to lose it. */
  revoke(role: KvRole): Promise<number>;
  /** Gives up one's own role. */
  renounce(role: KvRole['role'], key?: Uint8Array): Promise<number>;
  /** From now on only special writers write the key, or everybody who writes the stream again. */
  setSpecial(key: Uint8Array, isSpecial: boolean): Promise<number>;
  transaction<T>(
    fn: (transaction: KvTransaction) => Promise<T> | T,
    options?: TransactionOptions,
  ): Promise<TransactionResult<T>>;
}

export function createKv(options: KvOptions): Kv {
  const { streamId, storage } = options;
  const node = createKvNodeClient(options.kvUrl, { transport: options.transport });
  const results = new Results(node, {
    pollMs: options.pollMs ?? 50,
    timeoutMs: options.resultTimeoutMs ?? 120_000,
  });
  let writing: { submitter: Submitter; group: GroupCommit } | undefined;
  const writer = (): { submitter: Submitter; group: GroupCommit } => {
    if (!storage)
      throw new CodedError({
        code: 'KV_READ_ONLY',
        kind: 'invalid',
        message: 'this client can only read: it was made without a storage client',
      });
    if (!writing) {
      const { replicas } = options;
      const submitter = new Submitter(storage, {
        groupFiles: 100,
        groupsInFlight: 4,
        queueMax: 10_000,
        replicas,
      });
      writing = { submitter, group: new GroupCommit(submitter, results) };
    }
    return writing;
  };
  const commit = async (builder: BatchBuilder): Promise<number> => {
    const txSeq = await writer().submitter.submit(builder.build());
    await results.committed(txSeq);
    return txSeq;
  };
  const control = (entry: Omit<BatchControl, 'streamId'>): Promise<number> =>
    commit(new BatchBuilder().control({ streamId, ...entry }));
  const set = async (key: Uint8Array, value: Uint8Array): Promise<number> => {
    checkKey(key);
    if (options.isGrouped ?? true) return writer().group.set(streamId, key, value);
    return commit(new BatchBuilder().set(streamId, key, value));
  };
  return {
    streamId,
    node,
    get: async (key, readOptions) => (await readValue(node, streamId, key, readOptions)).value,
    entry: (key, readOptions) => readValue(node, streamId, key, readOptions),
    list: (listOptions) => listEntries(node, streamId, listOptions),
    history: (key, historyOptions) => keyHistory(node, streamId, key, historyOptions),
    watch: (watchOptions) => watchStream(node.url, streamId, watchOptions),
    set,
    delete: (key) => set(key, new Uint8Array()),
    grant(role) {
      const { account } = role;
      if (role.role === 'admin') return control({ op: CONTROL.grantAdmin, account });
      if (role.role === 'writer') return control({ op: CONTROL.grantWriter, account });
      return control({ op: CONTROL.grantSpecialWriter, account, key: role.key });
    },
    async revoke(role) {
      const { account } = role;
      if (role.role === 'writer') return control({ op: CONTROL.revokeWriter, account });
      if (role.role === 'special-writer')
        return control({ op: CONTROL.revokeSpecialWriter, account, key: role.key });
      throw new CodedError({
        code: 'KV_REVOKE_ADMIN',
        kind: 'invalid',
        message: 'nobody can take the admin role from an account but the account itself',
        hint: 'it has to renounce it',
      });
    },
    renounce(role, key) {
      if (role === 'admin') return control({ op: CONTROL.renounceAdmin });
      if (role === 'writer') return control({ op: CONTROL.renounceWriter });
      return control({ op: CONTROL.renounceSpecialWriter, key });
    },
    setSpecial: (key, isSpecial) =>
      control({ op: isSpecial ? CONTROL.setKeySpecial : CONTROL.setKeyNormal, key }),
    transaction: async (fn, transactionOptions) =>
      runTransaction(
        { node, submitter: writer().submitter, results },
        streamId,
        fn,
        transactionOptions,
      ),
  };
}

/** What a wallet signs so that a node watches a stream (EIP-712); give it to `signTypedData` of viem or ethers. */
export function registerStreamMessage(chainId: number, wallet: Address, streamId: Hex) {
  return {
    domain: { name: '0G Storage Scan', version: '1', chainId },
    types: {
      RegisterStream: [
        { name: 'purpose', type: 'string' },
        { name: 'wallet', type: 'address' },
        { name: 'streamId', type: 'bytes32' },
      ],
    },
    primaryType: 'RegisterStream',
    message: { purpose: 'register-stream', wallet, streamId },
  } as const;
}
