// One KV node without sockets: real tables, log sink and replayer, on a chain and storage that the test decides.
import {
  type Address,
  bytesToHex,
  type Hash32,
  type RandomSource,
  silentLogger,
  systemClock,
  toTxSeq,
} from '@cairn/base';
import type { BlockRef, Submission } from '@cairn/chain';
import { type Kernels, loadKernels } from '@cairn/kernels';
import { type ControlOp, hasWritePermission, memorySource, type RoleView } from '@cairn/kv';
import { type Database, openDatabase, type Statement } from '@cairn/store';
import { type HistoryBatch, KEYS, type KvModel, WATCHED, WRITERS } from '@cairn/testkit';
import { expect } from 'vitest';
import { KvLogSink } from '../src/chain/log-sink.ts';
import { Walker } from '../src/read/walker.ts';
import { Replayer } from '../src/replay/replayer.ts';
import { KvState } from '../src/store/kv-state.ts';
import { MIGRATIONS } from '../src/store/schema.ts';

const kernels = await loadKernels();
export const hashOf = (text: string): Hash32 =>
  bytesToHex(kernels.keccak256(new TextEncoder().encode(text))) as Hash32;

export type SimBlock = BlockRef & {
  submissions: { seq: number; txHash: Hash32; batch: HistoryBatch | undefined }[];
};

/** Blocks of a fork; names differ between forks, so do hashes. */
export class SimChain {
  readonly blocks: SimBlock[] = [];
  /** Batches by the hash of their transaction, those of left forks too: storage forgets nothing. */
  readonly stored = new Map<Hash32, Uint8Array>();
  #forks = 0;

  get nextSeq(): number {
    return (
      (this.blocks.findLast((b) => b.submissions.length > 0)?.submissions.at(-1)?.seq ?? -1) + 1
    );
  }

  add(batches: readonly (HistoryBatch | undefined)[]): void {
    const number = this.blocks.length;
    let seq = this.nextSeq;
    const hash = hashOf(`block ${number} of fork ${this.#forks}`);
    const submissions = batches.map((batch) => {
      const txHash = hashOf(`tx ${seq} in ${hash}`);
      if (batch) this.stored.set(txHash, batch.bytes);
      return { seq: seq++, txHash, batch };
    });
    this.blocks.push({ number, hash, submissions });
  }

  /** Takes the newest blocks away; what is added next is of another fork. */
  fork(depth: number): void {
    this.blocks.length = Math.max(0, this.blocks.length - depth);
    this.#forks++;
  }

  batches(): HistoryBatch[] {
    return this.blocks.flatMap((b) => b.submissions.flatMap(({ batch }) => (batch ? [batch] : [])));
  }

  submission(block: SimBlock, seq: number): Submission {
    const { batch, txHash } = block.submissions.find((s) => s.seq === seq)!;
    return {
      sender: WRITERS[0]!, // the event's field says nothing
      identity: txHash,
      seq: toTxSeq(seq),
      startSector: 1,
      sectors: 1,
      size: batch?.bytes.length ?? 1,
      tags: batch ? bytesToHex(batch.tagBytes) : '0x',
      nodes: [{ root: txHash, height: 0 }],
      txHash,
      blockNumber: block.number,
      blockHash: block.hash,
      logIndex: seq,
    };
  }
}

/** In memory, and with its prepared statements kept over the lives of a node: compiling them anew is a fifth of a history. */
function openKeptDatabase(): Database {
  const db = openDatabase(':memory:', MIGRATIONS);
  const prepare = db.prepare.bind(db);
  const statements = new Map<string, Statement>();
  db.prepare = ((sql: string) => {
    const statement = statements.get(sql) ?? prepare(sql);
    statements.set(sql, statement);
    return statement;
  }) as Database['prepare'];
  return db;
}

/** A node on a database that outlives it: `crash` forgets everything but the database. */
export class SimNode {
  readonly db: Database;
  readonly #chain: SimChain;
  readonly #parallel: number;
  readonly #random: RandomSource;
  state!: KvState;
  #sink!: KvLogSink;
  #replayer!: Replayer;
  /** Hash calls until the process "dies" in the middle of what it does; Infinity for never. */
  #fuse = Number.POSITIVE_INFINITY;

  constructor(chain: SimChain, options: { parallel: number; random: RandomSource; db?: Database }) {
    this.db = options.db ?? openKeptDatabase();
    this.#chain = chain;
    this.#parallel = options.parallel;
    this.#random = options.random;
    this.#boot();
    for (const id of WATCHED) this.state.streams.add(id, 0, 'config');
  }

  #boot(): void {
    const fused: Kernels = {
      ...kernels,
      keccak256: (input) => {
        if (--this.#fuse < 0) throw new Error('killed');
        return kernels.keccak256(input);
      },
    };
    this.state = new KvState(this.db, fused, { maxStreams: 8 });
    this.#replayer = new Replayer(
      {
        state: this.state,
        clock: { ...systemClock, sleep: async () => {} }, // nothing is gained by waiting here
        log: silentLogger,
        onApplied: () => {},
        fetcher: {
          fetch: async ({ root }) => {
            const bytes = this.#chain.stored.get(root);
            if (!bytes || this.#random.next() < 0.1) throw new Error('nobody has it yet');
            return { source: memorySource(bytes), headerBytes: 0, [Symbol.dispose]: () => {} };
          },
        },
      },
      { parallel: this.#parallel, maxDownloadRetries: 0, retryMs: 1, retryMsMax: 1 },
    );
    this.#sink = new KvLogSink({
      state: this.state,
      kernels,
      log: silentLogger,
      onPending: () => {},
      onReverted: () => {},
      reader: {
        transactionSender: async (wanted) => {
          for (const block of this.#chain.blocks)
            for (const { txHash, batch } of block.submissions)
              if (batch && txHash === wanted)
                return { sender: batch.sender as Address, blockHash: block.hash };
          return undefined;
        },
      },
    });
  }

