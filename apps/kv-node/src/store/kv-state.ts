/*
 * The state of the streams: what a decided batch does to it, what a reorg undoes, and the views that replay and reads need.
 * `applyDecided` and `revert` must run inside a transaction of the caller; everything else is a read.
 */
import { type Address, CodedError, concatBytes, type Hash32, hexToBytes } from '@cairn/base';
import type { Kernels } from '@cairn/kernels';
import {
  type AccumulatorState,
  appendLeaves,
  type BatchSource,
  batchLeaves,
  CONTROL,
  type ControlGroup,
  type ControlOp,
  NEWEST,
  RESULT,
  type ReplayOutcome,
  type RoleView,
  readPadded,
  type StreamControl,
  type StreamView,
  stateRoot,
  streamRoot,
  type ValueEntry,
  valueHashes,
} from '@cairn/kv';
import type { Database } from '@cairn/store';
import { BatchTable, type Change } from './batch-table.ts';
import { ControlTable } from './control-table.ts';
import { LogTable, type PendingBatch } from './log-table.ts';
import { RootTable } from './root-table.ts';
import { StreamTable } from './stream-table.ts';
import { ValueTable } from './value-table.ts';

/** Rows that one slice of a purge removes. */
const PURGE_ROWS = 2000;
/** Role questions remembered. */
const ROLES_CACHED_MAX = 10_000;
const STREAM_TABLES = ['live', 'value', 'value_part', 'control', 'root'] as const;

export class KvState {
  readonly db: Database;
  readonly log: LogTable;
  readonly streams: StreamTable;
  readonly values: ValueTable;
  readonly controls: ControlTable;
  readonly batches: BatchTable;
  readonly roots: RootTable;
  readonly #kernels: Kernels;
  /** Newest role operations and accumulators, asked at every batch and changed by few. */
  readonly #newestOps = new Map<string, ControlOp | undefined>();
  readonly #newestRoots = new Map<number, AccumulatorState>();

  constructor(db: Database, kernels: Kernels, options: { maxStreams: number }) {
    this.db = db;
    this.#kernels = kernels;
    this.log = new LogTable(db);
    this.streams = new StreamTable(db, { max: options.maxStreams });
    this.values = new ValueTable(db);
    this.controls = new ControlTable(db);
    this.batches = new BatchTable(db);
    this.roots = new RootTable(db);
  }

  /** Short name of a watched stream. Throws `KV_STREAM_NOT_WATCHED`. */
  streamName(streamId: Hash32): number {
    const stream = this.streams.get(streamId);
    if (stream) return stream.id;
    throw new CodedError({
      code: 'KV_STREAM_NOT_WATCHED',
      kind: 'not_found',
      message: `this node does not watch stream ${streamId}`,
      hint: 'ask another node, or add the stream with admin_addStream',
    });
  }

  /** Roles at `version`, inclusive. Streams must be watched. */
  roleView(version: number): RoleView {
    return {
      isNew: (streamId) => !this.controls.hasAny(this.streamName(streamId), version),
      newestOp: (
        streamId: Hash32,
        group: ControlGroup,
        key: Uint8Array,
        account: Address,
      ): ControlOp | undefined =>
        this.controls.newestOp(this.streamName(streamId), { group, key, account }, version),
      isSpecialWriterOfAny: (streamId, account) =>
        this.controls.isSpecialWriterOfAny(this.streamName(streamId), account, version),
    };
  }

  /** Runs `change` in one transaction; when it throws, nothing of it is left, here or on disk. */
  transaction<T>(change: () => T): T {
    try {
      return this.db.transaction(change)();
    } catch (error) {
      this.#forget();
      throw error;
    }
  }

