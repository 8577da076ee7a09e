/*
 * Key-value streams: replay beside a bare SQLite insert of the same rows, point reads beside a bare SQLite get behind the
 * same HTTP server, what history costs, and committed writes end to end on blocks of one second.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Address, type Hash32, silentLogger, systemClock } from '@cairn/base';
import { loadNodeKernels } from '@cairn/kernels/node';
import { BatchBuilder, memorySource } from '@cairn/kv';
import { KvState, MIGRATIONS, Replayer } from '@cairn/kv-node';
import { rpcCall } from '@cairn/rpc';
import { createHttpTransport } from '@cairn/rpc/node';
import { createKv, createStorageClient } from '@cairn/sdk';
import { type Database, openDatabase } from '@cairn/store';
import { startKvNode, startProcess, startStorageNode, startTestChain } from '@cairn/testkit';
import { type BenchRow, median, ratio, type Suite, type SuiteResult } from './harness.ts';

const STREAM = `0x${'00'.repeat(30)}f2bd` as Hash32;
const SENDER = `0x${'a1'.repeat(20)}` as Address;
const VALUE_BYTES = 100;
const READ_STREAMS_AT = 32;

/** Samples of named rows, filled in rounds. */
class Samples {
  readonly #rows = new Map<string, { count: number; clock: 'wall' | 'cpu'; ms: number[] }>();

  async time(name: string, count: number, run: () => unknown): Promise<void> {
    const started = performance.now();
    await run();
    this.add(name, count, performance.now() - started);
  }

  /** The same, and the CPU time of this thread as a row of its own: the disk of a busy machine disturbs it less. */
  async timeBoth(name: string, count: number, run: () => unknown): Promise<void> {
    const before = process.threadCpuUsage();
    await this.time(name, count, run);
    const { user, system } = process.threadCpuUsage(before);
    this.add(`${name} cpu`, count, (user + system) / 1e3, 'cpu');
  }

  add(name: string, count: number, ms: number, clock: 'wall' | 'cpu' = 'wall'): void {
    const row = this.#rows.get(name) ?? { count, clock, ms: [] };
    // A run that is bounded by time does another amount of work each round: scaled to that of the first.
    row.ms.push((ms * row.count) / count);
    this.#rows.set(name, row);
  }

  rows(): BenchRow[] {
    return [...this.#rows].map(([name, { count, clock, ms }]) => ({
      name,
      work: count,
      p50Ms: median(ms),
      minMs: Math.min(...ms),
      millionPerSecond: count / median(ms) / 1e3,
      clock,
      samplesMs: ms,
    }));
  }
}

const keyOf = (index: number): Uint8Array => Buffer.from(`user:${String(index).padStart(12, '0')}`);
function bytesOf(index: number): Uint8Array {
  const out = new Uint8Array(VALUE_BYTES).fill(index & 255);
  new DataView(out.buffer).setUint32(0, index);
  return out;
}

const { kernels } = await loadNodeKernels();
const fileOf = (seq: number): Hash32 => `0x${seq.toString(16).padStart(64, '0')}` as Hash32;

/** Replays `batches` of `keys` each on a fresh database on disk, and inserts the same rows into another. */
async function replayRound(
  samples: Samples,
  dir: string,
  { batches, keys, round }: { batches: number; keys: number; round: number },
): Promise<void> {
  const name = `keys=${keys}`;
  const files = Array.from({ length: batches }, (_, seq) => {
    const builder = new BatchBuilder();
    for (let i = 0; i < keys; i++) builder.set(STREAM, keyOf(seq * keys + i), bytesOf(seq + i));
    return builder.build().bytes;
  });
  const ours = openDatabase(join(dir, `ours-${keys}-${round}.db`), MIGRATIONS);
  const state = new KvState(ours, kernels, { maxStreams: 8 });
  state.streams.add(STREAM, 0, 'config');
  ours.transaction(() => {
    state.log.addBlocks([{ number: 1, hash: fileOf(1), nextSeq: batches }]);
    for (const [seq, bytes] of files.entries())
      state.log.addPending({
        seq,
        root: fileOf(seq),
        size: bytes.length,
        startSector: 1,
        txHash: fileOf(seq),
        sender: SENDER,
        streamIds: [STREAM],
        block: 1,
      });
  })();
  const replayer = new Replayer(
    {
      state,
      clock: systemClock,
      log: silentLogger,
      onApplied: () => {},
      fetcher: {
        fetch: async ({ seq }) => ({
          source: memorySource(files[seq]!),
          headerBytes: 0,
          [Symbol.dispose]: () => {},
        }),
      },
    },
    { parallel: GROUP, maxDownloadRetries: 0, retryMs: 1, retryMsMax: 1 },
  );
  const count = batches * keys;
  await samples.timeBoth(`kv.replay/${name}`, count, () =>
    replayer.drain(new AbortController().signal),
  );
  if (state.log.applied() !== batches) throw new Error('not everything was replayed');
  const left = rowsLeft(ours, batches);
  ours.close();
  const bare = openDatabase(join(dir, `bare-${keys}-${round}.db`), MIGRATIONS);
  const inserts = Object.fromEntries(
    Object.entries(TABLES).map(([table, columns]) => [
      table,
      bare.prepare(`INSERT INTO ${table} VALUES (${Array(columns).fill('?').join()})`),
    ]),
  );
  const insert = (tables: readonly string[], group: number): void => {
    for (let first = 0; first < batches; first += group)
      bare.transaction(() => {
        for (let seq = first; seq < Math.min(batches, first + group); seq++)
          for (const table of tables)
            for (const row of left[seq]![table]!) inserts[table]!.run(row);
      })();
  };
  await samples.timeBoth(`sqlite.insert/${name}`, count, () => insert(Object.keys(TABLES), GROUP));
  bare.exec(
    Object.keys(TABLES)
      .map((table) => `DELETE FROM ${table}`)
      .join(';'),
  );
  await samples.timeBoth(`sqlite.insert/${name} commit=batch`, count, () =>
    insert(Object.keys(TABLES), 1),
  );
  bare.exec(
    Object.keys(TABLES)
      .map((table) => `DELETE FROM ${table}`)
      .join(';'),
  );
  await samples.timeBoth(`sqlite.insert/${name} rows=values`, count, () =>
    insert(['value'], GROUP),
  );
  bare.close();
}