  /** Follows the chain as far as it goes, undoing what is not on it any more. */
  async follow(): Promise<void> {
    let common = this.#sink.progress();
    const before = common;
    while (common && this.#chain.blocks[common.number]?.hash !== common.hash)
      common = this.#sink.previousBlock(common.number);
    if (common?.hash !== before?.hash) await this.#sink.revert(common);
    const blocks = this.#chain.blocks.slice((common?.number ?? -1) + 1);
    if (blocks.length === 0) return;
    await this.#sink.apply({
      submissions: blocks.flatMap((b) =>
        b.submissions.map(({ seq }) => this.#chain.submission(b, seq)),
      ),
      blocks: blocks.map(({ number, hash }) => ({ number, hash })),
    });
  }

  async replay(): Promise<void> {
    await this.#replayer.drain(new AbortController().signal);
  }

  /** Replays and fails after a few hash calls; goes on, or dies and the next life goes on from the database. */
  async crash(): Promise<void> {
    this.#fuse = Math.floor(this.#random.next() * 12);
    await this.replay().catch((error: unknown) => {
      if (!(error instanceof Error && error.message === 'killed')) throw error;
    });
    this.#fuse = Number.POSITIVE_INFINITY;
    // Not every failure ends the process (a full disk does not): what it remembers must be as the database is.
    if (this.#random.next() < 0.5) this.#boot();
  }

  /** Every row that two nodes must have in common. */
  dump(): unknown {
    return ['batch', 'value', 'value_part', 'live', 'control', 'root'].map((table) => {
      const columns = table === 'batch' ? 'seq, result, sender, streams, changes' : '*';
      const rows = this.db.prepare(`SELECT ${columns} FROM ${table}`).raw().all() as unknown[][];
      return rows.map((row) =>
        row
          .map((cell) => (cell instanceof Uint8Array ? Buffer.from(cell).toString('hex') : cell))
          .join(),
      );
    });
  }

  /** Forgets everything, to be used for another history. */
  clear(): void {
    this.db.exec(
      'DELETE FROM meta; DELETE FROM block; DELETE FROM stream; DELETE FROM pending; DELETE FROM batch; DELETE FROM value; DELETE FROM value_part; DELETE FROM live; DELETE FROM control; DELETE FROM root; DELETE FROM sqlite_sequence',
    );
  }
}

/** The view of one stream, which asks the node once for what does not depend on a key. */
function rememberAccounts(view: RoleView): RoleView {
  const known = new Map<string, ControlOp | undefined>();
  let isNew: boolean | undefined;
  return {
    ...view,
    isNew: (streamId) => (isNew ??= view.isNew(streamId)),
    newestOp(streamId, group, key, account) {
      if (key.length > 0) return view.newestOp(streamId, group, key, account);
      const name = `${group} ${account}`;
      if (!known.has(name)) known.set(name, view.newestOp(streamId, group, key, account));
      return known.get(name);
    },
  };
}

const keyBytes = (hex: string): Uint8Array => Buffer.from(hex, 'hex');

/** Compares a node with the model: results, values at every version, order, roles. */
export async function expectEqualsModel(
  node: SimNode,
  model: KvModel,
  seqs: number,
): Promise<void> {
  const { state } = node;
  const walker = new Walker(state);
  const { signal } = new AbortController();
  for (let seq = 0; seq < seqs; seq++) {
    const result = state.batches.result(seq);
    if (result !== model.results.get(seq)) expect(result).toBe(model.results.get(seq));
  }
  // Roles and order at three versions, values at all.
  const versions = [...new Set([0, Math.floor(seqs / 2), seqs])];
  for (const streamId of WATCHED) {
    const stream = state.streamName(streamId);
    for (const key of KEYS)
      for (let version = 0; version <= seqs; version++) {
        const row = state.values.at(stream, keyBytes(key), version);
        const value =
          row && Buffer.from(state.values.read(stream, row, 0, row.size)).toString('hex');
        const wanted = model.get(streamId, key, version);
        if (row?.version !== wanted?.seq || value !== wanted?.value)
          expect({ streamId, key, version, seq: row?.version, value }).toEqual({
            streamId,
            key,
            version,
            seq: wanted?.seq,
            value: wanted?.value,
          });
      }
    for (const version of versions) {
      for (const direction of ['next', 'prev'] as const) {
        const keys: string[] = [];
        let from: Uint8Array | undefined;
        for (;;) {
          const options = { direction, version, signal, isInclusive: from === undefined };
          const found = await walker.find(stream, { ...options, ...(from ? { key: from } : {}) });
          if (!found) break;
          keys.push(Buffer.from(found.key).toString('hex'));
          from = found.key;
        }
        if (direction === 'prev') keys.reverse();
        expect(keys).toEqual(model.keys(streamId, version));
      }
      const view = rememberAccounts(state.roleView(version));
      for (const account of WRITERS)
        for (const key of KEYS) {
          const may = hasWritePermission(view, account, streamId, keyBytes(key));
          if (may !== model.mayWrite(account, streamId, key, version))
            expect({ streamId, account, key, version, may }).toEqual(!may);
        }
    }
  }
}