  /** Drops what is remembered of the database. */
  #forget(): void {
    this.log.forget();
    this.#newestOps.clear();
    this.#newestRoots.clear();
  }

  /** Remembers what is asked of the newest roles until one changes. */
  #cached(name: string, ask: () => ControlOp | undefined): ControlOp | undefined {
    if (this.#newestOps.has(name)) return this.#newestOps.get(name);
    if (this.#newestOps.size >= ROLES_CACHED_MAX) this.#newestOps.clear();
    const op = ask();
    this.#newestOps.set(name, op);
    return op;
  }

  /** What a batch at `seq` sees: everything that is applied. */
  viewBefore(seq: number): StreamView {
    const view = this.roleView(NEWEST);
    return {
      ...view,
      // A stream that has an entry stays one that has: only that is worth remembering.
      isNew: (streamId) =>
        this.#cached(`any ${streamId}`, () =>
          view.isNew(streamId) ? undefined : CONTROL.grantAdmin,
        ) === undefined,
      newestOp: (streamId, group, key, account) =>
        key.length > 0
          ? view.newestOp(streamId, group, key, account)
          : this.#cached(`${group} ${streamId} ${account}`, () =>
              view.newestOp(streamId, group, key, account),
            ),
      isWatched: (streamId) => this.streams.isWatchedAt(streamId, seq),
      latestVersion: (streamId, key) => this.values.latestVersion(this.streamName(streamId), key),
    };
  }

  /** Records the outcome of the lowest pending batch. Within a transaction. */
  applyDecided(batch: PendingBatch, outcome: ReplayOutcome, data: BatchSource | undefined): void {
    const changes = outcome.kind === 'commit' && data ? this.#commit(batch.seq, outcome, data) : [];
    this.batches.add({
      seq: batch.seq,
      result: outcome.kind === 'commit' ? RESULT.commit : outcome.result,
      txHash: batch.txHash,
      sender: batch.sender,
      streams: concatBytes(...batch.streamIds.map((id) => hexToBytes(id))),
      changes,
    });
    this.log.removePending(batch.seq);
  }

  #commit(
    version: number,
    { writes, controls }: Extract<ReplayOutcome, { kind: 'commit' }>,
    data: BatchSource,
  ): Change[] {
    const parts = new Map<Hash32, { values: ValueEntry[]; controls: StreamControl[] }>();
    const partOf = (streamId: Hash32): { values: ValueEntry[]; controls: StreamControl[] } => {
      const part = parts.get(streamId) ?? { values: [], controls: [] };
      parts.set(streamId, part);
      return part;
    };
    const hashes = valueHashes(
      this.#kernels,
      writes.map(({ valueStart, valueEnd }) => valueEnd - valueStart),
      (i, start, end) =>
        readPadded(data, writes[i]!.valueStart + start, writes[i]!.valueStart + end),
    );
    const changes: Change[] = [];
    // Neighbours mostly are of one stream: its name and its part are looked up once.
    let streamId: Hash32 | undefined;
    let stream = 0;
    let values: ValueEntry[] = [];
    for (let entry = 0; entry < writes.length; entry++) {
      const write = writes[entry]!;
      if (write.streamId !== streamId) {
        ({ streamId } = write);
        stream = this.streamName(streamId);
        ({ values } = partOf(streamId));
      }
      this.values.write(data, write, { stream, version, entry });
      values.push({ key: write.key, valueHash: hashes[entry]! });
      changes.push({ stream, key: write.key });
    }
    for (const [entry, control] of controls.entries()) {
      this.controls.add(this.streamName(control.streamId), version, entry, control);
      partOf(control.streamId).controls.push(control);
    }
    if (controls.length > 0) this.#newestOps.clear();
    for (const [streamId, part] of parts) {
      const stream = this.streamName(streamId);
      const leaves = batchLeaves(this.#kernels, { streamId, version, ...part });
      const before = this.#newestRoots.get(stream) ?? this.roots.at(stream, NEWEST);
      const after = appendLeaves(this.#kernels, before, leaves);
      this.roots.add(stream, version, after);
      this.#newestRoots.set(stream, after);
    }
    return changes;
  }

  /** Undoes every batch from `seq` on. Within a transaction. */
  revertFrom(seq: number): void {
    this.#forget();
    const named = new Set<number>();
    for (const { changes, streamIds } of this.batches.from(seq)) {
      for (const { stream, key } of changes) this.values.revert(stream, key, seq);
      for (const streamId of streamIds) {
        const stream = this.streams.get(streamId);
        if (stream) named.add(stream.id);
      }
    }
    for (const stream of named) {
      this.values.revertParts(stream, seq);
      this.controls.revert(stream, seq);
      this.roots.revert(stream, seq);
    }
    this.batches.removeFrom(seq);
  }

  /** Forgets all that was replayed, and the log, so that everything is replayed from the start. */
  reset(): void {
    this.#forget();
    this.transaction(() => {
      for (const table of [...STREAM_TABLES, 'batch']) this.db.exec(`DELETE FROM ${table}`);
      this.log.reset();
      this.streams.watchAllFromStart();
    });
  }

  /** Stops watching a stream. Its rows go by and by with `purge`. */
  drop(streamId: Hash32): boolean {
    this.#forget();
    return this.transaction(() => {
      // A batch is applied as a whole or not at all: what names the stream and waits is not of this node any more.
      this.log.removePendingOf(streamId);
      return this.streams.drop(streamId);
    });
  }

  /** Removes one slice of a dropped stream's rows; false when none is left. */
  purge(): boolean {
    const stream = this.streams.nextDropped();
    if (stream === undefined) return false;
    for (const table of STREAM_TABLES) {
      const key = table === 'live' ? 'key' : table === 'value' ? 'key, version' : undefined;
      const removed = key
        ? this.db
            .prepare(
              `DELETE FROM ${table} WHERE (stream, ${key}) IN (SELECT stream, ${key} FROM ${table} WHERE stream = ? LIMIT ?)`,
            )
            .run(stream, PURGE_ROWS).changes
        : this.#purgeVersions(table, stream);
      if (removed > 0) return true;
    }
    this.streams.forgetDropped(stream);
    return true;
  }

  /** Rows of the lowest versions of a stream, up to about a slice. */
  #purgeVersions(table: string, stream: number): number {
    const row = this.db
      .prepare(
        `SELECT max(version) AS version FROM (SELECT version FROM ${table} WHERE stream = ? ORDER BY version LIMIT ?)`,
      )
      .get(stream, PURGE_ROWS) as { version: number | null };
    if (row.version === null) return 0;
    return this.db
      .prepare(`DELETE FROM ${table} WHERE stream = ? AND version <= ?`)
      .run(stream, row.version).changes;
  }

  /** Root and number of leaves of one stream after `version`. */
  streamRootAt(streamId: Hash32, version: number): { count: number; root: Uint8Array } {
    const state = this.roots.at(this.streamName(streamId), version);
    return { count: state.count, root: streamRoot(this.#kernels, streamId, state) };
  }

  /** Root over all watched streams after `version`. */
  stateRootAt(version: number): Uint8Array {
    const streams = this.streams.all().map(({ streamId }) => ({
      streamId,
      root: this.streamRootAt(streamId, version).root,
    }));
    return stateRoot(this.#kernels, streams);
  }
}