/** Tables that a replay leaves rows in, and their columns. */
const TABLES = { value: 6, live: 2, batch: 6, root: 4 } as const;

/** The rows that each batch left, by table. */
function rowsLeft(db: Database, batches: number): Record<string, unknown[][]>[] {
  const of = (sql: string, seq: number): unknown[][] =>
    db.prepare(sql).raw().all(seq) as unknown[][];
  return Array.from({ length: batches }, (_, seq) => ({
    value: of('SELECT * FROM value WHERE version = ?', seq),
    live: of('SELECT stream, key FROM value WHERE version = ?', seq),
    batch: of('SELECT * FROM batch WHERE seq = ?', seq),
    root: of('SELECT * FROM root WHERE version = ?', seq),
  }));
}

/** Batches that the replayer decides in one transaction. */
const GROUP = 16;

/** A database with so many versions, ten of each key. */
function fill(path: string, versions: number): void {
  const db = openDatabase(path, MIGRATIONS);
  const state = new KvState(db, kernels, { maxStreams: 8 });
  state.streams.add(STREAM, 0, 'config');
  const keys = versions / 10;
  for (let version = 0; version < 10; version++)
    db.transaction(() => {
      for (let i = 0; i < keys; i++) {
        const value = memorySource(bytesOf(i));
        const write = { key: keyOf(i), valueStart: 0, valueEnd: VALUE_BYTES };
        state.values.write(value, write, { stream: 1, version, entry: i });
      }
    })();
  state.log.addBlocks([{ number: 1, hash: fileOf(1), nextSeq: 10 }]);
  db.close();
}

async function readRounds(
  samples: Samples,
  dir: string,
  rounds: number,
  stack: AsyncDisposableStack,
): Promise<void> {
  const READS = 8000;
  const transport = stack.adopt(createHttpTransport({ sockets: READ_STREAMS_AT }), (t) =>
    t.close(),
  );
  const servers = [];
  for (const versions of [10_000, 1_000_000]) {
    const path = join(dir, `read-${versions}.db`);
    fill(path, versions);
    const server = stack.use(await startProcess('benchmarks/src/kv-server.ts', [path]));
    servers.push({ versions, url: String(server.ready.url) });
  }
  const run = async (
    url: string,
    versions: number,
    call: (key: string) => [string, unknown[]],
  ): Promise<void> => {
    let next = 0;
    const lane = async (): Promise<void> => {
      while (next < READS) {
        const key = Buffer.from(keyOf((next++ * 7919) % (versions / 10))).toString('base64');
        const [method, params] = call(key);
        const found = await rpcCall<{ size: number }>(url, method, params, { transport });
        if (found.size !== VALUE_BYTES) throw new Error('a value is missing');
      }
    };
    await Promise.all(Array.from({ length: READ_STREAMS_AT }, lane));
  };
  for (let round = -1; round < rounds; round++) {
    const into = round < 0 ? new Samples() : samples;
    for (const { versions, url } of servers) {
      const name = `versions=${versions}`;
      await into.time(`kv_getValue/${name}`, READS, () =>
        run(url, versions, (key) => ['kv_getValue', [STREAM, key, 0, 262_144]]),
      );
      await into.time(`bare_get/${name}`, READS, () =>
        run(url, versions, (key) => ['bare_get', [key]]),
      );
      await into.time(`kv_getValue past/${name}`, READS, () =>
        run(url, versions, (key) => ['kv_getValue', [STREAM, key, 0, 262_144, 4]]),
      );
      await into.time(`kv_getNext/${name}`, READS, () =>
        run(url, versions, (key) => ['kv_getNext', [STREAM, key, 0, 262_144, true]]),
      );
    }
  }
}

/** Committed writes of concurrent callers of one client, on blocks of a second. */
async function writeRounds(
  samples: Samples,
  dir: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  await using chain = await startTestChain();
  await chain.rpc('evm_setAutomine', [false]);
  await chain.rpc('evm_setIntervalMining', [1]);
  await using storageNode = await startStorageNode(chain, join(dir, 'node'));
  const nodeUrls = [String(storageNode.ready.url)];
  await using node = await startKvNode(chain, join(dir, 'kv'), { nodeUrls, streamIds: [STREAM] });
  const { privateKey } = chain.accounts[1]!;
  const storage = await createStorageClient({ rpcUrl: chain.rpcUrl, privateKey, nodeUrls });
  const SECONDS = 8;
  for (const writers of [1, 8, 64])
    for (const isGrouped of [false, true]) {
      signal?.throwIfAborted();
      const kv = createKv({ kvUrl: String(node.ready.url), streamId: STREAM, storage, isGrouped });
      const started = performance.now();
      let count = 0;
      let last = started;
      const lane = async (_: unknown, writer: number): Promise<void> => {
        for (let i = 0; performance.now() - started < SECONDS * 1000; i++) {
          await kv.set(keyOf(writer * 1000 + (i % 1000)), bytesOf(count));
          count++;
          last = performance.now();
        }
      };
      await Promise.all(Array.from({ length: writers }, lane));
      const how = isGrouped ? 'grouped' : 'single';
      samples.add(`kv.set/writers=${writers} ${how}`, count, last - started);
    }
}

async function run({
  rounds = 5,
  signal,
}: {
  rounds?: number;
  signal?: AbortSignal;
}): Promise<SuiteResult> {
  await using stack = new AsyncDisposableStack();
  const dir = mkdtempSync(join(tmpdir(), 'cairn-bench-kv-'));
  stack.defer(() => rmSync(dir, { recursive: true, force: true }));
  const samples = new Samples();
  for (let round = -1; round < rounds; round++) {
    signal?.throwIfAborted();
    const into = round < 0 ? new Samples() : samples;
    await replayRound(into, dir, { batches: 1600, keys: 1, round });
    await replayRound(into, dir, { batches: 200, keys: 100, round });
    await replayRound(into, dir, { batches: 20, keys: 2000, round });
  }
  await readRounds(samples, dir, rounds, stack);
  await writeRounds(samples, dir, signal);
  const rows = samples.rows();
  const small = 'versions=10000';
  const large = 'versions=1000000';
  return {
    rows,
    ratios: [
      ...[1, 100, 2000].map((keys) =>
        ratio(rows, `kv.replay/keys=${keys}`, `sqlite.insert/keys=${keys}`, 0.4),
      ),
      ...[1, 100, 2000].map((keys) =>
        ratio(rows, `kv.replay/keys=${keys} cpu`, `sqlite.insert/keys=${keys} cpu`),
      ),
      ...[1, 100, 2000].flatMap((keys) =>
        ['commit=batch', 'rows=values'].map((how) =>
          ratio(rows, `kv.replay/keys=${keys}`, `sqlite.insert/keys=${keys} ${how}`),
        ),
      ),
      ratio(rows, `kv_getValue/${small}`, `bare_get/${small}`, 0.6),
      ratio(rows, `kv_getValue/${large}`, `bare_get/${large}`, 0.6),
      ratio(rows, `kv_getValue/${large}`, `kv_getValue/${small}`),
      ratio(rows, `kv_getValue past/${large}`, `kv_getValue past/${small}`),
      ratio(rows, `kv_getNext/${large}`, `kv_getNext/${small}`),
    ],
    notes: [
      `Values have ${VALUE_BYTES} bytes, keys 17. A replay parses, checks conflicts and roles, hashes into the state root and takes batches from the queue; ${GROUP} batches a transaction, as the node does when it catches up.`,
      'sqlite.insert writes the rows that replay left (values, live keys, results, roots) in the same transactions; commit=batch in one a batch; rows=values those of the value table alone.',
      'Reads: 32 at once over one HTTP server, answering kv_getValue or one SQLite statement (bare_get).',
      'kv.set: callers of one client on blocks of 1 s, each waiting for the commit of its last write; single submits every write as a batch of its own.',
    ],
  };
}

export const suite: Suite = {
  description: 'replay, point reads, history and committed writes of key-value streams',
  run,
};
